"""How a provider's listing request is authorised.

Here: the stored description (`AuthConfig`), which names environment variables, and what becomes of it at call time
(`Credentials`). Not here: sending the request (`transport`). The concept: a table never holds a secret, only the name
of the variable that does, looked up anew for each listing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from provider_pipeline.errors import ConfigurationError, MissingCredentialError
from provider_pipeline.listing.redaction import is_sensitive_name

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SENDABLE: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
_OURS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "upgrade"}
)


@dataclass(frozen=True)
class Credentials:
    """What a request carries to be let in; `secrets` are the values that no text may show."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


class AuthConfig(BaseModel):
    """How one provider wants to be asked, as stored in `provider_metadata.auth_config`.

    Attributes:
        type: `none`; `bearer` (Authorization: Bearer …); `header` (the key alone in header `name`); `query` (in
            parameter `name`).
        env: The environment variable that holds the key; for every type but `none`.
        name: The header's or the parameter's name; for `header` and `query`.
        headers: Static headers that are no secret, such as an API version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    type: Literal["none", "bearer", "header", "query"] = "none"
    env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    headers: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.type == "none") != (self.env is None):
            raise ValueError(f"type {self.type!r} {'takes no' if self.type == 'none' else 'needs an'} 'env'")
        if (self.type in ("header", "query")) != (self.name is not None):
            raise ValueError(f"type {self.type!r} {'needs a' if self.name is None else 'takes no'} 'name'")
        if self.type == "header":
            _check_header_name(self.name or "")
        for name, value in self.headers.items():
            _check_header_name(name)
            if is_sensitive_name(name):
                raise ValueError(
                    f"header {name!r} usually holds a secret; name its environment variable in 'env' instead"
                )
            if not _SENDABLE.fullmatch(value):
                raise ValueError(f"the value of header {name!r} cannot be sent")
        return self

    @classmethod
    def parse(cls, document: Mapping[str, Any], *, slug: str = "provider") -> Self:
        """Read a stored document.

        Raises:
            ConfigurationError: One line that says what is wrong, without the document's values.
        """
        try:
            return cls.model_validate(dict(document))
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(str(part) for part in detail['loc']) or 'document'}: {detail['msg']}"
                for detail in error.errors(include_input=False, include_url=False, include_context=False)
            )
        raise ConfigurationError(
            f"{slug}: auth_config is not understood: {reasons}",
            hint='for example {"type": "bearer", "env": "OPENAI_API_KEY"}',
        )

    def credentials(self, slug: str, environ: Mapping[str, str]) -> Credentials:
        """Look the key up and say where it goes.

        Raises:
            MissingCredentialError: The variable is unset, empty, or holds what no request can carry; the value is
                never shown.
        """
        if self.env is None:
            return Credentials(headers=dict(self.headers))
        key = environ.get(self.env, "").strip()
        problem = "is not set" if self.env not in environ else "is empty" if not key else ""
        if not problem and not _SENDABLE.fullmatch(key):
            problem = "holds a line break or another character that no request can carry"
        if problem:
            raise MissingCredentialError(
                f"{slug}: its key is expected in environment variable {self.env}, which {problem}",
                hint=f"set {self.env} where the sync runs",
            )
        match self.type:
            case "query":
                return Credentials(headers=dict(self.headers), params={self.name or "": key}, secrets=(key,))
            case "header":
                return Credentials(headers={**self.headers, self.name or "": key}, secrets=(key,))
            case _:
                return Credentials(headers={**self.headers, "Authorization": f"Bearer {key}"}, secrets=(key,))


def _check_header_name(name: str) -> None:
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
        raise ValueError(f"{name!r} cannot be used as a header's name")
