"""Behaviours of pages: cursors that lie, pages that repeat or fail, totals that do not add up."""

from typing import Any, Final

from provider_pipeline.errors import (
    ListingRefusedError,
    ListingUnreachableError,
    ListingUnreadableError,
    RuleValidationError,
)
from provider_pipeline_tests.listing.hostile.behaviour import (
    LOOPBACK,
    MODELS,
    Behaviour,
    encoded,
    items,
    says,
    sends,
    whole,
)
from provider_pipeline_tests.listing.hostile.server import Conversation, Script, answer

CURSOR: Final = {"type": "cursor", "param": "after", "token": "last_id", "more": "has_more"}
TOKEN: Final = {"type": "page_token", "param": "page_token", "token": "next_page_token"}
NEXT: Final = {"type": "next_url", "token": "next"}
NUMBER: Final = {"type": "page_number", "param": "page", "page": "page", "total_pages": "total_pages"}
OFFSET: Final = {"type": "offset", "param": "offset", "total": "total"}
NOTHING_NEW: Final = "brings no new"


def _number(conversation: Conversation) -> int:
    return int(conversation.query.get("page_token", conversation.query.get("page", "1")))


def _of_five(number: int) -> dict[str, Any]:
    """A page of two of five models."""
    more = {"next_page_token": str(number + 1)} if number < 5 else {}
    return {"data": items(*MODELS[2 * number - 2 : 2 * number]), **more}


def _fails_at_third(script: Script) -> Script:
    def pages(conversation: Conversation) -> None:
        if _number(conversation) == 3:
            script(conversation)
        else:
            conversation.send(answer(encoded(_of_five(_number(conversation)))))

    return pages


def _page(conversation: Conversation, *model_ids: str, **more: Any) -> None:
    conversation.send(answer(encoded({"data": items(*model_ids), **more})))


def _never_ends(conversation: Conversation) -> None:
    token = f"gpt-4.1-more-{conversation.attempt}"
    _page(conversation, token, has_more=True, last_id=token)


def _repeats_cursor(conversation: Conversation) -> None:
    _page(conversation, f"gpt-4.1-more-{conversation.attempt}", has_more=True, last_id="gpt-4.1-same")


def _jumps_back(conversation: Conversation) -> None:
    at = conversation.query.get("after", "a")
    _page(
        conversation, f"gpt-4.1-more-{conversation.attempt}", has_more=True, last_id={"a": "b", "b": "c"}.get(at, "b")
    )


def _ignores_parameter(conversation: Conversation) -> None:
    _page(conversation, *MODELS, has_more=True, last_id=MODELS[-1])


def _ignores_parameter_in_new_words(conversation: Conversation) -> None:
    at = f"request {conversation.attempt}"
    _page(conversation, *MODELS, request_id=at, next_page_token=str(conversation.attempt + 1))


def _overlaps(conversation: Conversation) -> None:
    number = _number(conversation)
    more = {"next_page_token": str(number + 1)} if number < 3 else {}
    _page(conversation, *MODELS[max(4 * number - 5, 0) : 4 * number], **more)


def _ends_without_cursor(conversation: Conversation) -> None:
    _page(conversation, *MODELS[:5], has_more=True)


def _another_page_than_asked(conversation: Conversation) -> None:
    if conversation.attempt == 1:
        _page(conversation, *MODELS[:5], page=1, total_pages=2)
    else:
        _page(conversation, *MODELS[5:], page=7, total_pages=2)


def _too_many_bytes(conversation: Conversation) -> None:
    at = conversation.attempt
    _page(conversation, f"gpt-4.1-more-{at}", fill="x" * 500_000, next_page_token=str(at + 1))


def _offsets(total: int) -> Script:
    def script(conversation: Conversation) -> None:
        start = int(conversation.query.get("offset", "0"))
        _page(conversation, *MODELS[start : start + 5], total=total)

    return script


def _total_changes(conversation: Conversation) -> None:
    start = int(conversation.query.get("offset", "0"))
    _page(conversation, *MODELS[start : start + 5], total=10 + start)


CURSORS: Final = (
    Behaviour(
        "cursor-never-ends",
        "Names a new cursor on every page, and brings a new model.",
        _never_ends,
        ListingUnreadableError,
        "a listing may have 7",
        asked=7,
        pagination=CURSOR,
    ),
    Behaviour(
        "cursor-repeats",
        "Names the same cursor on every page.",
        _repeats_cursor,
        ListingUnreadableError,
        "goes in circles",
        asked=2,
        pagination=CURSOR,
    ),
    Behaviour(
        "cursor-jumps-back",
        "Names the cursor of an earlier page.",
        _jumps_back,
        ListingUnreadableError,
        "goes in circles",
        asked=3,
        pagination=CURSOR,
    ),
    Behaviour(
        "cursor-is-ignored",
        "Sends the first page whatever the cursor, byte for byte.",
        _ignores_parameter,
        RuleValidationError,
        "answered page 2 with the",
        asked=2,
        pagination=CURSOR,
    ),
    Behaviour(
        "token-is-ignored",
        "Sends the same models whatever the token, in a body that differs.",
        _ignores_parameter_in_new_words,
        RuleValidationError,
        "answered page 2 with nothing",
        asked=2,
        pagination=TOKEN,
    ),
    Behaviour(
        "more-without-cursor",
        "Says that there is more, but not where.",
        _ends_without_cursor,
        RuleValidationError,
        "has_more in the answer says that there is more than the 5 read",
        pagination=CURSOR,
    ),
    Behaviour(
        "token-is-no-token",
        "Names an object as the next page's token.",
        says(whole(next_page_token={"a": 1})),
        RuleValidationError,
        "that is not a token but dict",
        pagination=TOKEN,
    ),
    Behaviour(
        "pages-overlap",
        "Repeats the last model of each page on the next.",
        _overlaps,
        "synced",
        asked=3,
        pagination=TOKEN,
    ),
    Behaviour(
        "pages-too-large-together",
        "Sends pages that are small enough one by one, but too large together.",
        _too_many_bytes,
        ListingUnreadableError,
        "bytes this page may have",
        asked=3,
        pagination=TOKEN,
        policy={**LOOPBACK, "max_total_bytes": 1024 * 1024},
    ),
)

THIRD_OF_FIVE: Final = (
    Behaviour(
        "third-page-500",
        "Answers the third of five pages with `500`.",
        _fails_at_third(says({"error": "oops"}, status="500 Internal Server Error")),
        ListingRefusedError,
        "page_token=3 answered 500",
        asked=5,
        pagination=TOKEN,
    ),
    Behaviour(
        "third-page-reset",
        "Resets the connection in the third of five pages.",
        _fails_at_third(lambda conversation: conversation.reset()),
        ListingUnreachableError,
        "page_token=3 got no answer",
        asked=5,
        pagination=TOKEN,
    ),
    Behaviour(
        "third-page-html",
        "Answers the third of five pages with a login page.",
        _fails_at_third(sends(answer(b"<html><title>Sign in</title></html>", kind="text/html"))),
        ListingUnreadableError,
        "page_token=3 answered a login page titled 'Sign in'",
        asked=3,
        pagination=TOKEN,
    ),
    Behaviour(
        "third-page-empty",
        "Sends no model on the third of five pages and goes on, as a server does that filters each page.",
        _fails_at_third(says({"data": [], "next_page_token": "4"})),
        "synced",
        asked=5,
        rows=(*MODELS[:4], *MODELS[6:]),
        pagination=TOKEN,
    ),
    Behaviour(
        "third-page-error-object",
        "Answers the third of five pages with 200 and an error.",
        _fails_at_third(says({"error": {"message": "overloaded"}})),
        ListingRefusedError,
        "overloaded",
        asked=3,
        pagination=TOKEN,
    ),
)

TOTALS: Final = (
    Behaviour(
        "total-too-high",
        "Announces more models than there are; its last page is empty.",
        _offsets(12),
        RuleValidationError,
        "total is 12",
        asked=3,
        pagination=OFFSET,
    ),
    Behaviour(
        "total-too-low",
        "Announces fewer models than its first page has.",
        _offsets(3),
        ListingUnreadableError,
        "announces a total of 3 items, but 5 came",
        pagination=OFFSET,
    ),
    Behaviour(
        "total-changes",
        "Announces another total on every page.",
        _total_changes,
        RuleValidationError,
        "is empty at offset 10, though total is 20",
        asked=3,
        pagination=OFFSET,
    ),
    Behaviour(
        "total-is-no-number",
        "Announces a total that is not a number.",
        says(whole(total="many")),
        RuleValidationError,
        "does not say how many models there are",
        pagination=OFFSET,
    ),
    Behaviour(
        "total-of-an-unpaged-listing",
        "Announces more models than its only page has.",
        says(whole(total=900)),
        RuleValidationError,
        "900",
        pagination={"type": "none", "total": "total"},
    ),
    Behaviour(
        "another-page-than-asked",
        "Answers with page 7 when page 2 was requested.",
        _another_page_than_asked,
        RuleValidationError,
        "says it is page 7, though page 2 was asked for",
        asked=2,
        pagination=NUMBER,
    ),
)
