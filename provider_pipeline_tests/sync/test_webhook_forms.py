"""Each kind of receiver gets a notification in its own form, within its limits and with nothing it would act on."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from provider_pipeline import catalog
from provider_pipeline.sync.webhook import FORM_VARIABLE, URL_VARIABLE, Webhook, deliver_due
from provider_pipeline.sync.webhook_forms import FORMS, Form, body
from provider_pipeline_tests.catalog.builders import NOON, enqueue_notification
from provider_pipeline_tests.fleet import Fleet
from provider_pipeline_tests.sync.receiver import Receiver, lived_through


def posted(fleet: Fleet, receiver: Receiver, form: str) -> list[tuple[dict[str, str], dict]]:
    """The headers and documents of what is delivered in a form."""
    webhook = Webhook.from_environment({URL_VARIABLE: receiver.webhook.url, FORM_VARIABLE: form})
    deliveries = deliver_due(fleet.database.session, webhook)
    assert all(each.delivered for each in deliveries)
    return [(headers, json.loads(body)) for headers, body in receiver.taken]


def test_generic_json_has_the_same_facts_with_an_id_and_no_signature(fleet: Fleet, receiver: Receiver):
    lived_through(fleet)
    found = posted(fleet, receiver, "json")
    with fleet.database.session() as session:
        stored = {each.event_key: each for each in catalog.notifications.find(session)}
    assert [document["type"] for _, document in found] == ["models_changed", "listing_blocked", "rule_repaired"]
    for headers, document in found:
        assert document["data"] == stored[document["id"]].payload
        assert headers["webhook-id"] == document["id"]
        assert "webhook-signature" not in headers


def test_slack_gets_a_message_with_the_facts(fleet: Fleet, receiver: Receiver):
    lived_through(fleet)
    found = [document for _, document in posted(fleet, receiver, "slack")]
    assert [document["text"] for document in found] == [
        "Models changed: acme",
        "Listing blocked: acme",
        "Rule repaired: acme",
    ]
    header, section = found[0]["blocks"]
    assert header == {"type": "header", "text": {"type": "plain_text", "text": "Models changed: acme", "emoji": False}}
    assert "created: 5" in section["text"]["text"].splitlines()
    assert all("webhook-id" not in headers for headers, _ in receiver.taken)


def test_what_a_provider_says_mentions_nobody_in_slack_and_stays_within_its_limits(fleet: Fleet, receiver: Receiver):
    names = [{"id": f"<!channel> *{number}* & \n{'x' * 400}"} for number in range(40)]
    with fleet.database.session() as session:
        payload = {"provider": "<!here> & " + "p" * 300, "total": 40, "gone": None, "models": names}
        enqueue_notification(session, "e", "models_appeared", payload, now=datetime.now(UTC))
        session.commit()
    ((_, document),) = posted(fleet, receiver, "slack")
    assert "<" not in document["text"]
    header, section = document["blocks"]
    assert {block["text"]["type"] for block in document["blocks"]} == {"plain_text"}
    assert len(header["text"]["text"]) <= 150
    assert len(section["text"]["text"]) <= 3000
    lines = section["text"]["text"].splitlines()
    assert lines[:2] == ["total: 40", "models:"]
    assert lines[-1] == "- and 30 more"
    assert len(lines) == 13


def notification(**payload: Any) -> catalog.notifications.Notification:
    """A stored notification."""
    return catalog.notifications.Notification(
        id=1,
        event_key="models_changed:acme:7",
        kind="models_changed",
        provider_id=1,
        payload=payload,
        created_at=NOON,
        attempts=0,
        next_attempt_at=None,
        delivered_at=None,
        last_error=None,
    )


def slack_lines(**payload: Any) -> list[str]:
    """The lines of facts that Slack shows."""
    blocks = json.loads(body("slack", notification(**payload)))["blocks"]
    return [line for block in blocks[1:] for line in block["text"]["text"].splitlines()]


def test_the_json_form_is_the_standard_one_with_the_events_id_in_front():
    standard, plain = (json.loads(body(form, notification(created=5))) for form in ("standard", "json"))
    assert standard == {"type": "models_changed", "timestamp": NOON.isoformat(), "data": {"created": 5}}
    assert plain == {"id": "models_changed:acme:7", **standard}


@pytest.mark.parametrize("form", FORMS)
def test_a_body_is_ascii_whatever_a_provider_writes(form: Form):
    sent = body(form, notification(provider="acmé", models=[{"id": "modèle 模型"}]))
    assert sent.isascii()
    assert "modèle 模型" in str(json.loads(sent))


def test_slack_is_told_only_facts_that_hold_something():
    assert slack_lines(provider="acme", gone=None, note="", names=[], more={}, total=0, ok=False) == [
        "total: 0",
        "ok: false",
    ]
    assert slack_lines(provider="acme") == []


def test_slack_has_an_objects_known_values_in_one_line():
    models = [{"id": "gpt-4o", "was": None, "price": 2.5}, "claude"]
    assert slack_lines(models=models) == ["models:", "- id gpt-4o, price 2.5", "- claude"]


def test_a_line_break_in_a_providers_words_starts_no_line_of_its_own():
    assert slack_lines(reason="first\nsecond\u202e") == ["reason: first\\nsecond\\u202e"]


@given(st.dictionaries(st.text(max_size=20), st.recursive(st.text() | st.integers() | st.none(), st.lists)))
def test_slack_gets_no_longer_texts_than_it_takes(payload: dict[str, Any]):
    message = json.loads(body("slack", notification(**payload | {"provider": "p" * 400, "note": "n" * 4000})))
    header, section = (block["text"]["text"] for block in message["blocks"])
    assert len(header) <= 150
    assert len(section) <= 3000
