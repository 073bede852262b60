"""What the sample providers are, and what each answers.

Here: the description of a provider, and reading descriptions from the bundled data files or from a folder of bodies.
Not here: HTTP (`server`) and cutting a body into pages (`pages`). The concept: a sample provider is one data file;
adding one changes no Python. The models in the data files are real; their selection, their descriptions and counters
such as downloads are our own.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.rules.document import Detail
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.samples.pages import cut

DIRECTORY_PATH: Final = "/v1/models"


@dataclass(frozen=True)
class SampleProvider:
    """One provider of the sample server.

    Attributes:
        slug: Its name; its base URL is the server's URL and this.
        name: Its name for people.
        auth: How it is to be asked; an `auth_config` document.
        env: The environment variables its key is expected in, with demo keys.
        endpoints: Its listing endpoints, with the documents its first rule is made from; None for one of a folder's
            file that is not JSON.
        broken: How it is broken on purpose, if it is.
    """

    slug: str
    name: str
    auth: Mapping[str, Any]
    env: Mapping[str, str]
    endpoints: tuple[EndpointSample, ...] = field(repr=False)
    broken: Literal["http_500", "shape_changed"] | None = None


@dataclass(frozen=True)
class Asked:
    """What a request asks.

    Attributes:
        url: The endpoint as the client sees it, without its query.
        path: The path below the provider's base URL, as it was sent.
        query: The query's parameters.
        headers: By lower-case name.
    """

    url: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What a request gets."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "Reply":
        """A JSON answer."""
        return cls(status, json.dumps(document, ensure_ascii=False).encode(), dict(headers or {}))

    @classmethod
    def nothing(cls, asked: Asked) -> "Reply":
        """The answer where there is nothing."""
        return cls.of({"error": {"message": f"nothing at {asked.path}"}}, status=404)


@dataclass(frozen=True)
class _Endpoint:
    """A listing endpoint that a bundled data file describes.

    Its keys: `path`, `body`; and, where needed, `paging` (see `pages.cut`), `body_now` (for one whose shape has changed
    since), `detail` and `details` (the path of the models' own answers, and these by id).
    """

    path: str
    body: Any = field(repr=False)
    sample: Any = field(repr=False)
    paging: Mapping[str, Any] | None
    detail: Detail | None
    details: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, slug: str, data: Mapping[str, Any]) -> "_Endpoint":
        paging = data.get("paging")
        first_page, _ = cut(data["body"], paging, query={}, url=f"http://127.0.0.1/{slug}{data['path']}")
        detail = Detail(path=data["detail"]) if "detail" in data else None
        details = data.get("details", {})
        sample = first_page if detail is None else {"listing": first_page, "details": details}
        return cls(data["path"], data.get("body_now", data["body"]), sample, paging, detail, details)

    def reply(self, asked: Asked) -> Reply | None:
        """The answer to a request; None for a path that is not of this endpoint."""
        if asked.path == self.path:
            document, headers = cut(self.body, self.paging, query=asked.query, url=asked.url)
            return Reply.of(document, headers=headers)
        if self.detail is None:
            return None
        before, _, after = self.detail.path.partition("{id}")
        if not (asked.path.startswith(before) and asked.path.endswith(after)):
            return None
        model = self.details.get(unquote(asked.path.removeprefix(before).removesuffix(after)))
        return None if model is None else Reply.of(model)


@dataclass(frozen=True)
class BundledProvider:
    """A provider that a bundled data file describes.

    Its keys: `name`; `endpoints`, or the keys of its only one (see `_Endpoint`); and, where needed, `auth` and `env`,
    and `status` (for one that fails).
    """

    described: SampleProvider
    endpoints: tuple[_Endpoint, ...]
    status: int

    @classmethod
    def of(cls, slug: str, data: Mapping[str, Any]) -> "BundledProvider":
        """Read one data file."""
        status = int(data.get("status", 200))
        listed = data.get("endpoints", [data])
        endpoints = tuple(_Endpoint.of(slug, each) for each in listed)
        changed = any("body_now" in each for each in listed)
        described = SampleProvider(
            slug=slug,
            name=data["name"],
            auth=data.get("auth", {"type": "none"}),
            env=data.get("env", {}),
            endpoints=tuple(EndpointSample(each.sample, each.path, each.detail) for each in endpoints),
            broken="http_500" if status == 500 else "shape_changed" if changed else None,
        )
        return cls(described, endpoints, status)

    def reply(self, asked: Asked) -> Reply:
        """Answer one request."""
        if not self._lets_in(asked.headers):
            return Reply.of(
                {"error": {"message": "A valid key is required.", "type": "authentication_error"}}, status=401
            )
        if self.status != 200:
            return Reply.of({"error": {"message": "The model service is down, on purpose."}}, status=self.status)
        try:
            replies = [reply for each in self.endpoints if (reply := each.reply(asked)) is not None]
        except ValueError as error:
            return Reply.of({"error": {"message": str(error), "type": "invalid_request_error"}}, status=400)
        return replies[0] if replies else Reply.nothing(asked)

    def _lets_in(self, headers: Mapping[str, str]) -> bool:
        auth = self.described.auth
        if auth["type"] == "none":
            return True
        sent = headers.get(auth["name"].lower(), "")
        return hmac.compare_digest(sent.encode(), self.described.env[auth["env"]].encode())


@dataclass(frozen=True)
class FileProvider:
    """A provider that answers with a file as it is, whatever is in it."""

    described: SampleProvider
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, file: Path) -> "FileProvider":
        """Read one file."""
        content = file.read_bytes()
        try:
            sample = json.loads(content)
        except (ValueError, RecursionError):
            sample = None
        described = SampleProvider(
            slug=file.stem,
            name=file.stem,
            auth={"type": "none"},
            env={},
            endpoints=(EndpointSample(sample, DIRECTORY_PATH),),
        )
        return cls(described, content)

    def reply(self, asked: Asked) -> Reply:
        """Answer with the file."""
        return Reply(200, self.content) if asked.path == DIRECTORY_PATH else Reply.nothing(asked)


def bundled_providers() -> tuple[BundledProvider, ...]:
    """The sample providers that come with the package, by slug."""
    folder = resources.files(__package__) / "data"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return tuple(BundledProvider.of(file.name.removesuffix(".json"), json.loads(file.read_bytes())) for file in files)


def directory_providers(directory: Path) -> tuple[FileProvider, ...]:
    """One provider for each `*.json` file of a folder, by slug.

    Raises:
        ConfigurationError: There is no such folder, or no such file in it.
    """
    if not directory.is_dir():
        raise ConfigurationError(f"{directory}: no such folder of listings", hint="expected a folder with *.json files")
    files = sorted(file for file in directory.glob("*.json") if file.is_file())
    if not files:
        raise ConfigurationError(f"{directory}: no *.json file in it", hint="each *.json file becomes one provider")
    return tuple(FileProvider.of(file) for file in files)
