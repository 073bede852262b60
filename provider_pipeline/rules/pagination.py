"""The pagination styles that a rule may state: one model each, explained in docs/rules.md.

Any style may have a `total`, where a page announces the item count of the whole listing; another count is refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, assert_never

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.language import compile_expression


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


class _Style(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    total: Expression | None = None


class NoPagination(_Style):
    """The whole listing is one page.

    Attributes:
        whole: A person knows that it is, whatever the page says of more; otherwise such a listing is blocked.
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
    """Pages are numbered; each says how many there are, whether there is `more`, or the `total` of items."""

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
    """The names of the parameter that takes a token, in the order in which they are tried; empty for other styles."""
    if isinstance(pagination, CursorPagination | PageTokenPagination):
        return pagination.param, *pagination.also
    return ()


def can_follow(pagination: Pagination, document: Any) -> bool:
    """Whether a page holds what the pagination derives the next request, or the listing's end, from."""
    match pagination:
        case NoPagination():
            return pagination.whole
        case LinkHeaderPagination():
            return True  # a header, which the page's document does not show
        case CursorPagination() | PageTokenPagination() | NextUrlPagination():
            return bool(compile_expression(pagination.token)(document))
        case PageNumberPagination() | OffsetPagination():
            ends = (getattr(pagination, name, None) for name in ("total_pages", "more", "total"))
            return any(end is not None and compile_expression(end)(document) is not None for end in ends)
        case _:
            assert_never(pagination)


_ADAPTER: TypeAdapter[Pagination] = TypeAdapter(Pagination)


def parse_pagination(document: Mapping[str, Any] | None) -> Pagination:
    """The pagination style in a rule's `pagination` document; `NoPagination` for None.

    Raises:
        InvalidRuleError: The type is unknown, a part is missing, or an expression does not compile.
    """
    if document is None:
        return NoPagination()
    try:
        return _ADAPTER.validate_python(dict(document) if isinstance(document, Mapping) else document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "pagination"
        raise InvalidRuleError(f"pagination: {where}: {first['msg']}") from error
