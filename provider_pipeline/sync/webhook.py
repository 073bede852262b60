"""Delivers enqueued notifications to a webhook, and retries failed deliveries.

The standard form, and its signature, follow Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks).
"""

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from urllib.parse import urlsplit

import standardwebhooks
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.posting import NoReply, post
from provider_pipeline.sync.webhook_forms import FORMS, Form, body

URL_VARIABLE: Final = "PROVIDER_PIPELINE_WEBHOOK_URL"
SECRET_VARIABLE: Final = "PROVIDER_PIPELINE_WEBHOOK_SECRET"  # noqa: S105 - the variable's name
FORM_VARIABLE: Final = "PROVIDER_PIPELINE_WEBHOOK_FORM"
_MAX_PER_TICK: Final = 50
_TICK_SECONDS: Final = 30.0
"""Time limit of all deliveries of a tick; Dagster ends a sensor's tick after 60."""
_SECONDS: Final = 10.0
"""Time limit of one delivery, from connecting to the end of the response's headers."""
_LEASE: Final = timedelta(minutes=2)
_MIN_KEY_BYTES: Final = 24
"""Minimum of Standard Webhooks."""


@dataclass(frozen=True)
class Webhook:
    """Where notifications go, in which form, and the secret that signs them.

    Args:
        url: An http(s) URL.
        secret: The key shared with the receiver, in base64, with or without a leading `whsec_`; empty for a form that
            is not signed.
        form: The form of the bodies.

    Raises:
        ConfigurationError: The URL is not http(s), the form is unknown, or the secret is not what the form needs.
    """

    url: str
    secret: str = ""
    form: Form = "standard"

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{URL_VARIABLE} is not an http(s) URL", hint="for example https://host/hook")
        if self.form not in FORMS:
            raise ConfigurationError(f"{FORM_VARIABLE} is not a known form", hint=f"one of: {', '.join(FORMS)}")
        if self.form == "standard":
            _check_secret(self.secret)
        elif self.secret:
            raise ConfigurationError(
                f"{SECRET_VARIABLE} is set, but nothing is signed in the form {self.form}",
                hint=f"unset it, or set {FORM_VARIABLE} to standard",
            )

    def __repr__(self) -> str:
        return f"Webhook({urlsplit(self.url).hostname!r})"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Webhook | None":
        """The webhook that the environment configures, if any.

        Raises:
            ConfigurationError: It cannot be used.
        """
        url = environ.get(URL_VARIABLE, "").strip()
        form = cast(Form, environ.get(FORM_VARIABLE, "").strip() or "standard")
        return cls(url, environ.get(SECRET_VARIABLE, "").strip(), form) if url else None

    def signature(self, event_id: str, at: datetime, body: bytes) -> str:
        """The `webhook-signature` header for a `webhook-id`, a `webhook-timestamp` (in UTC) and a body."""
        return standardwebhooks.Webhook(self.secret).sign(event_id, at, body.decode())


def _check_secret(secret: str) -> None:
    # The library ignores characters that are not base64, and would sign with the key that the remaining ones make.
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        problem = "is not base64"
    else:
        if len(key) >= _MIN_KEY_BYTES:
            return
        problem = f"is a key of {len(key)} bytes, fewer than {_MIN_KEY_BYTES}" if secret else "is not set"
    raise ConfigurationError(
        f"{SECRET_VARIABLE} {problem}",
        hint="share a random key with the receiver in base64, with or without whsec_: openssl rand -base64 32",
    )


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver a notification.

    Attributes:
        event_key: The event.
        delivered: Whether the receiver accepted it.
        answered: Whether there was a response.
        detail: The response's status, or why there was none.
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
    """Sends due notifications, one request each, oldest first: at most 50, and for at most 30 seconds.

    Stops after the first one without a response, since the receiver seems down; the others are sent the next time. No
    transaction is open during a request.
    """
    # Claimed before the request and recorded after it, so that two senders never send the same one.
    deliveries: list[Delivery] = []
    latest_start = time.monotonic() + _TICK_SECONDS - _SECONDS
    while len(deliveries) < _MAX_PER_TICK and time.monotonic() <= latest_start:
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
    # The key, sent as `webhook-id`, lets a receiver recognise the one repetition that no sender can rule out: a request
    # whose response was lost.
    event_id = notification.event_key
    content = body(webhook.form, notification)
    headers = {"Content-Type": "application/json"}
    if webhook.form != "slack":
        headers["webhook-id"] = event_id
    if webhook.form == "standard":
        headers["webhook-timestamp"] = str(int(now.timestamp()))
        headers["webhook-signature"] = webhook.signature(event_id, now, content)
    answer = post(webhook.url, content, headers, seconds=_SECONDS)
    if isinstance(answer, NoReply):
        return Delivery(event_id, delivered=False, answered=False, detail=f"no answer: {answer.reason}")
    # Redirects are not followed: the operator has not named their target as a receiver.
    delivered = 200 <= answer.status < 300
    return Delivery(event_id, delivered, answered=True, detail=f"answered {answer.status}")
