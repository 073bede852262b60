"""The bodies in which a notification is posted: one for each kind of receiver."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args

from provider_pipeline import catalog
from provider_pipeline.rules.issues import escaped

Form = Literal["standard", "json", "slack"]
"""`standard`: Standard Webhooks, signed; `json`: the same facts, unsigned; `slack`: for an incoming webhook there."""
FORMS: Final[tuple[Form, ...]] = get_args(Form)

# Slack refuses longer ones: https://docs.slack.dev/reference/block-kit/blocks
_MAX_HEADER: Final = 150
_MAX_SECTION: Final = 3000
_MAX_ITEMS: Final = 10
_MAX_LINE: Final = 250


def body(form: Form, notification: catalog.notifications.Notification) -> bytes:
    """A notification as the body of a request."""
    document: dict[str, Any] = {
        "type": notification.kind,
        "timestamp": notification.created_at.isoformat(),
        "data": notification.payload,
    }
    if form == "json":
        document = {"id": notification.event_key, **document}
    elif form == "slack":
        document = _slack_message(notification.kind, notification.payload)
    return json.dumps(document, ensure_ascii=True, allow_nan=False).encode()


def _slack_message(kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """A message of plain texts: a provider's words can neither mention anyone nor become links."""
    title = kind.replace("_", " ").capitalize()
    if provider := payload.get("provider"):
        title += f": {escaped(str(provider))}"
    facts = _cut("\n".join(_facts(payload)), _MAX_SECTION)
    blocks = [{"type": "header", "text": _plain(_cut(title, _MAX_HEADER))}]
    if facts:
        blocks.append({"type": "section", "text": _plain(facts)})
    fallback = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": fallback, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False, "blocks": blocks}


def _facts(payload: Mapping[str, Any]) -> Iterator[str]:
    for name, value in payload.items():
        if name == "provider" or value in (None, "", [], {}):
            continue
        label = name.replace("_", " ")
        if isinstance(value, list):
            yield f"{label}:"
            yield from (f"- {_line(each)}" for each in value[:_MAX_ITEMS])
            if len(value) > _MAX_ITEMS:
                yield f"- and {len(value) - _MAX_ITEMS} more"
        else:
            yield f"{label}: {_line(value)}"


def _line(value: Any) -> str:
    if isinstance(value, Mapping):
        said = (f"{name} {_line(each)}" for name, each in value.items() if each not in (None, "", [], {}))
        return _cut(", ".join(said), _MAX_LINE)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _cut(escaped(text), _MAX_LINE)


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
