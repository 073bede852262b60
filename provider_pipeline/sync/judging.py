"""From pages to a verdict, whether they came just now or long ago.

Here: reading each page's document and handing it to the judge. Not here: the judgement (`provider_pipeline.rules`), and
where the pages come from (`reading.py` fetches them, `replay.py` loads them).
"""

from collections.abc import Iterable, Iterator

from provider_pipeline import catalog
from provider_pipeline.listing import parse_document
from provider_pipeline.rules import ListingJudge, Verdict
from provider_pipeline.sync.spool import Spool
from provider_pipeline.sync.stored import Page
from provider_pipeline.sync.writing import Row


def judge_pages(judge: ListingJudge, pages: Iterable[Page], rows: Spool[list[Row]]) -> Verdict:
    """Judges a listing page by page, with one page in memory.

    Args:
        judge: A judge that has seen no page yet.
        pages: The listing's pages, parsed, in order.
        rows: Where the accepted rows go, page by page.
    """
    for endpoint, document in pages:
        rows.append(judge.add_page(document, endpoint=endpoint))
    return judge.verdict()


def parsed(pages: Iterable[catalog.StoredPage]) -> Iterator[Page]:
    """Stored pages, each parsed as it was when it came.

    Raises:
        ListingUnreadableError: A page is not JSON.
    """
    for page in pages:
        kind = page.headers.get("content-type")
        yield page.endpoint, parse_document(page.content, where=page.url, content_type=kind)
