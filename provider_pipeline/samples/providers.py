"""The sample providers and their answers, from the bundled data files or from a folder of listings.

A sample provider is one data file; adding one changes no Python. The models in the data files are real; their
selection, descriptions and counters such as downloads are invented.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote, urlencode

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.rules.document import Detail
from provider_pipeline.rules.generation.samples import EndpointSample

DIRECTORY_PATH: Final = "/v1/models"


@dataclass(frozen=True)
class SampleProvider:
    """One provider of the sample server.

    `env` has the environment variables of its key, with demo keys. `endpoints` have the documents for its first rule
    (None for a file that is not JSON). `broken` says how it is broken on purpose.
    """

    slug: str
    name: str
    auth: Mapping[str, Any]
    env: Mapping[str, str]
    endpoints: tuple[EndpointSample, ...] = field(repr=False)
    broken: Literal["http_500", "shape_changed"] | None = None


@dataclass(frozen=True)
class ProviderRequest:
    """A request: the URL without its query, the path below the base URL as sent, headers by lower-case name."""

    url: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProviderResponse:
    """The answer to it."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "ProviderResponse":
        """A JSON document."""
        return cls(status, json.dumps(document, ensure_ascii=False).encode(), dict(headers or {}))

    @classmethod
    def not_found(cls, request: ProviderRequest) -> "ProviderResponse":
        """A 404 with a JSON error."""
        return cls.of({"error": {"message": f"nothing at {request.path}"}}, status=404)


@dataclass(frozen=True)
class _Endpoint:
    """A listing endpoint of a bundled data file.

    Keys: `path`, `body`; optional: `paging` (see `_page`), `body_now` (the body after its shape changed), `detail` and
    `details` (the path of the answers about single models, and those by id).
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
        first_page, _ = _page(data["body"], paging, query={}, url=f"http://127.0.0.1/{slug}{data['path']}")
        detail = Detail(path=data["detail"]) if "detail" in data else None
        details = data.get("details", {})
        sample = first_page if detail is None else {"listing": first_page, "details": details}
        return cls(data["path"], data.get("body_now", data["body"]), sample, paging, detail, details)

    def reply(self, request: ProviderRequest) -> ProviderResponse | None:
        """The answer to a request; None for a path of another endpoint."""
        if request.path == self.path:
            document, headers = _page(self.body, self.paging, query=request.query, url=request.url)
            return ProviderResponse.of(document, headers=headers)
        if self.detail is None:
            return None
        before, _, after = self.detail.path.partition("{id}")
        if not (request.path.startswith(before) and request.path.endswith(after)):
            return None
        model = self.details.get(unquote(request.path.removeprefix(before).removesuffix(after)))
        return None if model is None else ProviderResponse.of(model)


@dataclass(frozen=True)
class BundledProvider:
    """A provider of a bundled data file.

    Keys: `name`; `endpoints`, or the keys of its only one (see `_Endpoint`); optional: `auth`, `env`, and `status` (of
    a provider that is down).
    """

    described: SampleProvider
    endpoints: tuple[_Endpoint, ...]
    status: int

    @classmethod
    def of(cls, slug: str, data: Mapping[str, Any]) -> "BundledProvider":
        """A provider from its parsed data file."""
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

    def reply(self, request: ProviderRequest) -> ProviderResponse:
        """Answer one request."""
        if not self._lets_in(request.headers):
            return ProviderResponse.of(
                {"error": {"message": "A valid key is required.", "type": "authentication_error"}}, status=401
            )
        if self.status != 200:
            return ProviderResponse.of(
                {"error": {"message": "The model service is down, on purpose."}}, status=self.status
            )
        try:
            replies = [reply for each in self.endpoints if (reply := each.reply(request)) is not None]
        except ValueError as error:
            return ProviderResponse.of({"error": {"message": str(error), "type": "invalid_request_error"}}, status=400)
        return replies[0] if replies else ProviderResponse.not_found(request)

    def _lets_in(self, headers: Mapping[str, str]) -> bool:
        auth = self.described.auth
        if auth["type"] == "none":
            return True
        sent = headers.get(auth["name"].lower(), "")
        return hmac.compare_digest(sent.encode(), self.described.env[auth["env"]].encode())


@dataclass(frozen=True)
class FileProvider:
    """A provider that serves any file unchanged."""

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

    def reply(self, request: ProviderRequest) -> ProviderResponse:
        """Answer with the file."""
        return (
            ProviderResponse(200, self.content)
            if request.path == DIRECTORY_PATH
            else ProviderResponse.not_found(request)
        )


def bundled_providers() -> tuple[BundledProvider, ...]:
    """The sample providers that ship with the package, by slug."""
    folder = resources.files(__package__) / "data"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    return tuple(BundledProvider.of(file.name.removesuffix(".json"), json.loads(file.read_bytes())) for file in files)


def directory_providers(directory: Path) -> tuple[FileProvider, ...]:
    """One provider for each `*.json` file of a folder, by slug.

    Raises:
        ConfigurationError: There is no such folder, or it has no such file.
    """
    if not directory.is_dir():
        raise ConfigurationError(f"{directory}: no such folder of listings", hint="expected a folder with *.json files")
    files = sorted(file for file in directory.glob("*.json") if file.is_file())
    if not files:
        raise ConfigurationError(f"{directory}: no *.json file in it", hint="each *.json file becomes one provider")
    return tuple(FileProvider.of(file) for file in files)


def _page(
    body: Any, paging: Mapping[str, Any] | None, *, query: Mapping[str, str], url: str
) -> tuple[Any, Mapping[str, str]]:
    """One page of a listing, and its extra headers.

    The server's side of pagination as real providers spell it. It shares no code with the client's side
    (`provider_pipeline.listing`), so that neither hides the other's mistakes.

    Args:
        body: The whole listing.
        paging: `style`, `size` (models per page), `items` (the list's key in the body; absent for a bare list, which
            needs style `link_header`), and what else the style needs; None for an unpaginated listing.
        query: The request's parameters.
        url: The endpoint's URL, for styles that name the next page by its URL.

    Raises:
        ValueError: The query asks for a page that does not exist; one line, for the client.
    """
    if paging is None:
        return body, {}
    items: Sequence[Any] = body[paging["items"]] if "items" in paging else body
    start, size = _start(paging, items, query), int(paging["size"])
    chunk, end = list(items[start : start + size]), start + size
    more = end < len(items)
    if paging["style"] == "link_header":
        return chunk, {"Link": f'<{url}?{urlencode({"cursor": _token(end)})}>; rel="next"'} if more else {}
    page: dict[str, Any] = {**body, paging["items"]: chunk}
    match paging["style"]:
        case "after_id":
            page |= {"has_more": more, "first_id": chunk[0]["id"], "last_id": chunk[-1]["id"]}
        case "page_token" if more:
            page[paging["token"]] = _token(end)
        case "next_url":
            page[paging["token"]] = f"{url}?{urlencode({'offset': end})}" if more else None
        case "page_number":
            pages = -(-len(items) // size)
            page[paging["within"]] = {"page": start // size + 1, "pageSize": size, "totalPage": pages}
    return page, {}


def _start(paging: Mapping[str, Any], items: Sequence[Any], query: Mapping[str, str]) -> int:
    match paging["style"]:
        case "after_id":
            ids = [item["id"] for item in items]
            after = query.get("after_id")
            if after is not None and after not in ids:
                raise ValueError("after_id names no model of this listing")
            return ids.index(after) + 1 if after is not None else 0
        case "page_token":
            return _position(query.get(paging["param"]), items)
        case "link_header":
            return _position(query.get("cursor"), items)
        case "page_number":
            return max(_number(query.get("page", "1"), items) - 1, 0) * int(paging["size"])
        case _:
            return _number(query.get("offset", "0"), items)


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"sample:{position}".encode()).decode().rstrip("=")


def _position(token: str | None, items: Sequence[Any]) -> int:
    if token is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("the page token is not one of ours") from None
    return _number(text.removeprefix("sample:"), items)


def _number(text: str, items: Sequence[Any]) -> int:
    if not text.isdecimal() or not 0 <= int(text) < len(items):
        raise ValueError("there is no such page")
    return int(text)
