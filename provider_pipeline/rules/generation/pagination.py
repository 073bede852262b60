"""How a listing goes on after this page, told from the page itself.

Here: recognising a pagination style in a sample. Not here: the styles (`../pagination.py`) and following them (the
listing client). Which token belongs to which parameter is data (`data/pagination.toml`).
"""

import functools
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Path, snake
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import compile_expression, path_expression
from provider_pipeline.rules.pagination import LinkHeaderPagination, NextUrlPagination, NoPagination, Pagination

_TELLING: Final = 2
"""Items from which on it is no coincidence that a number counts them."""


def infer_pagination(
    sample: Any, item_count: int, kind: str | None = None, listing: Path = ()
) -> tuple[dict[str, Any], str]:
    """The pagination document for a rule, and what it was told from.

    Args:
        sample: The answer.
        item_count: How many items its listing has.
        kind: The kind of API, where it is known.
        listing: Keys from the answer to the listing; what is beside it speaks of pages too.
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
            told = f"the answer's field {style.get('token') or style.get('total_pages') or style.get('total')}"
            return _proven_total(style, sample, fields, item_count) | style, told
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
    """Whether further pages are asked for on the listing's own path, by a parameter that this module may choose."""
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


def _proven_total(
    style: dict[str, Any], sample: dict[str, Any], fields: dict[str, list[tuple[Path, Any]]], item_count: int
) -> dict[str, str]:
    """Where the answer announces how many items the whole listing has, if it shows that this is what the field means.

    It does when a listing of one page has exactly as many items, and when a page that is not the last has fewer: a
    count of the page's own items would not differ there. Where fields disagree, none is believed.
    """
    found = [
        (path_expression(path), value)
        for key in read_table("pagination.toml")["offsets"]["total"]
        for path, value in fields.get(key, [])
        if isinstance(value, int) and not isinstance(value, bool)
    ]
    if style["type"] == "none":
        told = found if all(total == item_count for _, total in found) else []
    else:
        told = [(path, total) for path, total in found if total > item_count and _goes_on(style, sample)]
        if style["type"] == "page_number":
            pages = compile_expression(style["total_pages"])(sample)
            told = [(path, total) for path, total in told if (pages - 1) * item_count < total <= pages * item_count]
    agreed = len({total for _, total in told}) == 1 and item_count >= _TELLING
    return {"total": told[0][0]} if agreed else {}


def _goes_on(style: dict[str, Any], sample: dict[str, Any]) -> bool:
    """Whether the sample is a page that another one follows."""
    if style["type"] == "page_number":
        return bool(compile_expression(style["total_pages"])(sample) > 1)
    return all(compile_expression(style[part])(sample) for part in ("token", "more") if part in style)


def _page_fields(sample: dict[str, Any], listing: Path) -> dict[str, list[tuple[Path, Any]]]:
    """Scalar fields beside and around the listing, by snake_case key, and in the containers pagination is found in."""
    containers = set(read_table("pagination.toml")["offsets"]["containers"])
    found: dict[str, list[tuple[Path, Any]]] = {}
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


def _cursor(fields: dict[str, list[tuple[Path, Any]]], kind: str | None) -> dict[str, Any] | None:
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


def _page_token(fields: dict[str, list[tuple[Path, Any]]]) -> dict[str, Any] | None:
    for key, param in read_table("pagination.toml")["tokens"].items():
        for path, value in fields.get(key, []):
            if value is None or (
                isinstance(value, (str, int)) and not isinstance(value, bool) and "://" not in str(value)
            ):
                camel = "_" not in path[-1] and any(character.isupper() for character in path[-1])
                written = _camel(param) if camel else param
                if path[-1][:1].isupper():
                    written = written[:1].upper() + written[1:]
                return {"type": "page_token", "param": written, "token": path_expression(path)}
    return None


def _next_url(fields: dict[str, list[tuple[Path, Any]]]) -> dict[str, Any] | None:
    urls = read_table("pagination.toml")["urls"]
    for key in (*urls["keys"], *urls["inside_next"]):
        for path, value in fields.get(key, []):
            if key in urls["inside_next"] and snake(path[-2:][0]) != "next":
                continue
            if key == "next_page" and isinstance(value, int) and not isinstance(value, bool):
                return {"type": "page_token", "param": "page", "token": path_expression(path)}
            if value is None or (
                isinstance(value, str) and ("://" in value or value.startswith(("/", "?")) or not value)
            ):
                return {"type": "next_url", "token": path_expression(path)}
    return None


def _numbered(fields: dict[str, list[tuple[Path, Any]]]) -> dict[str, Any] | None:
    numbers = read_table("pagination.toml")["numbers"]
    page = _whole(fields, numbers["page"])
    total = _whole(fields, numbers["total_pages"])
    if page is None or total is None:
        return None
    param = page[2] if snake(page[2]) in numbers["as_written"] else numbers["param"]
    return {"type": "page_number", "param": param, "page": page[0], "total_pages": total[0]}


def _counted(fields: dict[str, list[tuple[Path, Any]]], item_count: int) -> dict[str, Any] | None:
    offsets = read_table("pagination.toml")["offsets"]
    total = _whole(fields, offsets["total"])
    offset, limit = _whole(fields, offsets["offset"]), _whole(fields, offsets["limit"])
    if offset is None and _whole(fields, read_table("pagination.toml")["numbers"]["page"]):
        return None  # numbered pages without their number: no style continues them
    if total is None or (offset is None and total[1] <= item_count):
        return None
    param = offset[2] if offset else "offset"
    return {"type": "offset", "param": param, "limit_param": limit[2] if limit else "limit", "total": total[0]}


def _whole(fields: dict[str, list[tuple[Path, Any]]], keys: list[str]) -> tuple[str, int, str] | None:
    for key in keys:
        for path, value in fields.get(key, []):
            if isinstance(value, int) and not isinstance(value, bool):
                return path_expression(path), value, path[-1]
    return None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
