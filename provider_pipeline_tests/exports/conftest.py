"""A catalogue with a model of each kind that forms treat differently, and exports of it."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.exports.files import export
from provider_pipeline.exports.forms import find_form
from provider_pipeline.exports.records import ExportRequest
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.rules.prices import price_columns
from provider_pipeline_tests.catalog.builders import NOON, model, register, write_models

TOKENS = {"unit": "million_tokens", "currency": "USD"}


def priced(model_id: str, prices: dict[str, Any], **columns: Any) -> dict[str, Any]:
    """A listed model with these prices."""
    return model(model_id, prices=prices, **price_columns(prices), **columns)


def usd(amount: float, **tiers: float) -> dict[str, Any]:
    """A price per million tokens; tiers as `above_200000=4`."""
    steps = [{"above": int(name.removeprefix("above_")), "amount": tier} for name, tier in tiers.items()]
    return {**TOKENS, "amount": amount, **({"tiers": steps} if steps else {})}


CHAT = {
    "context_length": 1_000_000,
    "max_output_tokens": 64_000,
    "input_modalities": ["image", "text"],
    "output_modalities": ["text"],
    "released_on": "2025-05-14",
    "capabilities": {"chat": True, "tools": True, "vision": True, "reasoning": False},
}
ACME = [
    priced(
        "claude-big",
        {"input": usd(0.8, above_200000=1.6), "output": usd(4, above_200000=6), "cache_read": usd(0.08)},
        display_name="Claude Big",
        max_input_tokens=900_000,
        knowledge_cutoff="2025-01-01",
        retires_on="2027-03-01",
        **CHAT,
    ),
    priced("gpt-4-euro", {"input": {**TOKENS, "amount": 2, "currency": "EUR"}}, **CHAT),
    priced("text-embedding-3", {"input": usd(0.02)}, context_length=8191, capabilities={"embedding": True}),
    priced(
        "painter",
        {"image": {"amount": 0.04, "unit": "image", "currency": "USD"}},
        capabilities={"image_generation": True},
    ),
    model("=HYPERLINK(1)", display_name="+cmd|' /C calc'!A0", metadata_json={"note": "\tx"}),
]


@dataclass(frozen=True)
class Exported:
    """An export, and its report."""

    content: bytes
    report: ExportReport

    @property
    def json(self) -> Any:
        """The content as JSON."""
        return json.loads(self.content)

    @property
    def left_out(self) -> dict[str, str]:
        """The reason by model."""
        return {model_id: reason for _, model_id, reason in self.report.left_out}


Exporter = Callable[..., Exported]


def fill_catalogue(database: Database) -> None:
    """Registers `acme`, whose key is in ACME_API_KEY, with the models above."""
    with database.session() as session:
        acme = register(session, "acme")
        catalog.providers.add(
            session,
            slug="acme",
            name="Acme",
            base_url="https://api.acme.example",
            auth_config={"type": "bearer", "env": "ACME_API_KEY"},
        )
        write_models(session, acme.id, ACME, now=NOON, rule_version=1)
        session.commit()


@pytest.fixture
def exported(database: Database) -> Exporter:
    """Exports the catalogue with the models above."""
    fill_catalogue(database)

    def run(form: str, **request: Any) -> Exported:
        out = io.BytesIO()
        report = export(database, find_form(form), ExportRequest(**request), out)
        return Exported(out.getvalue(), report)

    return run
