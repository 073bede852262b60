"""From stored pages to a verdict, whether they came just now or long ago.

Here: reading each page's document and handing it to the judge. Not here: the judgement (`provider_pipeline.rules`), and
where the pages come from (`attempt.py` fetches them, `replay.py` loads them).
"""

from collections.abc import Iterable
from typing import Any

from provider_pipeline import catalog
from provider_pipeline.listing import parse_document
from provider_pipeline.rules import ListingJudge, Verdict
from provider_pipeline.sync.spool import Spool
from provider_pipeline.sync.writing import Row


def judge_pages(judge: ListingJudge, pages: Iterable[catalog.StoredPage], rows: Spool[list[Row]]) -> Verdict:
    """Judges a listing page by page, with one page in memory.

    Args:
        judge: A judge that has seen no page yet.
        pages: The listing's pages, in order.
        rows: Where the accepted rows go, page by page.

    Raises:
        ListingUnreadableError: A page is not JSON.
    """
    for page in pages:
        rows.append(judge.add_page(page_document(page), endpoint=page.endpoint))
    return judge.verdict()


def page_document(page: catalog.StoredPage) -> Any:
    """A stored page, parsed as it was when it came.

    Raises:
        ListingUnreadableError: It is not JSON.
    """
    return parse_document(page.content, where=page.url, content_type=page.headers.get("content-type"))
