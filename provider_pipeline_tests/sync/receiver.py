"""A receiver of notifications, and a provider that gives cause for some."""

import base64
import json
import threading
import time

import pytest
import standardwebhooks
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline import ModelSyncer, RuleValidationError
from provider_pipeline.sync.repair.worker import answer_tasks
from provider_pipeline.sync.webhook import Webhook
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

SECRET = f"whsec_{base64.b64encode(bytes(range(32, 64))).decode()}"


class Receiver:
    """A webhook that fails a set number of times and keeps what it accepted."""

    def __init__(self, server: HTTPServer, *statuses: int, takes: float = 0.0) -> None:
        self.takes = takes
        self.statuses = list(statuses)
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.asked = 0
        self._lock = threading.Lock()
        server.expect_request("/hook", method="POST").respond_with_handler(self._take)
        self.webhook = Webhook(server.url_for("/hook"), SECRET)

    def verified(self, secret: str = SECRET) -> list[dict]:
        """The accepted events, verified by the standard's own library."""
        return [standardwebhooks.Webhook(secret).verify(body, headers) for headers, body in self.taken]

    def _take(self, request: Request) -> Response:
        time.sleep(self.takes)
        with self._lock:
            self.asked += 1
            status = self.statuses.pop(0) if self.statuses else 200
            if status == 200:
                headers = {name.lower(): value for name, value in request.headers.items()}
                self.taken.append((headers, request.get_data()))
            return Response(status=status, headers={"Location": "/hook"} if status == 307 else {})

    def kinds(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.taken]


def lived_through(fleet: Fleet) -> None:
    """A provider that was synced, changed its shape, and was repaired."""
    fleet.add("acme", listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
        fleet.serve("acme", moved(*CHAT_MODELS))
        for _ in range(2):
            with pytest.raises(RuleValidationError):
                ModelSyncer(session).sync_provider_models("acme")
        answer_tasks(session, "acme")
