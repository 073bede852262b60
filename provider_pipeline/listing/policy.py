"""Limits as data: what one listing may cost, and what a provider's requests may do.

`FetchLimits` hold for the deployment; a provider's `RequestPolicy` overrides some of them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provider_pipeline.errors import ConfigurationError

MEBIBYTE: Final = 1024 * 1024
_MIN_BYTES_PER_CONTAINER: Final = 24
"""Real listings have a hundred; objects with nothing but an id hardly have fewer than this."""


class FetchLimits(BaseModel):
    """What one listing may cost. Times are in seconds; bytes are counted after decompression.

    Attributes:
        connect_timeout: Until the connection stands.
        read_timeout: Between two bytes.
        deadline: For all requests and waits of a listing together, and the processor time of parsing and judging it.
        retries: Further attempts per page after a transient failure.
        backoff: The longest wait before the first retry; it doubles each time.
        longest_wait: The longest single wait. A server that asks for more (Retry-After) is not asked again in this
            listing.
        max_page_bytes: Of one page.
        max_total_bytes: Of all pages.
        max_pages: Of all endpoints together.
        max_details: Details of single models, of all endpoints together.
        concurrency: Requests that run at once on one host, those of other listings counted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_timeout: Annotated[float, Field(gt=0)] = 5.0
    read_timeout: Annotated[float, Field(gt=0)] = 20.0
    deadline: Annotated[float, Field(gt=0)] = 120.0
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    backoff: Annotated[float, Field(ge=0)] = 0.5
    longest_wait: Annotated[float, Field(ge=0)] = 30.0
    max_page_bytes: Annotated[int, Field(gt=0)] = 16 * MEBIBYTE
    max_total_bytes: Annotated[int, Field(gt=0)] = 512 * MEBIBYTE
    max_pages: Annotated[int, Field(gt=0)] = 2000
    max_details: Annotated[int, Field(gt=0)] = 5000
    concurrency: Annotated[int, Field(gt=0, le=64)] = 4

    @property
    def max_containers(self) -> int:
        """How many objects and lists all pages may hold; no real listing within `max_total_bytes` has as many."""
        return self.max_total_bytes // _MIN_BYTES_PER_CONTAINER


class RequestPolicy(BaseModel):
    """What one provider's requests may do, as stored in `provider_metadata.request_config`.

    Attributes:
        allow_private: Private, loopback, link-local and metadata addresses are allowed, by plain http too.
        allow_http: Plain http to public addresses is allowed, although the key can be read on the way.
        requests_per_second: Most requests that start within a second on its host; None for no limit.
        concurrency: Overrides `FetchLimits.concurrency`, and the three below their namesakes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_private: bool = False
    allow_http: bool = False
    requests_per_second: Annotated[float, Field(gt=0, le=1000)] | None = None
    concurrency: Annotated[int, Field(gt=0, le=64)] | None = None
    deadline: Annotated[float, Field(gt=0, le=86_400)] | None = None
    max_pages: Annotated[int, Field(gt=0)] | None = None
    max_total_bytes: Annotated[int, Field(gt=0)] | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, slug: str = "provider") -> Self:
        """Read a stored document.

        Raises:
            ConfigurationError: One line that says what is wrong.
        """
        try:
            return cls.model_validate(dict(document))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise ConfigurationError(
                f"{slug}: request_config is not understood: {'.'.join(map(str, first['loc']))}: {first['msg']}",
                hint=f"its settings are {', '.join(cls.model_fields)}",
            ) from error

    def limits(self, limits: FetchLimits) -> FetchLimits:
        """The client's limits with this provider's overrides."""
        own = {name: getattr(self, name) for name in ("concurrency", "deadline", "max_pages", "max_total_bytes")}
        return limits.model_copy(update={name: value for name, value in own.items() if value is not None})
