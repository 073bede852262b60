"""Cutting a whole body into the pages that providers serve.

Here: the server's side of pagination, in the spellings of real providers. Not here: following it
(`provider_pipeline.listing.paginator`). The concept: the two sides share no code, so that neither hides the other's
mistake.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode


def cut(
    body: Any, paging: Mapping[str, Any] | None, *, query: Mapping[str, str], url: str
) -> tuple[Any, Mapping[str, str]]:
    """One page of a body.

    Args:
        body: The whole listing.
        paging: `style`, `size` (models per page), `items` (the list's key in the body; absent for a bare list), what
            else the style needs; None for a body that is served whole. Bare lists go on by Link header only.
        query: The request's parameters.
        url: The endpoint's URL, for styles that name the next page by its URL.

    Returns:
        The page and its extra headers.

    Raises:
        ValueError: The query asks for a page that does not exist; one line, for the client.
    """
    if paging is None:
        return body, {}
    items: Sequence[Any] = body[paging["items"]] if "items" in paging else body
    start, size = _start(paging, items, query), int(paging["size"])
    chunk, end = list(items[start : start + size]), start + size
    more = end < len(items)
    if paging["style"] == "link_header":
        return chunk, {"Link": f'<{url}?{urlencode({"cursor": _token(end)})}>; rel="next"'} if more else {}
    page: dict[str, Any] = {**body, paging["items"]: chunk}
    match paging["style"]:
        case "after_id":
            page |= {"has_more": more, "first_id": chunk[0]["id"], "last_id": chunk[-1]["id"]}
        case "page_token" if more:
            page[paging["token"]] = _token(end)
        case "next_url":
            page[paging["token"]] = f"{url}?{urlencode({'offset': end})}" if more else None
        case "page_number":
            pages = -(-len(items) // size)
            page[paging["within"]] = {"page": start // size + 1, "pageSize": size, "totalPage": pages}
    return page, {}


def _start(paging: Mapping[str, Any], items: Sequence[Any], query: Mapping[str, str]) -> int:
    match paging["style"]:
        case "after_id":
            ids = [item["id"] for item in items]
            after = query.get("after_id")
            if after is not None and after not in ids:
                raise ValueError("after_id names no model of this listing")
            return ids.index(after) + 1 if after is not None else 0
        case "page_token":
            return _position(query.get(paging["param"]), items)
        case "link_header":
            return _position(query.get("cursor"), items)
        case "page_number":
            return max(_number(query.get("page", "1"), items) - 1, 0) * int(paging["size"])
        case _:
            return _number(query.get("offset", "0"), items)


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"sample:{position}".encode()).decode().rstrip("=")


def _position(token: str | None, items: Sequence[Any]) -> int:
    if token is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("the page token is not one of ours") from None
    return _number(text.removeprefix("sample:"), items)


def _number(text: str, items: Sequence[Any]) -> int:
    if not text.isdecimal() or not 0 <= int(text) < len(items):
        raise ValueError("there is no such page")
    return int(text)
