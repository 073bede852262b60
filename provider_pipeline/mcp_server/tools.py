"""Declares a tool: the schemas of its arguments and result, the scope it needs, and its function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from provider_pipeline.api.access import RequestContext, SlowKind
from provider_pipeline.catalog.api_tokens import Scope

_A = TypeVar("_A", bound=BaseModel)

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100

Slug = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9._-]+$", description="A provider's short name.")]
Cursor = Annotated[
    str | None,
    Field(max_length=4000, pattern=r"^[A-Za-z0-9_-]+$", description="next_cursor of the page before."),
]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most; long entries make it fewer.")]


class Arguments(BaseModel):
    """A tool's arguments; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Answer:
    """What a tool found.

    Attributes:
        data: For the tool's data model, which also reads attributes.
        next_cursor: For the next page, if there is one.
    """

    data: Any
    next_cursor: str | None = None


@dataclass(frozen=True)
class Tool(Generic[_A]):
    """A tool.

    Attributes:
        arguments: What it takes; unknown arguments are errors.
        data: What it finds.
        run: Answers a call; its docstring tells agents what it does.
        scope: What its caller needs.
        slow: Which limit on concurrent requests it counts towards.
    """

    name: str
    arguments: type[_A]
    data: type[BaseModel]
    run: Callable[[RequestContext, _A], Answer]
    scope: Scope = "read"
    slow: SlowKind | None = None

    @property
    def about(self) -> str:
        """What it does, for agents."""
        return " ".join((self.run.__doc__ or "").split())

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing."""
        return self.scope == "read"
