"""Events are delivered signed and once each, even if the receiver was down, and leak neither address nor secret."""

import base64
import itertools
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
from pytest_httpserver import HTTPServer

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.sync import webhook
from provider_pipeline.sync.webhook import FORM_VARIABLE, SECRET_VARIABLE, URL_VARIABLE, Webhook, deliver_due
from provider_pipeline_tests.catalog.builders import enqueue_notification
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing
from provider_pipeline_tests.listing.hostile.server import Conversation, HostileServer
from provider_pipeline_tests.listing.test_posting import DRIPPING
from provider_pipeline_tests.sync.receiver import SECRET, Receiver, lived_through


def test_each_event_is_delivered_once_and_signed(fleet: Fleet, receiver: Receiver):
    lived_through(fleet)
    deliveries = deliver_due(fleet.database.session, receiver.webhook)
    assert [delivery.delivered for delivery in deliveries] == [True, True, True]
    assert receiver.kinds() == ["models_changed", "listing_blocked", "rule_repaired"]
    assert deliver_due(fleet.database.session, receiver.webhook) == []
    assert [event["type"] for event in receiver.verified()] == receiver.kinds()
    assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == 3


KEY = bytes(range(32))


@pytest.mark.parametrize(
    "secret",
    [
        base64.b64encode(KEY).decode(),
        f"whsec_{base64.b64encode(KEY).decode()}",
        f"whsec_{base64.b64encode(KEY).decode().rstrip('=')}",
        KEY.hex(),  # base64 as well, of 48 bytes
    ],
)
def test_the_same_secret_verifies_at_the_receiver_with_the_standard_s_library(
    fleet: Fleet, receiver: Receiver, secret: str
):
    enqueue(fleet, 1)
    deliver_due(fleet.database.session, Webhook(receiver.webhook.url, secret))
    assert [event["type"] for event in receiver.verified(secret)] == ["test"]
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        receiver.verified(SECRET)


def enqueue(fleet: Fleet, count: int) -> None:
    """Enqueued events e0, e1, ..."""
    with fleet.database.session() as session:
        for number in range(count):
            enqueue_notification(session, f"e{number}", "test", {}, now=datetime.now(UTC))
        session.commit()


@pytest.mark.parametrize(
    "how", ["says nothing", "drips a status line", "drips headers", "drips interim answers", "is not there"]
)
def test_a_silent_receiver_ends_the_tick_and_the_rest_is_sent_later_in_order(
    fleet: Fleet, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, how: str
):
    monkeypatch.setattr("provider_pipeline.sync.webhook._SECONDS", 0.5)
    enqueue(fleet, 12)
    with HostileServer(DRIPPING.get(how, Conversation.reset)) as hostile:
        url = "http://127.0.0.1:9/hook" if how == "is not there" else f"{hostile.url}/hook"
        began = time.monotonic()
        deliveries = deliver_due(fleet.database.session, Webhook(url, SECRET))
        assert time.monotonic() - began < 10
    assert [(each.event_key, each.answered) for each in deliveries] == [("e0", False)]
    deliver_due(fleet.database.session, receiver.webhook)
    assert [headers["webhook-id"] for headers, _ in receiver.taken] == [f"e{number}" for number in range(1, 12)]


def test_a_slow_receiver_does_not_exceed_the_time_limit_of_a_tick(
    fleet: Fleet, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("provider_pipeline.sync.webhook._SECONDS", 1.0)
    monkeypatch.setattr("provider_pipeline.sync.webhook._TICK_SECONDS", 1.5)
    receiver = Receiver(httpserver, takes=0.3)
    enqueue(fleet, 8)
    ticks = []
    while deliveries := deliver_due(fleet.database.session, receiver.webhook):
        ticks.append([each.event_key for each in deliveries])
    assert max(map(len, ticks)) <= 2
    assert list(itertools.chain(*ticks)) == [f"e{number}" for number in range(8)]


def test_a_tick_takes_half_of_dagsters_limit_and_has_room_for_slow_deliveries():
    assert webhook._TICK_SECONDS >= 3 * webhook._SECONDS
    assert 2 * webhook._TICK_SECONDS <= 60


@pytest.mark.parametrize("status", [500, 404, 307])
def test_a_failed_delivery_is_retried_and_the_event_accepted_once(fleet: Fleet, httpserver, status: int):
    receiver = Receiver(httpserver, status, status)
    fleet.add("acme", listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
    now = datetime.now(UTC)
    for minutes, told in ((0, 0), (0, 0), (2, 0), (10, 1), (20, 1)):
        deliver_due(fleet.database.session, receiver.webhook, clock=lambda at=now + timedelta(minutes=minutes): at)
        assert len(receiver.taken) == told
    assert receiver.asked == 3


def test_an_unreachable_receiver_is_a_failure_that_names_no_secret(fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme")
    webhook = Webhook("http://127.0.0.1:9/hook?token=hidden", SECRET)
    (delivery,) = deliver_due(fleet.database.session, webhook)
    with fleet.database.session() as session:
        (waiting,) = catalog.notifications.find(session)
    for text in (delivery.detail, waiting.last_error, repr(webhook)):
        assert "hidden" not in text
        assert SECRET not in text


def test_concurrent_senders_deliver_each_event_once(fleet: Fleet, receiver: Receiver):
    enqueue(fleet, 30)
    senders = [threading.Thread(target=deliver_due, args=(fleet.database.session, receiver.webhook)) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert sorted(headers["webhook-id"] for headers, _ in receiver.taken) == sorted(f"e{n}" for n in range(30))


def test_a_dry_run_and_an_unchanged_listing_enqueue_nothing(fleet: Fleet):
    fleet.add("acme", listing(*CHAT_MODELS))
    with fleet.database.session() as session:
        ModelSyncer(session).sync_provider_models("acme", dry_run=True)
        assert catalog.notifications.find(session) == []
        for _ in range(3):
            ModelSyncer(session).sync_provider_models("acme")
        assert len(catalog.notifications.find(session)) == 1


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({URL_VARIABLE: "ftp://host/hook", SECRET_VARIABLE: SECRET}, "is not an http"),
        ({URL_VARIABLE: "https://host/hook"}, "SECRET is not set"),
        ({URL_VARIABLE: "https://host/hook", FORM_VARIABLE: "teams"}, "FORM is not a known form"),
        ({URL_VARIABLE: "https://host/hook", FORM_VARIABLE: "standard"}, "SECRET is not set"),
        ({URL_VARIABLE: "https://host/hook", FORM_VARIABLE: "slack", SECRET_VARIABLE: SECRET}, "nothing is signed"),
        ({URL_VARIABLE: "https://host/hook", SECRET_VARIABLE: "whsec_"}, "is a key of 0 bytes, fewer than 24"),
        ({URL_VARIABLE: "https://host/hook", SECRET_VARIABLE: "short short!"}, "is not base64"),
        ({URL_VARIABLE: "https://host/hook", SECRET_VARIABLE: "shortshortsh"}, "is a key of 9 bytes, fewer than 24"),
        ({URL_VARIABLE: "https://host/hook", SECRET_VARIABLE: "a-short-secret-of-words-and-such"}, "is not base64"),
    ],
)
def test_an_invalid_setting_gives_one_clear_error(environ, problem):
    with pytest.raises(ConfigurationError, match=problem) as raised:
        Webhook.from_environment(environ)
    assert "short" not in str(raised.value)
    if "is signed" not in str(raised.value) and "SECRET" in str(raised.value):
        assert "openssl rand -base64 32" in raised.value.hint


def test_without_the_variable_there_is_no_webhook():
    assert Webhook.from_environment({}) is None


def test_old_notifications_are_deleted_and_waiting_ones_only_after_the_last_attempt(fleet: Fleet):
    now = datetime.now(UTC)
    with fleet.database.session() as session:
        for name in ("waiting", "delivered"):
            enqueue_notification(session, name, "test", {}, now=now - timedelta(days=40))
        delivered = next(each for each in catalog.notifications.find(session) if each.event_key == "delivered")
        catalog.notifications.mark_delivered(session, delivered.id, now=now)
        before = now - timedelta(days=30)
        assert catalog.notifications.forget(session, before=before, waiting_too=False) == 1
        assert [each.event_key for each in catalog.notifications.find(session)] == ["waiting"]
        assert catalog.notifications.forget(session, before=before, waiting_too=True) == 1
