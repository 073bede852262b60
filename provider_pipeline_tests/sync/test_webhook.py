"""Events reach the webhook signed, once each, also when the receiver was down; and never leak its address or secret."""

import base64
import hashlib
import hmac
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from provider_pipeline import ModelSyncer, RuleValidationError, catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.sync import Webhook, answer_tasks, deliver_due
from provider_pipeline.sync.webhook import SECRET_VARIABLE, URL_VARIABLE
from provider_pipeline_tests.catalog.builders import enqueue_notification
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing, moved

SECRET = "a-secret-of-the-receiver"


class Receiver:
    """A webhook that fails as often as it is told to, and keeps what it took."""

    def __init__(self, server: HTTPServer, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.asked = 0
        self._lock = threading.Lock()
        server.expect_request("/hook", method="POST").respond_with_handler(self._take)
        self.webhook = Webhook(server.url_for("/hook"), SECRET)

    def _take(self, request: Request) -> Response:
        with self._lock:
            self.asked += 1
            status = self.statuses.pop(0) if self.statuses else 200
            if status == 200:
                headers = {name.lower(): value for name, value in request.headers.items()}
                self.taken.append((headers, request.get_data()))
            return Response(status=status, headers={"Location": "/hook"} if status == 307 else {})

    def kinds(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.taken]


@pytest.fixture
def receiver(httpserver: HTTPServer) -> Receiver:
    return Receiver(httpserver)


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


def test_each_event_is_told_once_and_signed(fleet: Fleet, receiver: Receiver):
    lived_through(fleet)
    deliveries = deliver_due(fleet.database.session, receiver.webhook)
    assert [delivery.delivered for delivery in deliveries] == [True, True, True]
    assert receiver.kinds() == ["models_changed", "listing_blocked", "rule_repaired"]
    assert deliver_due(fleet.database.session, receiver.webhook) == []
    for headers, body in receiver.taken:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == 3


@pytest.mark.parametrize("status", [500, 404, 307])
def test_a_receiver_that_fails_is_asked_again_later_and_takes_the_event_once(fleet: Fleet, httpserver, status: int):
    receiver = Receiver(httpserver, status, status)
    fleet.add("acme", listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
    now = datetime.now(UTC)
    for minutes, told in ((0, 0), (0, 0), (2, 0), (10, 1), (20, 1)):
        deliver_due(fleet.database.session, receiver.webhook, clock=lambda at=now + timedelta(minutes=minutes): at)
        assert len(receiver.taken) == told
    assert receiver.asked == 3


def test_nobody_at_the_address_is_a_failure_that_names_no_secret(fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
    webhook = Webhook("http://127.0.0.1:9/hook?token=hidden", SECRET)
    (delivery,) = deliver_due(fleet.database.session, webhook)
    with fleet.database.session() as session:
        (waiting,) = catalog.list_notifications(session)
    for text in (delivery.detail, waiting.last_error, repr(webhook)):
        assert "hidden" not in text
        assert SECRET not in text


def test_several_senders_at_once_tell_each_event_once(fleet: Fleet, receiver: Receiver):
    with fleet.database.session() as session:
        for number in range(30):
            enqueue_notification(session, f"e{number}", "test", {}, now=datetime.now(UTC))
        session.commit()
    senders = [threading.Thread(target=deliver_due, args=(fleet.database.session, receiver.webhook)) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(headers["webhook-id"] for headers, _ in receiver.taken) == sorted(f"e{n}" for n in range(30))


def test_a_dry_run_and_an_unchanged_listing_are_no_news(fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme", dry_run=True)
        assert catalog.list_notifications(session) == []
        for _ in range(3):
            ModelSyncer(session).sync_provider_models("acme")
        assert len(catalog.list_notifications(session)) == 1


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({URL_VARIABLE: "ftp://host/hook", SECRET_VARIABLE: SECRET}, "is not an http"),
        ({URL_VARIABLE: "https://host/hook"}, "fewer than 16 characters"),
        ({URL_VARIABLE: "https://host/hook", SECRET_VARIABLE: "short"}, "fewer than 16 characters"),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_clear_line(environ, problem):
    with pytest.raises(ConfigurationError, match=problem) as raised:
        Webhook.from_environment(environ)
    assert "short" not in str(raised.value)


def test_without_the_variable_there_is_no_webhook():
    assert Webhook.from_environment({}) is None


def test_old_notifications_are_forgotten_and_waiting_ones_only_when_nobody_will_send_them(fleet: Fleet):
    now = datetime.now(UTC)
    with fleet.database.session() as session:
        for name in ("waiting", "delivered"):
            enqueue_notification(session, name, "test", {}, now=now - timedelta(days=40))
        delivered = next(each for each in catalog.list_notifications(session) if each.event_key == "delivered")
        catalog.mark_delivered(session, delivered.id, now=now)
        before = now - timedelta(days=30)
        assert catalog.forget_notifications(session, before=before, waiting_too=False) == 1
        assert [each.event_key for each in catalog.list_notifications(session)] == ["waiting"]
        assert catalog.forget_notifications(session, before=before, waiting_too=True) == 1
