import json
import logging
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline_tests.listing.conftest import LOOPBACK, QUICK

LISTING = {"object": "list", "data": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]}


class Asker:
    """Fetches listings with one client, like a process that syncs repeatedly."""

    def __init__(self, server: HTTPServer, environ: Mapping[str, str], limits: FetchLimits = QUICK) -> None:
        self._server = server
        self._client = ListingClient(limits, environ=environ)

    def fetch(
        self,
        auth: Mapping[str, Any],
        path: str = "/models",
        pagination: Mapping[str, Any] | None = None,
        slug: str = "acme",
    ) -> list[Any]:
        source = ListingSource(
            slug=slug,
            base_url=self._server.url_for(""),
            auth=AuthConfig.parse(auth, slug=slug),
            endpoints=(ListingEndpoint(path=path, pagination=pagination),),
            policy=LOOPBACK,
        )
        return [page.document for page in self._client.pages(source)]


class Said:
    """All texts that the code produced in a test, to search for secrets."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self._texts: list[str] = []

    def note(self, *said: object) -> None:
        for each in said:
            self._texts += [str(each), repr(each)]
            chained = each if isinstance(each, BaseException) else None
            while chained is not None:
                self._texts += [repr(chained), repr(vars(chained)), "".join(traceback.format_exception(chained))]
                chained = chained.__cause__ or chained.__context__

    def __contains__(self, secret: str) -> bool:
        # The test's server logs what it is asked; that is the other side.
        logged = [record.getMessage() for record in self._caplog.records if record.name != "werkzeug"]
        forms = (secret, json.dumps(secret)[1:-1])
        return any(form in text for form in forms for text in (*self._texts, *logged))


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    caplog.set_level(logging.DEBUG)
    return Said(caplog)


Ask = Callable[..., Asker]


@pytest.fixture
def asker(httpserver: HTTPServer) -> Ask:
    """Makes an `Asker` for the test's server with these environment variables."""

    def asker(environ: Mapping[str, str] | None = None, limits: FetchLimits = QUICK) -> Asker:
        return Asker(httpserver, environ or {}, limits)

    return asker
