"""Models of the shipped presets' samples, as exports are written from them, without a database."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any

from provider_pipeline.exports.forms import find_form
from provider_pipeline.exports.records import ExportedProvider, ExportRequest, ModelRecord
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.presets.library import preset_sample, presets
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.validator import RuleValidator

_COLUMNS = ModelRecord.__dataclass_fields__.keys() - {"provider", "canonical_id", "filled"}


@dataclass(frozen=True)
class Models:
    """Stands for the snapshot of a database: the models that forms are written from."""

    found: tuple[ModelRecord, ...]
    request: ExportRequest = field(default_factory=ExportRequest)
    spans: tuple[Any, ...] = ()

    @property
    def providers(self) -> Mapping[str, ExportedProvider]:
        """The models' providers."""
        return {each.provider.slug: each.provider for each in self.found}

    def records(self) -> Iterator[ModelRecord]:
        """The models, by provider and id."""
        return iter(self.found)

    def price_spans(self, slug: str) -> list[Any]:
        """What a provider's models cost when."""
        return [each for each in self.spans if each.slug == slug]


@dataclass(frozen=True)
class Span:
    """What a model cost in a span of time."""

    slug: str
    model_id: str
    component: str
    above: int
    amount: float
    valid_from: datetime
    valid_to: datetime | None
    unit: str = "million_tokens"
    currency: str = "USD"


def provider(slug: str, **known: Any) -> ExportedProvider:
    """A provider with an OpenAI-compatible API."""
    values = {"name": slug, "base_url": f"https://api.{slug}.example", "peer_ids": {}, "key_variable": None, **known}
    return ExportedProvider(slug=slug, **{"api_url": f"{values['base_url']}/v1", **values})


def record(row: Mapping[str, Any], of: ExportedProvider) -> ModelRecord:
    """A listed row as a record."""
    values = {"first_seen_at": datetime(2026, 11, 1, tzinfo=UTC), **row}
    return ModelRecord(of, **{name: values[name] for name in _COLUMNS})


@cache
def shipped() -> Models:
    """The models of every preset that has a sample, with rules made from it."""
    found = []
    for slug, preset in presets().items():
        sample = preset_sample(slug)
        if sample is None:
            continue
        rule = RuleGenerator().analyze_sample(sample)
        rows = RuleValidator().validate_rule(rule, sample)["extracted_models"]
        peer_ids = preset.ids.model_dump(mode="json", exclude_none=True)
        of = provider(slug, name=preset.name, key_variable=preset.auth.get("env"), peer_ids=peer_ids)
        found += [record(row, of) for row in sorted(rows, key=lambda row: row["model_id"])]
    return Models(tuple(found))


def written(form: str, models: Models, **request: Any) -> tuple[Any, ExportReport]:
    """The document of a form, and its report."""
    out, chosen = io.BytesIO(), find_form(form)
    report = ExportReport(form)
    module = import_module(f"provider_pipeline.exports.{chosen.module}")
    getattr(module, chosen.function)(replace(models, request=ExportRequest(**request)), out, report)
    return (json.loads(out.getvalue()) if chosen.media_type == "application/json" else out.getvalue()), report
