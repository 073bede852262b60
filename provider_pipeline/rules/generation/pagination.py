"""Infer pagination, and the field with the listing's total, from one page.

The styles are those of `rules/pagination.py`; their field and parameter names are data (`data/pagination.toml`).
"""

import functools
from collections.abc import Iterable
from typing import Any, Final

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, compile_expression, path_expression, snake
from provider_pipeline.rules.pagination import (
    Fields,
    LinkHeaderPagination,
    NextUrlPagination,
    NoPagination,
    Pagination,
    larger_total,
    next_addresses,
    page_fields,
    says_more,
    stated_more,
    values_of,
    whole_number,
    whole_totals,
)
from provider_pipeline.rules.values import is_integer

_MIN_COUNTED: Final = 2
"""From this many items on, a number equal to their count is no coincidence."""


def infer_pagination(
    sample: Any,
    item_count: int,
    kind: str | None = None,
    listing: Path = (),
    *,
    path: str | None = None,
    last_id: str | None = None,
) -> tuple[dict[str, Any], str]:
    """The pagination document for a rule, and the evidence for it.

    Args:
        sample: The answer.
        item_count: Number of items of its listing.
        kind: The kind of API, if known.
        listing: Keys from the answer to the listing; fields beside it count too.
        path: The endpoint's path, whose query may filter.
        last_id: The expression for the last item's id, if the listing is a plain list.
    """
    if not isinstance(sample, dict):
        return {"type": "none"}, "the answer is a bare list"
    fields = page_fields(sample, listing)
    for style in (
        _cursor(fields, kind),
        _page_token(fields),
        _next_url(fields),
        _numbered(fields, item_count),
        _counted(fields, item_count, path),
        _after_last_item(fields, kind, last_id),
    ):
        if style is not None:
            named = next(style[part] for part in ("token", "total_pages", "more", "total") if part in style)
            source = f"the answer's field {named}"
            return _proven_total(style, sample, fields, item_count) | style, source
    if kind in (known := read_table("pagination.toml")["kinds"]) and says_more(sample, item_count, listing) is None:
        return dict(known[kind]), f"how the API of {kind} pages"
    style = {"type": "none"}
    return style | _proven_total(style, sample, fields, item_count), "no field speaks of further pages"


def stays_on_its_path(pagination: Pagination) -> bool:
    """Whether further pages have the listing's own path, and differ by a parameter that this module could choose."""
    match pagination:
        case NoPagination():
            return True
        case NextUrlPagination() | LinkHeaderPagination():
            return False
        case _:
            return {snake(name) for name in (pagination.param, *getattr(pagination, "also", ()))} <= _parameters()


@functools.cache
def _parameters() -> frozenset[str]:
    data = read_table("pagination.toml")
    numbers, offsets = data["numbers"], data["offsets"]
    cursors = [name for style in data["cursor"] for name in (style["param"], style["token"], *style.get("also", ()))]
    tokens = [name for token, names in data["tokens"].items() for name in (token, *names)]
    last = [data["last_item"]["param"], *data["last_item"]["also"]]
    return frozenset([*cursors, *tokens, *last, numbers["param"], *numbers["as_written"], *offsets["offset"]])


def _proven_total(style: dict[str, Any], sample: dict[str, Any], fields: Fields, item_count: int) -> dict[str, str]:
    """The field with the number of items of the whole listing, if the sample proves this meaning.

    Proof: a listing of one page has exactly as many items, or a page that is not the last has fewer (a count of the
    page's own items would not differ). Fields that disagree are not believed.
    """
    found = [
        (path_expression(path), value)
        for key in read_table("pagination.toml")["offsets"]["total"]
        for path, value in fields.get(key, [])
        if is_integer(value)
    ]
    if style["type"] == "none":
        proven = found if all(total == item_count for _, total in found) else []
    else:
        proven = [(path, total) for path, total in found if total > item_count and _goes_on(style, sample)]
        if "total_pages" in style:
            pages = compile_expression(style["total_pages"])(sample)
            proven = [(path, total) for path, total in proven if (pages - 1) * item_count < total <= pages * item_count]
    agreed = len({total for _, total in proven}) == 1 and item_count >= _MIN_COUNTED
    return {"total": proven[0][0]} if agreed else {}


def _goes_on(style: dict[str, Any], sample: dict[str, Any]) -> bool:
    """Whether another page follows the sample."""
    if "total_pages" in style:
        return bool(compile_expression(style["total_pages"])(sample) > 1)
    return all(compile_expression(style[part])(sample) for part in ("token", "more") if part in style)


def _cursor(fields: Fields, kind: str | None) -> dict[str, Any] | None:
    for style in read_table("pagination.toml")["cursor"]:
        if "kinds" in style and kind not in style["kinds"] and "first_id" not in fields:
            continue
        if style["token"] in fields and style["more"] in fields and isinstance(fields[style["more"]][0][1], bool):
            return {
                "type": "cursor",
                "param": style["param"],
                "also": _without(style["param"], (*style.get("also", ()), fields[style["token"]][0][0][-1])),
                "token": path_expression(fields[style["token"]][0][0]),
                "more": path_expression(fields[style["more"]][0][0]),
            }
    return None


def _page_token(fields: Fields) -> dict[str, Any] | None:
    for key, names in read_table("pagination.toml")["tokens"].items():
        for path, value in fields.get(key, []):
            if value is None or ((isinstance(value, str) or is_integer(value)) and "://" not in str(value)):
                param, *also = (_cased_like(path[-1], name) for name in names)
                return {
                    "type": "page_token",
                    "param": param,
                    "also": _without(param, (*also, path[-1])),
                    "token": path_expression(path),
                }
    return None


def _without(param: str, names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name != param]


def _cased_like(field: str, param: str) -> str:
    """A snake_case parameter in the case of the answer's field: snake_case, camelCase or PascalCase."""
    if "_" not in field and any(character.isupper() for character in field):
        first, *rest = param.split("_")
        param = first + "".join(word.capitalize() for word in rest)
    return param[:1].upper() + param[1:] if field[:1].isupper() else param


def _next_url(fields: Fields) -> dict[str, Any] | None:
    for path, value in next_addresses(fields):
        if snake(path[-1]) == "next_page" and is_integer(value):
            return {"type": "page_token", "param": "page", "token": path_expression(path)}
        if value is None or (isinstance(value, str) and ("://" in value or value.startswith(("/", "?")) or not value)):
            return {"type": "next_url", "token": path_expression(path)}
    return None


def _numbered(fields: Fields, item_count: int) -> dict[str, Any] | None:
    numbers = read_table("pagination.toml")["numbers"]
    page = whole_number(fields, numbers["page"])
    if page is None:
        return None
    param = page[2] if snake(page[2]) in numbers["as_written"] else numbers["param"]
    style = {"type": "page_number", "param": param, "page": page[0]}
    if pages := whole_number(fields, numbers["total_pages"]):
        return style | {"total_pages": pages[0]}
    if more := stated_more(fields):
        return style | {"more": more}
    # Without a statement about further pages, the total must imply them.
    total = larger_total(fields, item_count, None)
    return style | {"total": total} if total else None


def _counted(fields: Fields, item_count: int, path: str | None) -> dict[str, Any] | None:
    data = read_table("pagination.toml")
    offset, limit = (whole_number(fields, data["offsets"][name]) for name in ("offset", "limit"))
    style = {
        "type": "offset",
        "param": offset[2] if offset else "offset",
        "limit_param": limit[2] if limit else "limit",
    }
    more = stated_more(fields)
    if offset is not None:
        totals = whole_totals(fields)
        if totals and (totals[0][1] > item_count or not _has_more(fields)):
            return style | {"total": totals[0][0]}
        return style | {"more": more} if more else None
    if more or whole_number(fields, data["numbers"]["page"]):
        return None
    larger = larger_total(fields, item_count, path)
    return style | {"total": larger} if larger else None


def _has_more(fields: Fields) -> bool:
    return any(value is True for _, value in values_of(fields, read_table("pagination.toml")["more"]["keys"]))


def _after_last_item(fields: Fields, kind: str | None, last_id: str | None) -> dict[str, Any] | None:
    """A cursor not named by the answer, if its envelope is of a kind whose cursor is the last item's id."""
    data = read_table("pagination.toml")
    more = stated_more(fields)
    if last_id is None or more is None or not _has_more(fields):
        return None
    last = data["last_item"]
    style = next((each for each in data["cursor"] if kind in each.get("kinds", ())), last)
    in_style = any(value in last["object"] for _, value in fields.get("object", []))
    if style is last and not in_style and not any(key in fields for key in last["beside"]):
        return None
    return {"type": "cursor", "param": style["param"], "also": style["also"], "token": last_id, "more": more}
