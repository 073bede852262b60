"""An entry of the table, the well-behaved provider it departs from, and the scripts that entries are made of."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

from provider_pipeline.errors import ProviderPipelineError, RuleValidationError
from provider_pipeline_tests.listing.hostile.server import Conversation, Script, Stage, answer

Outcome = type[ProviderPipelineError] | Literal["synced"]

KEY_VARIABLE: Final = "HOSTILE_PROVIDER_KEY"
KEY: Final = "sk-hostile/5f0c9d+8e5b=7a41"
"""The provider's key, of characters that URLs, JSON and Base64 each write in their own way."""
USER: Final = "hostile-user"

MODELS: Final = tuple(f"gpt-4.1-{number}" for number in range(10))
"""What the provider listed before it turned hostile."""

BEARER: Final = MappingProxyType({"type": "bearer", "env": KEY_VARIABLE})
QUERY: Final = MappingProxyType({"type": "query", "name": "subscription", "env": KEY_VARIABLE})

LOOPBACK: Final = MappingProxyType({"allow_private": True})
HASTY: Final = MappingProxyType({"allow_private": True, "deadline": 0.5})
"""For behaviours that only the deadline ends."""


@dataclass(frozen=True)
class Behaviour:
    """One way to misbehave, and the promised outcome.

    Attributes:
        name: Its name, and the slug of the provider that behaves so.
        does: What the provider does, in one line.
        script: The same for the server.
        outcome: The sync's exception, or `synced`.
        says: Key words of the exception's one line.
        asked: How many requests it gets; None if that depends on timing.
        rows: The active models afterwards, where the outcome is `synced`.
        stage: When the script runs.
        base_url: The provider's; `{port}` is the server's, `{name}` its name.
        auth: Its auth_config.
        policy: Its request_config.
        pagination: Its rule's pagination.
        detail: Its rule's detail.
        addresses: What the host `{name}.example` resolves to, from one look-up to the next.
    """

    name: str
    does: str
    script: Script
    outcome: Outcome
    says: str = ""
    asked: int | None = 1
    rows: tuple[str, ...] = MODELS
    stage: Stage = "after request"
    base_url: str = "http://127.0.0.1:{port}"
    auth: Mapping[str, Any] = field(default_factory=lambda: BEARER)
    policy: Mapping[str, Any] = field(default_factory=lambda: LOOPBACK)
    pagination: Mapping[str, Any] | None = None
    detail: Mapping[str, Any] | None = None
    addresses: tuple[str, ...] = ()

    @property
    def opens_task(self) -> bool:
        """Whether a RULE_GEN task exists afterwards: only if the listing was read and the rule does not fit it."""
        return self.outcome is RuleValidationError

    @property
    def outcome_name(self) -> str:
        """The outcome in one word."""
        return self.outcome if isinstance(self.outcome, str) else self.outcome.__name__


def item(model_id: Any, **more: Any) -> dict[str, Any]:
    """One model of a listing."""
    return {"id": model_id, "object": "model", "context_length": 128_000, **more}


def items(*model_ids: Any) -> list[dict[str, Any]]:
    """These models of a listing."""
    return [item(model_id) for model_id in model_ids]


def whole(**more: Any) -> dict[str, Any]:
    """The listing as it was before, complete by every pagination."""
    ends = {"has_more": False, "page": 1, "total_pages": 1, "total": len(MODELS)}
    return {"object": "list", "data": items(*MODELS), **ends, **more}


def encoded(document: Any) -> bytes:
    """A document as a body."""
    return json.dumps(document).encode()


GOOD: Final = encoded(whole())


def well_behaved(conversation: Conversation) -> None:
    """Answer with the whole listing, or with one model of it."""
    _, _, model_id = conversation.target.partition("/models/")
    conversation.send(answer(encoded(item(model_id)) if model_id else GOOD))


def sends(*parts: bytes) -> Script:
    """A script that sends these bytes and closes the connection."""
    return lambda conversation: conversation.send(*parts)


def says(document: Any, *headers: str, **more: Any) -> Script:
    """A script that answers with a JSON document."""
    return sends(answer(encoded(document), *headers, **more))


def then_resets(*parts: bytes) -> Script:
    """A script that sends these bytes and resets the connection."""

    def script(conversation: Conversation) -> None:
        conversation.send(*parts)
        # The reset would overtake what the client has not read.
        conversation.pause(0.05)
        conversation.reset()

    return script


def at_first(script: Script, *, times: int = 1) -> Script:
    """A script that misbehaves the first `times` times only."""
    return lambda conversation: (script if conversation.attempt <= times else well_behaved)(conversation)
