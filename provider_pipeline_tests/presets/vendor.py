"""A server that behaves as a preset describes: its authorisation, pagination and the models of its sample.

The sample's models are dealt out to the preset's endpoints.

It is written from the preset's facts alone and shares no code with the client.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from werkzeug import Request, Response

from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline_tests.presets import keys

ACME = """\
slug: acme
name: Acme
base_url: https://api.acme.example
auth: {type: bearer, env: ACME_API_KEY}
endpoints:
  - path: /v1/models
"""
"""A provider file."""


def source_of(file: ProviderFile) -> ListingSource:
    """What the listing client fetches for a file without variables."""
    return ListingSource(
        slug=file.slug,
        base_url=file.base_url,
        auth=AuthConfig.parse(file.auth, slug=file.slug),
        endpoints=tuple(ListingEndpoint(path=each.path, pagination=each.pagination) for each in file.endpoints),
        policy=file.request,
    )


@dataclass
class Vendor:
    """Answers the listing requests of one preset; `refused` collects why others were refused."""

    preset: ProviderFile
    sample: Any
    origin: str
    refused: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        """The preset's base URL on this server."""
        return self.origin + urlsplit(self.preset.base_url).path.rstrip("/")

    def environ(self) -> dict[str, str]:
        """The environment variables that the preset's authorisation names, with keys."""
        return keys.environ(self.preset.auth, self.origin)

    def answer(self, request: Request) -> Response:
        if request.base_url == self.origin + keys.TOKEN_PATH:
            return keys.token(request, self.origin)
        paths = [urlsplit(self.base_url).path + each.path.partition("?")[0] for each in self.preset.endpoints]
        place = paths.index(request.path) if request.path in paths else None
        endpoint = self.preset.endpoints[place or 0]
        query = endpoint.path.partition("?")[2]
        expected = dict(parse_qsl(query, keep_blank_values=True))
        for problem in (
            f"path {request.path}, expected one of {paths}" if place is None else None,
            keys.refusal(self.preset.auth, request),
            next((f"no {name}" for name, value in expected.items() if request.args.get(name) != value), None),
        ):
            if problem:
                self.refused.append(problem)
                return Response(json.dumps({"error": {"message": problem}}), status=401 if "key" in problem else 400)
        sample, count = copy.deepcopy(self.sample), len(self.preset.sample_rows)
        if len(paths) > 1:
            models = _items(sample, count)
            models[:] = models[place :: len(paths)]
            count = len(models)
        first, second, asked = _pages(
            sample,
            count,
            endpoint.pagination.model_dump(exclude_none=True),
            request.base_url + (f"?{query}" if query else ""),
        )
        further = {name: value for name, value in request.args.items() if name not in expected}
        if further and further != asked:
            self.refused.append(f"page {further} asked for, expected {asked}")
            return Response("{}", status=400)
        return Response(json.dumps(second if further else first), content_type="application/json")


def _pages(sample: Any, count: int, pagination: Mapping[str, Any], url: str) -> tuple[Any, Any, dict[str, str]]:
    """The first page, the second, and the query that requests the second."""
    if pagination["type"] == "none":
        return sample, None, {}
    first, second = copy.deepcopy(sample), copy.deepcopy(sample)
    whole = list(_items(sample, count))
    _items(first, count)[:] = whole[:-1]
    _items(second, count)[:] = whole[-1:]
    match pagination["type"]:
        case "cursor":
            last = whole[-2].get("id", "after-first")
            _put(first, pagination["token"], last)
            _put(second, pagination["token"], whole[-1].get("id", "after-second"))
            _put(first, pagination["more"], True)
            _put(second, pagination["more"], False)
            return first, second, {pagination["param"]: last}
        case "page_token":
            _put(first, pagination["token"], "second-page")
            _put(second, pagination["token"], None)
            return first, second, {pagination["param"]: "second-page"}
        case "next_url":
            _put(first, pagination["token"], f"{url}{'&' if '?' in url else '?'}start=second-page")
            _put(second, pagination["token"], None)
            return first, second, {"start": "second-page"}
        case "page_number":
            for number, page in enumerate((first, second), start=1):
                _put(page, pagination["page"], number)
                _put(page, pagination["total_pages"], 2)
            return first, second, {pagination["param"]: "2"}
        case style:
            raise AssertionError(f"no preset has pages of style {style} yet")


def _items(document: Any, count: int) -> list[Any]:
    """The list with as many objects as the sample has models, at any depth."""
    values = [document]
    for value in values:
        if isinstance(value, list) and len(value) == count and all(isinstance(item, dict) for item in value):
            return value
        if isinstance(value, dict):
            values.extend(value.values())
    raise AssertionError("no list holds the sample's models")


def _put(document: Any, path: str, value: Any) -> None:
    *around, last = path.split(".")
    for step in around:
        document = document.setdefault(step, {})
    if value is None:
        document.pop(last, None)
    else:
        document[last] = value
