"""How a listing goes on after its first page, as a rule states it.

Here: one model per pagination style and the parser of a rule's `pagination` document. Not here: sending requests (the
listing client) and guessing the style from a sample (`generation/paging.py`). Explained in docs/rules.md.

Every style may say where a page announces how many items the whole listing has: a listing whose items are not that many
is refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.language import compile_expression


def _checked(expression: str) -> str:
    try:
        compile_expression(expression)
    except InvalidRuleError as error:
        raise ValueError(error.message) from error
    return expression


Expression = Annotated[str, AfterValidator(_checked)]
"""A JMESPath expression on the page's document."""
Parameter = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.\-\[\]$]+$")]
"""The name of a query parameter."""


class _Style(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    total: Expression | None = None


class NoPagination(_Style):
    """The whole listing is one page."""

    type: Literal["none"] = "none"


class CursorPagination(_Style):
    """The page names its last item; the next request asks for what comes after it, while `more` holds."""

    type: Literal["cursor"] = "cursor"
    param: Parameter
    token: Expression
    more: Expression | None = None


class PageTokenPagination(_Style):
    """The page holds an opaque token for the next one; no token, no next page."""

    type: Literal["page_token"] = "page_token"
    param: Parameter
    token: Expression


class NextUrlPagination(_Style):
    """The page holds the address of the next one."""

    type: Literal["next_url"] = "next_url"
    token: Expression


class LinkHeaderPagination(_Style):
    """The answer's `Link` header names the next page (RFC 8288, rel="next")."""

    type: Literal["link_header"] = "link_header"


class PageNumberPagination(_Style):
    """Pages are numbered, and the page says how many there are."""

    type: Literal["page_number"] = "page_number"
    param: Parameter
    page: Expression
    total_pages: Expression


class OffsetPagination(_Style):
    """Items are counted: the next request skips those already seen, up to `total`."""

    type: Literal["offset"] = "offset"
    param: Parameter
    limit_param: Parameter | None = None
    total: Expression


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

_ADAPTER: TypeAdapter[Pagination] = TypeAdapter(Pagination)


def parse_pagination(document: Mapping[str, Any] | None) -> Pagination:
    """The pagination style a rule's document states; none for None.

    Raises:
        InvalidRuleError: The type is unknown, a part is missing or an expression does not compile.
    """
    if document is None:
        return NoPagination()
    try:
        return _ADAPTER.validate_python(dict(document) if isinstance(document, Mapping) else document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "pagination"
        raise InvalidRuleError(f"pagination: {where}: {first['msg']}") from error
