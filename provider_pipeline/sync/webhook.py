"""Telling another system what happened: signed, retried, and once for each event.

Here: sending the waiting notifications to one webhook. Not here: what is worth a notification (`events.py`), and when
to send (the Dagster sensor). The concept: an event waits in the database from the moment it happens, in the same
transaction; a sender claims it before the request and settles it after, so that several senders never send the same
one, and a receiver that was down gets it later. Format and signature are those of Standard Webhooks
(https://github.com/standard-webhooks/standard-webhooks): the id is the event's own, so that a receiver can tell the one
repetition that no sender can rule out, a request whose answer was lost.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import requests
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError

URL_VARIABLE: Final = "PROVIDER_PIPELINE_WEBHOOK_URL"
SECRET_VARIABLE: Final = "PROVIDER_PIPELINE_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
MOST_PER_TICK: Final = 50
_TIMEOUT: Final = 10.0
_LEASE: Final = timedelta(minutes=2)
_SHORTEST_SECRET: Final = 16


@dataclass(frozen=True)
class Webhook:
    """Where notifications go, and the secret that signs them.

    Args:
        url: An http(s) URL.
        secret: At least 16 characters, shared with the receiver.

    Raises:
        ConfigurationError: The URL cannot be asked, or the secret is too short to protect anything.
    """

    url: str
    secret: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{URL_VARIABLE} is not an http(s) URL", hint="for example https://host/hook")
        if len(self.secret) < _SHORTEST_SECRET:
            raise ConfigurationError(
                f"{SECRET_VARIABLE} has fewer than {_SHORTEST_SECRET} characters",
                hint="share a random secret with the receiver, for example from: openssl rand -hex 32",
            )

    def __repr__(self) -> str:
        return f"Webhook({urlsplit(self.url).hostname!r})"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Webhook | None":
        """The webhook that the environment names; None when it names none.

        Raises:
            ConfigurationError: It names one that cannot be used.
        """
        url = environ.get(URL_VARIABLE, "").strip()
        return cls(url, environ.get(SECRET_VARIABLE, "").strip()) if url else None

    def signature(self, event_id: str, timestamp: int, body: bytes) -> str:
        """The `webhook-signature` header: version 1, HMAC-SHA256 over id, timestamp and body."""
        signed = f"{event_id}.{timestamp}.".encode() + body
        digest = hmac.new(self.secret.encode(), signed, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode()}"


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver a notification.

    Attributes:
        event_key: The event.
        delivered: Whether the receiver took it.
        detail: The answer's status, or why none came.
    """

    event_key: str
    delivered: bool
    detail: str


def deliver_due(
    sessions: Callable[[], AbstractContextManager[Session]],
    webhook: Webhook,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Delivery]:
    """Sends the notifications that are due, one request each, oldest first, at most 50.

    Args:
        sessions: Opens a session; no transaction is open during a request.
        webhook: Where to.
        clock: The present time.
    """
    deliveries: list[Delivery] = []
    while len(deliveries) < MOST_PER_TICK:
        with sessions() as session:
            claimed = catalog.claim_due_notifications(session, now=clock(), lease=_LEASE, limit=1)
            session.commit()
        if not claimed:
            break
        delivery = _send(claimed[0], webhook, clock())
        with sessions() as session:
            if delivery.delivered:
                catalog.mark_delivered(session, claimed[0].id, now=clock())
            else:
                catalog.mark_failed(session, claimed[0], delivery.detail, now=clock())
            session.commit()
        deliveries.append(delivery)
    return deliveries


def _send(notification: catalog.Notification, webhook: Webhook, now: datetime) -> Delivery:
    event_id, timestamp = notification.event_key, int(now.timestamp())
    document = {
        "type": notification.kind,
        "timestamp": notification.created_at.isoformat(),
        "data": notification.payload,
    }
    body = json.dumps(document, ensure_ascii=True, allow_nan=False).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "provider-pipeline",
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": webhook.signature(event_id, timestamp, body),
    }
    try:
        # A receiver that redirects would get the event without having been named as its receiver.
        with requests.post(
            webhook.url, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            status = answer.status_code
    except requests.RequestException as error:
        # The error's own text holds the URL, and the URL may hold a token.
        return Delivery(event_id, False, f"no answer: {type(error).__name__}")
    return Delivery(event_id, 200 <= status < 300, f"answered {status}")
