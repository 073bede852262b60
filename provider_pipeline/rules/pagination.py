"""The pagination styles that a rule may state: one model each, explained in docs/rules.md.

Any style may have a `total`, where a page announces the item count of the whole listing; another count is refused.
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
"""A JMESPath expression, checked by compiling it."""
Parameter = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.\-\[\]$]+$")]
"""The name of a query parameter."""


class _Style(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    total: Expression | None = None


class NoPagination(_Style):
    """The whole listing is one page."""

    type: Literal["none"] = "none"


class CursorPagination(_Style):
    """The page names its last item; the next request asks for the items after it, while `more` holds."""

    type: Literal["cursor"] = "cursor"
    param: Parameter
    token: Expression
    more: Expression | None = None


class PageTokenPagination(_Style):
    """The page holds an opaque token for the next one; without a token it is the last."""

    type: Literal["page_token"] = "page_token"
    param: Parameter
    token: Expression


class NextUrlPagination(_Style):
    """The page holds the URL of the next one."""

    type: Literal["next_url"] = "next_url"
    token: Expression


class LinkHeaderPagination(_Style):
    """The answer's `Link` header names the next page (RFC 8288, rel="next")."""

    type: Literal["link_header"] = "link_header"


class PageNumberPagination(_Style):
    """Pages are numbered, and each says how many there are."""

    type: Literal["page_number"] = "page_number"
    param: Parameter
    page: Expression
    total_pages: Expression


class OffsetPagination(_Style):
    """The next request skips the items already seen, up to `total`."""

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
