"""Telling another system what happened: signed, retried, and once for each event.

Here: sending the waiting notifications to one webhook. Not here: what is worth a notification (`events.py`), and when
to send (the Dagster sensor). The concept: an event waits in the database from the moment it happens, in the same
transaction; a sender claims it before the request and settles it after, so that several senders never send the same
one, and a receiver that was down gets it later. Format and signature are those of Standard Webhooks
(https://github.com/standard-webhooks/standard-webhooks): the id is the event's own, so that a receiver can tell the one
repetition that no sender can rule out, a request whose answer was lost.
"""

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import standardwebhooks
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.posting import NoReply, post

URL_VARIABLE: Final = "PROVIDER_PIPELINE_WEBHOOK_URL"
SECRET_VARIABLE: Final = "PROVIDER_PIPELINE_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
MOST_PER_TICK: Final = 50
_TICK_SECONDS: Final = 30.0
"""For all deliveries of one tick together; a sensor's tick must end within 60."""
_SECONDS: Final = 10.0
"""For one delivery, from its connection to the end of the answer's headers."""
_LEASE: Final = timedelta(minutes=2)
_LEAST_BYTES: Final = 24
"""The shortest key that Standard Webhooks allows."""


@dataclass(frozen=True)
class Webhook:
    """Where notifications go, and the secret that signs them.

    Args:
        url: An http(s) URL.
        secret: What sender and receiver share, as Standard Webhooks writes it: base64, perhaps after `whsec_`.

    Raises:
        ConfigurationError: The URL cannot be asked, or the secret is none, or too short to protect anything.
    """

    url: str
    secret: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{URL_VARIABLE} is not an http(s) URL", hint="for example https://host/hook")
        _check_secret(self.secret)

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

    def signature(self, event_id: str, at: datetime, body: bytes) -> str:
        """The `webhook-signature` header.

        Args:
            event_id: The `webhook-id` header.
            at: The `webhook-timestamp` header, in UTC.
            body: The request's body.
        """
        return standardwebhooks.Webhook(self.secret).sign(event_id, at, body.decode())


def _check_secret(secret: str) -> None:
    # The library skips what is not base64, and would sign with whatever key the rest makes.
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        problem = "is not base64"
    else:
        if len(key) >= _LEAST_BYTES:
            return
        problem = f"is a key of {len(key)} bytes, fewer than {_LEAST_BYTES}" if secret else "is not set"
    raise ConfigurationError(
        f"{SECRET_VARIABLE} {problem}",
        hint="share a random key with the receiver in base64, with or without whsec_: openssl rand -base64 32",
    )


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver a notification.

    Attributes:
        event_key: The event.
        delivered: Whether the receiver took it.
        answered: Whether it answered at all.
        detail: The answer's status, or why none came.
    """

    event_key: str
    delivered: bool
    answered: bool
    detail: str


def deliver_due(
    sessions: Callable[[], AbstractContextManager[Session]],
    webhook: Webhook,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Delivery]:
    """Sends the notifications that are due, one request each, oldest first, at most 50 and for at most 30 seconds.

    The first one that gets no answer is the last: a receiver that is down keeps no sender busy, and the others go next
    time.

    Args:
        sessions: Opens a session; no transaction is open during a request.
        webhook: Where to.
        clock: The present time.
    """
    deliveries: list[Delivery] = []
    latest_start = time.monotonic() + _TICK_SECONDS - _SECONDS
    while len(deliveries) < MOST_PER_TICK and time.monotonic() <= latest_start:
        with sessions() as session:
            claimed = catalog.notifications.claim_due(session, now=clock(), lease=_LEASE, limit=1)
            session.commit()
        if not claimed:
            break
        delivery = _send(claimed[0], webhook, clock())
        with sessions() as session:
            if delivery.delivered:
                catalog.notifications.mark_delivered(session, claimed[0].id, now=clock())
            else:
                catalog.notifications.mark_failed(session, claimed[0], delivery.detail, now=clock())
            session.commit()
        deliveries.append(delivery)
        if not delivery.answered:
            break
    return deliveries


def _send(notification: catalog.notifications.Notification, webhook: Webhook, now: datetime) -> Delivery:
    event_id = notification.event_key
    document = {
        "type": notification.kind,
        "timestamp": notification.created_at.isoformat(),
        "data": notification.payload,
    }
    body = json.dumps(document, ensure_ascii=True, allow_nan=False).encode()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.signature(event_id, now, body),
    }
    answer = post(webhook.url, body, headers, seconds=_SECONDS)
    if isinstance(answer, NoReply):
        return Delivery(event_id, delivered=False, answered=False, detail=f"no answer: {answer.reason}")
    # A receiver that redirects would get the event without having been named as its receiver: it is not followed.
    delivered = 200 <= answer.status < 300
    return Delivery(event_id, delivered, answered=True, detail=f"answered {answer.status}")
