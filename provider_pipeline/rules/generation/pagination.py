"""Infer from one page how a listing goes on, and which field announces its total.

The styles are those of `rules/pagination.py`; their field and parameter names are data (`data/pagination.toml`).
"""

import functools
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Path, snake
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compile_expression, path_expression
from provider_pipeline.rules.pagination import LinkHeaderPagination, NextUrlPagination, NoPagination, Pagination

_MIN_COUNTED: Final = 2
"""From this many items on, a number equal to their count is no coincidence."""

_Fields = dict[str, list[tuple[Path, Any]]]
"""Scalar fields of the answer by snake_case key, each with its path."""


def infer_pagination(
    sample: Any, item_count: int, kind: str | None = None, listing: Path = ()
) -> tuple[dict[str, Any], str]:
    """The pagination document for a rule, and what it was inferred from.

    Args:
        sample: The answer.
        item_count: How many items its listing has.
        kind: The kind of API, if known.
        listing: Keys from the answer to the listing; fields beside it count too.
    """
    if not isinstance(sample, dict):
        return {"type": "none"}, "the answer is a bare list"
    fields = _page_fields(sample, listing)
    for style in (
        _cursor(fields, kind),
        _page_token(fields),
        _next_url(fields),
        _numbered(fields),
        _counted(fields, item_count),
    ):
        if style is not None:
            source = f"the answer's field {style.get('token') or style.get('total_pages') or style.get('total')}"
            return _proven_total(style, sample, fields, item_count) | style, source
    style = {"type": "none"}
    return style | _proven_total(style, sample, fields, item_count), "no field speaks of further pages"


def says_more(sample: Any, item_count: int, listing: Path = ()) -> str | None:
    """The field by which an answer says that it is not the whole listing."""
    if not isinstance(sample, dict):
        return None
    fields = _page_fields(sample, listing)
    data = read_table("pagination.toml")
    for key in data["more"]["keys"]:
        for path, value in fields.get(key, []):
            if value is True:
                return path_expression(path)
    total = _whole(fields, data["offsets"]["total"])
    paged = any(
        key in fields for key in (*data["numbers"]["page"], *data["offsets"]["limit"], *data["offsets"]["offset"])
    )
    return total[0] if total is not None and paged and total[1] > item_count else None


def stays_on_its_path(pagination: Pagination) -> bool:
    """Whether further pages have the listing's own path, and differ by a parameter that this module could choose."""
    match pagination:
        case NoPagination():
            return True
        case NextUrlPagination() | LinkHeaderPagination():
            return False
        case _:
            return snake(pagination.param) in _parameters()


@functools.cache
def _parameters() -> frozenset[str]:
    data = read_table("pagination.toml")
    numbers, offsets = data["numbers"], data["offsets"]
    cursors = [style["param"] for style in data["cursor"]]
    return frozenset([*cursors, *data["tokens"].values(), numbers["param"], *numbers["as_written"], *offsets["offset"]])


def _proven_total(style: dict[str, Any], sample: dict[str, Any], fields: _Fields, item_count: int) -> dict[str, str]:
    """The field that holds the number of items of the whole listing, if the sample proves that it means that.

    Proof: a listing of one page has exactly as many items, or a page that is not the last has fewer (a count of the
    page's own items would not differ). Fields that disagree are not believed.
    """
    found = [
        (path_expression(path), value)
        for key in read_table("pagination.toml")["offsets"]["total"]
        for path, value in fields.get(key, [])
        if _is_integer(value)
    ]
    if style["type"] == "none":
        proven = found if all(total == item_count for _, total in found) else []
    else:
        proven = [(path, total) for path, total in found if total > item_count and _goes_on(style, sample)]
        if style["type"] == "page_number":
            pages = compile_expression(style["total_pages"])(sample)
            proven = [(path, total) for path, total in proven if (pages - 1) * item_count < total <= pages * item_count]
    agreed = len({total for _, total in proven}) == 1 and item_count >= _MIN_COUNTED
    return {"total": proven[0][0]} if agreed else {}


def _goes_on(style: dict[str, Any], sample: dict[str, Any]) -> bool:
    """Whether another page follows the sample."""
    if style["type"] == "page_number":
        return bool(compile_expression(style["total_pages"])(sample) > 1)
    return all(compile_expression(style[part])(sample) for part in ("token", "more") if part in style)


def _page_fields(sample: dict[str, Any], listing: Path) -> _Fields:
    """Scalar fields beside and around the listing, and in the containers where pagination is usually found."""
    containers = set(read_table("pagination.toml")["offsets"]["containers"])
    found: _Fields = {}
    pending: list[tuple[Path, dict[str, Any]]] = [((), sample)]
    for path, node in pending:
        for key, value in list(node.items())[:200]:
            if isinstance(value, dict):
                around = (*path, key) == listing[: len(path) + 1]
                if around or (len(path) < 2 + len(listing) and snake(key) in containers):
                    pending.append(((*path, key), value))
            elif not isinstance(value, list):
                found.setdefault(snake(key), []).append(((*path, key), value))
    return found


def _cursor(fields: _Fields, kind: str | None) -> dict[str, Any] | None:
    for style in read_table("pagination.toml")["cursor"]:
        if "kinds" in style and kind not in style["kinds"] and "first_id" not in fields:
            continue
        if style["token"] in fields and style["more"] in fields and isinstance(fields[style["more"]][0][1], bool):
            return {
                "type": "cursor",
                "param": style["param"],
                "token": path_expression(fields[style["token"]][0][0]),
                "more": path_expression(fields[style["more"]][0][0]),
            }
    return None


def _page_token(fields: _Fields) -> dict[str, Any] | None:
    for key, param in read_table("pagination.toml")["tokens"].items():
        for path, value in fields.get(key, []):
            if value is None or ((isinstance(value, str) or _is_integer(value)) and "://" not in str(value)):
                return {"type": "page_token", "param": _cased_like(path[-1], param), "token": path_expression(path)}
    return None


def _cased_like(field: str, param: str) -> str:
    """A snake_case parameter in the case of the answer's field: snake_case, camelCase or PascalCase."""
    if "_" not in field and any(character.isupper() for character in field):
        first, *rest = param.split("_")
        param = first + "".join(word.capitalize() for word in rest)
    return param[:1].upper() + param[1:] if field[:1].isupper() else param


def _next_url(fields: _Fields) -> dict[str, Any] | None:
    urls = read_table("pagination.toml")["urls"]
    for key in (*urls["keys"], *urls["inside_next"]):
        for path, value in fields.get(key, []):
            if key in urls["inside_next"] and snake(path[-2:][0]) != "next":
                continue
            if key == "next_page" and _is_integer(value):
                return {"type": "page_token", "param": "page", "token": path_expression(path)}
            if value is None or (
                isinstance(value, str) and ("://" in value or value.startswith(("/", "?")) or not value)
            ):
                return {"type": "next_url", "token": path_expression(path)}
    return None


def _numbered(fields: _Fields) -> dict[str, Any] | None:
    numbers = read_table("pagination.toml")["numbers"]
    page = _whole(fields, numbers["page"])
    total = _whole(fields, numbers["total_pages"])
    if page is None or total is None:
        return None
    param = page[2] if snake(page[2]) in numbers["as_written"] else numbers["param"]
    return {"type": "page_number", "param": param, "page": page[0], "total_pages": total[0]}


def _counted(fields: _Fields, item_count: int) -> dict[str, Any] | None:
    data = read_table("pagination.toml")
    total, offset, limit = (_whole(fields, data["offsets"][name]) for name in ("total", "offset", "limit"))
    if offset is None and _whole(fields, data["numbers"]["page"]):
        return None  # numbered pages without their number: no style continues them
    if total is None or (offset is None and total[1] <= item_count):
        return None
    param = offset[2] if offset else "offset"
    return {"type": "offset", "param": param, "limit_param": limit[2] if limit else "limit", "total": total[0]}


def _whole(fields: _Fields, keys: list[str]) -> tuple[str, int, str] | None:
    """The first integer under one of the keys: its expression, the number, and the key as written."""
    for key in keys:
        for path, value in fields.get(key, []):
            if _is_integer(value):
                return path_expression(path), value, path[-1]
    return None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
