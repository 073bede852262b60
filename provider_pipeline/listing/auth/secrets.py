"""Reads secrets from environment variables and files, and checks the settings around them."""

import fnmatch
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from provider_pipeline.errors import MissingCredentialError
from provider_pipeline.listing.key_looks import (
    holds_well_known_key,
    is_our_variable,
    is_sensitive_name,
    looks_like_a_key,
)
from provider_pipeline.listing.policy import key_in_url
from provider_pipeline.rules.variants import BUILT_WHEN_USED

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_USE_A_VARIABLE: Final = (
    'put it into an environment variable, and say where: {"type": "header", "name": NAME, "env": VARIABLE}'
)
_RESERVED_HEADERS: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "upgrade"}
)


def header_name(name: str) -> str:
    """Refuse a header that cannot be set."""
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED_HEADERS:
        raise ValueError(f"{name!r} cannot be used as a header's name")
    return name


def static_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse headers that cannot be sent, or would keep a secret in a table."""
    for name, value in headers.items():
        header_name(name)
        if is_sensitive_name(name):
            raise ValueError(f"header {name!r} usually holds a secret; {_USE_A_VARIABLE}")
        if not HEADER_TEXT.fullmatch(value):
            raise ValueError(f"the value of header {name!r} cannot be sent")
        if looks_like_a_key(value, name=name):
            raise ValueError(f"the value of header {name!r} looks like a key; {_USE_A_VARIABLE}")
    return headers


def token_url(url: str) -> str:
    """Refuse a URL that cannot be a token endpoint."""
    if (problem := token_url_problem(url)) is not None:
        raise ValueError(problem)
    return url


def token_url_problem(url: str) -> str | None:
    """Why a URL cannot be a token endpoint, or None; whether plain http is allowed is decided when it is used."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url or "#" in url:
        return "is not an http(s) URL that can be asked"
    return None if key_in_url(url) is None else "holds a secret in its address"


HEADER_TEXT: Final = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
"""Valid in a header's value."""
ONE_LINE: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
"""Text of any alphabet without line breaks and control characters."""
ANY_TEXT: Final = re.compile(r"[^\x00\ud800-\udfff]+")
"""Text of several lines."""
MAX_BYTES: Final = 64 * 1024
"""Largest file of a secret."""
KEY_VARIABLES: Final = "PROVIDER_PIPELINE_KEY_VARIABLES"
"""Setting: variables that may hold keys, as patterns such as `*_API_KEY`; any if unset."""
KEY_FOLDERS: Final = "PROVIDER_PIPELINE_KEY_FOLDERS"
"""Setting: folders that may hold key files, separated as in PATH; any if unset."""


def _variable(name: str) -> str:
    if is_our_variable(name):
        raise ValueError("a variable of this product's own, or of Dagster's, holds no provider's key")
    if looks_like_a_key(name):  # not quoted
        raise ValueError("this looks like a key itself; expected the name of the variable that holds it")
    return name


EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200), AfterValidator(_variable)]
FileName = Annotated[str, Field(pattern=r"^/[^\x00-\x1f\x7f]+$", max_length=4000)]


class Secret(BaseModel):
    """The place of a secret: an environment variable, or a file by its absolute path, such as a mounted secret."""

    model_config = ConfigDict(**BUILT_WHEN_USED, hide_input_in_errors=True)

    env: EnvName | None = None
    file: FileName | None = None

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        one_place(self.env, self.file)
        return self

    @property
    def name(self) -> str:
        """The variable or the file."""
        return self.env or self.file or ""

    def resolve(
        self, slug: str, environ: Mapping[str, str], *, what: str = "key", fits: re.Pattern[str] = HEADER_TEXT
    ) -> str:
        """Read the secret, without white space around it.

        Args:
            slug: The provider, for the error's text.
            environ: The environment variables.
            what: What the secret is to the provider, for the error's text.
            fits: The whole secret must match this.

        Raises:
            MissingCredentialError: It is missing, empty, or cannot be sent. The value is never shown.
        """
        if self.env is not None:
            found = _in_environment(self.env, environ)
            place, remedy = f"environment variable {self.env}", f"set {self.env} where the sync runs"
        else:
            found = read_secret_file(self.name, environ)
            place, remedy = f"file {self.file}", "check that the secret is mounted where the sync runs"
        problem = found.problem
        if not problem and not found.text:
            problem = "is empty"
        if not problem and not fits.fullmatch(found.text):
            problem = "holds a line break or another character that no request can carry"
        if problem:
            raise MissingCredentialError(f"{slug}: its {what} is expected in {place}, which {problem}", hint=remedy)
        return found.text


def one_place(env: str | None, file: str | None) -> None:
    """Refuse a document that names no place for its secret, or two."""
    if (env is None) == (file is None):
        raise ValueError("needs an 'env' or a 'file', the place of its secret, and not both")


class Setting(Secret):
    """A value that may be public, such as a client's id, and so may be stored itself, as `value`."""

    value: Annotated[str, Field(min_length=1, max_length=2000)] | None = None

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if sum(given is not None for given in (self.env, self.file, self.value)) != 1:
            raise ValueError("needs one of 'value', 'env' and 'file'")
        if self.value is not None and not ONE_LINE.fullmatch(self.value):
            raise ValueError("its 'value' holds a line break or another control character")
        if self.value is not None and holds_well_known_key(self.value):
            raise ValueError(
                "its 'value' looks like a key; put it into an environment variable, and name that in 'env'"
            )
        return self

    @property
    def name(self) -> str:
        """The variable or the file, or 'auth_config' for a stored value."""
        return self.env or self.file or "auth_config"

    def resolve(
        self, slug: str, environ: Mapping[str, str], *, what: str = "key", fits: re.Pattern[str] = HEADER_TEXT
    ) -> str:
        """The stored value, or see `Secret.resolve`."""
        return self.value if self.value is not None else super().resolve(slug, environ, what=what, fits=fits)

    def secrets(self, resolved: str) -> tuple[str, ...]:
        """The values to redact: none if it is stored anyway."""
        return () if self.value is not None else (resolved,)


@dataclass(frozen=True)
class SecretText:
    """The content of a secret's place, or a problem that continues "which ..."."""

    text: str = field(default="", repr=False)
    problem: str = ""


def read_secret_file(name: str, environ: Mapping[str, str]) -> SecretText:
    """Read a small text file, if its folder may hold keys."""
    path = Path(name)
    try:
        if not _may_be_read(path, environ):
            return SecretText(problem=f"is not in a folder that {KEY_FOLDERS} allows")
        if not path.is_file():  # first, because opening a pipe would wait for its writer
            return SecretText(problem="is not a file" if path.exists() else "does not exist")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            return SecretText(problem=f"is larger than the {MAX_BYTES:,} bytes a secret may have")
        return SecretText(content.decode("utf-8-sig").strip())
    except OSError as error:
        return SecretText(problem=f"cannot be read ({error.strerror or type(error).__name__})")
    except UnicodeDecodeError:
        return SecretText(problem="is not UTF-8 text")


def _may_be_read(path: Path, environ: Mapping[str, str]) -> bool:
    folders = [each for each in environ.get(KEY_FOLDERS, "").split(os.pathsep) if each]
    # A link counts by its target.
    return not folders or any(path.resolve().is_relative_to(Path(folder).resolve()) for folder in folders)


def _in_environment(name: str, environ: Mapping[str, str]) -> SecretText:
    allowed = environ.get(KEY_VARIABLES, "").replace(",", " ").split()
    if allowed and not any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed):
        return SecretText(problem=f"is not among those that {KEY_VARIABLES} allows")
    return SecretText(environ[name].strip()) if name in environ else SecretText(problem="is not set")
