"""How far requests may go: the limits of one listing, and what one provider allows or asks for.

Here: plain data. Not here: who keeps to it (`transport`, `client`). The concept: `FetchLimits` are the deployment's;
a provider's `RequestPolicy`, stored as its `request_config`, narrows or widens them for that provider alone. What it
does not allow is refused before the first byte is sent.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provider_pipeline.errors import ConfigurationError

MEBIBYTE: Final = 1024 * 1024
_BYTES_OF_A_CONTAINER: Final = 24
"""Real listings have a hundred; objects with nothing but an id have hardly less than this."""


class FetchLimits(BaseModel):
    """What one listing may cost us. Seconds and bytes; bytes are counted after decompression.

    Attributes:
        connect_timeout: Until the connection stands.
        read_timeout: Between two bytes.
        deadline: For all of a listing's requests and waits together, and for the processor time that it takes to read
            and judge what they brought.
        retries: Further attempts per page after a failure that may pass.
        backoff: The longest wait before the first retry; it doubles each time.
        longest_wait: The longest single wait. A server that asks (Retry-After) for more is not asked again in this
            listing.
        max_page_bytes: Of one page.
        max_total_bytes: Of all pages.
        max_pages: Of all endpoints together.
        max_details: Answers about single models, of all endpoints together.
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
        """How many objects and lists all pages may hold: fewer than any listing of objects that has as many bytes."""
        return self.max_total_bytes // _BYTES_OF_A_CONTAINER


class RequestPolicy(BaseModel):
    """What one provider's requests may do, as stored in `provider_metadata.request_config`.

    Attributes:
        allow_private: Private, loopback, link-local and metadata addresses may be asked, and by plain http too.
        allow_http: Public addresses may be asked by plain http: the key can be read on the way.
        requests_per_second: How many requests begin within a second on its host, at most; None for no limit.
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
        """The limits of this provider's listings, where the client's are `limits`."""
        own = {name: getattr(self, name) for name in ("concurrency", "deadline", "max_pages", "max_total_bytes")}
        return limits.model_copy(update={name: value for name, value in own.items() if value is not None})
