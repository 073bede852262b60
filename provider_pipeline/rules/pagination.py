"""Pagination styles of a rule, and the signs of further pages in an answer.

docs/rules.md explains the styles; the known field names of answers are data (`data/pagination.toml`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self, assert_never
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, compile_expression, path_expression, snake
from provider_pipeline.rules.values import is_integer
from provider_pipeline.rules.variants import BUILT_WHEN_USED, Variants


def _checked(expression: str) -> str:
    try:
        compile_expression(expression)
    except InvalidRuleError as error:
        raise ValueError(error.message) from error
    return expression


Expression = Annotated[str, AfterValidator(_checked)]
"""A JMESPath expression, checked by compiling it."""
Parameter = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.\-\[\]$]+$")]
"""The name of a query parameter."""
Fields = dict[str, list[tuple[Path, Any]]]
"""Scalar fields of the answer by snake_case key, each with its path."""


class _Style(BaseModel):
    """Base of all styles. `total`: expression for the announced item count of the whole listing, which must match."""

    model_config = BUILT_WHEN_USED

    total: Expression | None = None


class NoPagination(_Style):
    """The whole listing is one page.

    Attributes:
        whole: A person has confirmed it; otherwise a page that announces more is blocked.
    """

    type: Literal["none"] = "none"
    whole: bool = False


class CursorPagination(_Style):
    """The page names its last item; the next request asks for the items after it, while `more` holds.

    Attributes:
        also: Other names of `param`, tried in order on the second page while the server ignores or refuses it.
    """

    type: Literal["cursor"] = "cursor"
    param: Parameter
    also: tuple[Parameter, ...] = Field((), max_length=8)
    token: Expression
    more: Expression | None = None


class PageTokenPagination(_Style):
    """The page holds an opaque token for the next one; without a token it is the last.

    Attributes:
        also: As in `CursorPagination`.
    """

    type: Literal["page_token"] = "page_token"
    param: Parameter
    also: tuple[Parameter, ...] = Field((), max_length=8)
    token: Expression


class NextUrlPagination(_Style):
    """The page holds the URL of the next one."""

    type: Literal["next_url"] = "next_url"
    token: Expression


class LinkHeaderPagination(_Style):
    """The answer's `Link` header names the next page (RFC 8288, rel="next")."""

    type: Literal["link_header"] = "link_header"


class PageNumberPagination(_Style):
    """Pages are numbered; each states the number of pages, whether there is `more`, or the `total` of items."""

    type: Literal["page_number"] = "page_number"
    param: Parameter
    page: Expression
    total_pages: Expression | None = None
    more: Expression | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if not (self.total_pages or self.more or self.total):
            raise ValueError("numbered pages need total_pages, more or total to end")
        return self


class OffsetPagination(_Style):
    """The next request skips the items already seen, up to `total` or while there is `more`."""

    type: Literal["offset"] = "offset"
    param: Parameter
    limit_param: Parameter | None = None
    more: Expression | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if not (self.total or self.more):
            raise ValueError("an offset needs total or more to end")
        return self


Pagination = Annotated[
    NoPagination
    | CursorPagination
    | PageTokenPagination
    | NextUrlPagination
    | LinkHeaderPagination
    | PageNumberPagination
    | OffsetPagination,
    Field(discriminator="type"),
]


def parameter_names(pagination: Pagination) -> tuple[str, ...]:
    """The possible names of the cursor or token parameter, in the order of trial; empty for other styles."""
    if isinstance(pagination, CursorPagination | PageTokenPagination):
        return pagination.param, *pagination.also
    return ()


def can_follow(pagination: Pagination, document: Any) -> bool:
    """Whether a page holds the fields from which the pagination derives the next request or the listing's end."""
    match pagination:
        case NoPagination():
            return pagination.whole
        case LinkHeaderPagination():
            return True  # in a header, not in the page's document
        case CursorPagination() | PageTokenPagination() | NextUrlPagination():
            return bool(compile_expression(pagination.token)(document))
        case PageNumberPagination() | OffsetPagination():
            ends = (getattr(pagination, name, None) for name in ("total_pages", "more", "total"))
            return any(end is not None and compile_expression(end)(document) is not None for end in ends)
        case _:
            assert_never(pagination)


_STYLES: Variants[Pagination] = Variants(Pagination)


def parse_pagination(document: Mapping[str, Any] | None) -> Pagination:
    """The pagination style in a rule's `pagination` document; `NoPagination` for None.

    Raises:
        InvalidRuleError: The type is unknown, a part is missing, or an expression does not compile.
    """
    if isinstance(document, _Style):
        return document
    if document is None:
        return NoPagination()
    try:
        return _STYLES.parse(dict(document) if isinstance(document, Mapping) else document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "pagination"
        problem = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            kind = document["type"]
            problem = f"there is no such field; of {kind} there are {', '.join(sorted(_STYLES.fields(kind))) or 'none'}"
        raise InvalidRuleError(f"pagination: {where}: {problem}") from error


def says_more(
    sample: Any, item_count: int, listing: Path = (), *, path: str | None = None, pages: int = 1
) -> str | None:
    """The field by which an answer announces items beyond it and the pages before; None if the listing is complete.

    An explicit statement outweighs numbers: `has_more: false`, an empty token or address, a count of pages. A total is
    ignored if the page has room for more items, or if it may count items that a filter removed.

    Args:
        sample: The answer.
        item_count: Number of items on it and the pages before.
        listing: Keys from the answer to the listing.
        path: The endpoint's path, whose query may filter.
        pages: Number of pages read; after several that each named the next, a total is ignored.
    """
    if not isinstance(sample, dict):
        return None
    fields = page_fields(sample, listing)
    for statements in (_booleans(fields), _continuations(fields)):
        if statements:
            return next((field for field, more in statements if more), None)
    return _page_count(fields, item_count, pages) or (larger_total(fields, item_count, path) if pages == 1 else None)


def _booleans(fields: Fields) -> list[tuple[str, bool]]:
    """Boolean fields about further items; if two disagree, there are some."""
    data = read_table("pagination.toml")["more"]
    return [
        (path_expression(path), said is sense)
        for keys, sense in ((data["keys"], True), (data["last"], False))
        for path, value in values_of(fields, keys)
        if (said := _boolean(value)) is not None
    ]


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def _continuations(fields: Fields) -> list[tuple[str, bool]]:
    """Fields for the next page's token or address, and whether they have a value."""
    tokens = values_of(fields, read_table("pagination.toml")["more"]["tokens"])
    return [
        (path_expression(path), bool(value.strip() if isinstance(value, str) else value))
        for path, value in (*tokens, *next_addresses(fields))
    ]


def values_of(fields: Fields, keys: Iterable[str]) -> Iterator[tuple[Path, Any]]:
    """The fields under any of the keys, in the keys' order."""
    return (each for key in keys for each in fields.get(key, []))


def _page_count(fields: Fields, item_count: int, pages: int) -> str | None:
    numbers = read_table("pagination.toml")["numbers"]
    count = whole_number(fields, numbers["total_pages"])
    totals = [value for _, value in whole_totals(fields)]
    return None if count is None or count[1] <= pages or item_count in totals else count[0]


def larger_total(fields: Fields, item_count: int, path: str | None) -> str | None:
    """The field with a total above the number of items."""
    data = read_table("pagination.toml")
    totals = whole_totals(fields)
    larger = [each for each in totals if each[1] > item_count]
    if not larger or len(larger) < len(totals):
        return None
    if any(value == item_count for _, value in values_of(fields, data["offsets"]["filtered"])):
        return None
    pages = whole_number(fields, data["numbers"]["total_pages"])
    limit = whole_number(fields, data["offsets"]["limit"])
    if (pages is not None and pages[1] <= 1) or (limit is not None and limit[1] > item_count > 0):
        return None
    paged = limit or whole_number(fields, [*data["numbers"]["page"], *data["offsets"]["offset"]])
    return larger[0][0] if paged or not _filters(path) else None


def whole_totals(fields: Fields) -> list[tuple[str, int]]:
    """Counts of the whole listing; a plain `count` only if there is no other."""
    data = read_table("pagination.toml")["offsets"]
    counts = {
        key: [(path_expression(path), value) for path, value in fields.get(key, []) if is_integer(value)]
        for key in data["total"]
    }
    whole = [each for key, values in counts.items() if key not in data["page_own"] for each in values]
    return whole or [each for key in data["page_own"] for each in counts[key]]


def _filters(path: str | None) -> bool:
    """Whether the query of an endpoint's path filters the models."""
    paging = read_table("pagination.toml")["offsets"]["paging_parameters"]
    return any(snake(name) not in paging for name, _ in parse_qsl((path or "").partition("?")[2]))


def next_addresses(fields: Fields) -> Iterator[tuple[Path, Any]]:
    """Fields with the next page's address, which are empty on the last page."""
    urls = read_table("pagination.toml")["urls"]
    for key in (*urls["keys"], *urls["inside_next"]):
        for path, value in fields.get(key, []):
            if key not in urls["inside_next"] or snake(path[-2:][0]) == "next":
                yield path, value


def stated_more(fields: Fields) -> str | None:
    """The boolean field that states whether there is more."""
    keys = read_table("pagination.toml")["more"]["keys"]
    return next((path_expression(path) for path, value in values_of(fields, keys) if isinstance(value, bool)), None)


def page_fields(sample: dict[str, Any], listing: Path) -> Fields:
    """Scalar fields beside and around the listing, and in the usual containers of pagination."""
    containers = set(read_table("pagination.toml")["offsets"]["containers"])
    found: Fields = {}
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


def whole_number(fields: Fields, keys: list[str]) -> tuple[str, int, str] | None:
    """The first integer under one of the keys: its expression, the number, and the key as written."""
    for key in keys:
        for path, value in fields.get(key, []):
            if is_integer(value):
                return path_expression(path), value, path[-1]
    return None
