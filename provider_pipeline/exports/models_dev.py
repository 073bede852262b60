"""The `api.json` of models.dev, which opencode and others read: only models with all that its schema requires."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, BinaryIO, Final

import re2

from provider_pipeline import presets
from provider_pipeline.exports.amounts import peer_prices, prompt_sizes
from provider_pipeline.exports.documents import number, write_json
from provider_pipeline.exports.records import (
    UNKNOWN_ADDRESS,
    ExportedModels,
    ExportedProvider,
    ModelRecord,
    by_provider,
)
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.rules.identity import STATED_FIELDS, canonical_of
from provider_pipeline.rules.ids import normalise_id
from provider_pipeline.rules.knowledge import read_table

PEER: Final = "models-dev"
_COMPATIBLE: Final = "@ai-sdk/openai-compatible"
_OVER_200K: Final = 200_000
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def write(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Writes the providers that have such models."""
    write_json(document(snapshot, report), out)


def document(snapshot: ExportedModels, report: ExportReport) -> dict[str, Any]:
    """The providers by models.dev's id, each with its models by their ids."""
    today = (snapshot.request.as_of or datetime.now(UTC)).astimezone(UTC).date()
    providers: dict[str, Any] = {}
    for provider, group in by_provider(snapshot):
        records = list(group)
        entry = _provider(provider, provider.name_at("models_dev", taken=providers))
        if entry is None:
            for record in records:
                report.leave_out(record, UNKNOWN_ADDRESS)
            continue
        constant = _constant_creation(records)
        models: dict[str, Any] = {}
        for record in records:
            if (model := _model(record, report, today=today, constant=constant)) is not None:
                models[record.model_id] = model
                report.include(record)
        if models:
            providers[entry["id"]] = {**entry, "models": models}
    return providers


def _provider(provider: ExportedProvider, name: str) -> dict[str, Any] | None:
    """A provider without its models; None if it lacks an address that the form requires."""
    table = read_table("peers.toml")[PEER]
    npm = table["npm"].get(name, _COMPATIBLE)
    needs_address = npm in table["needs_address"]["npm"]
    if needs_address and provider.api_url is None:
        return None
    preset = presets.library.presets().get(provider.slug)
    return {
        "id": name,
        # The schema wants a variable: where the provider needs no key, this is the one that a user could set.
        "env": [provider.key_variable or f"{name.upper().replace('-', '_').replace('.', '_')}_API_KEY"],
        "npm": npm,
        **({"api": provider.api_url} if needs_address else {}),
        "name": provider.name,
        "doc": (preset.docs if preset else None) or provider.base_url,
    }


def _constant_creation(records: Iterable[ModelRecord]) -> Any:
    """What a gateway writes as the creation time of all its models: it dates none of them."""
    written = [record.metadata_json.get("created") for record in records]
    return written[0] if len(written) > 1 and len(set(written)) == 1 else None


def _model(record: ModelRecord, report: ExportReport, *, today: date, constant: Any) -> dict[str, Any] | None:
    modalities = {"input": _modalities(record.input_modalities), "output": _modalities(record.output_modalities)}
    released, source = _released_on(record, constant)
    required = {
        "attachment": _takes_files(record),
        "reasoning": record.has("reasoning"),
        "tool_call": record.has("tools"),
        "open_weights": has_open_weights(record),
        "release_date": released,
        "limit.context": record.context_length,
        "limit.output": record.max_output_tokens,
        "modalities.input": modalities["input"],
        "modalities.output": modalities["output"],
    }
    if unknown := [f"{name} unknown" for name, value in required.items() if value in (None, [])]:
        report.leave_out(record, *unknown)
        return None
    if source is not None:
        report.derive(record, source)
    limit = {"context": record.context_length, "input": record.max_input_tokens, "output": record.max_output_tokens}
    model: dict[str, Any] = {
        "id": record.model_id,
        "name": record.name,
        "attachment": required["attachment"],
        "reasoning": required["reasoning"],
        # Which efforts and budgets it takes is unknown; the schema wants the list of every model that reasons.
        **({"reasoning_options": []} if required["reasoning"] else {}),
        "tool_call": required["tool_call"],
        "structured_output": record.has("structured_output"),
        "knowledge": record.knowledge_cutoff,
        "release_date": released,
        "last_updated": released,
        "modalities": modalities,
        "open_weights": required["open_weights"],
        "limit": {name: tokens for name, tokens in limit.items() if tokens is not None},
        "status": _status(record, today),
        "cost": _cost(record, report),
    }
    return {name: value for name, value in model.items() if value is not None}


def _modalities(known: list[str] | None) -> list[str]:
    names = read_table("peers.toml")[PEER]["modality"]
    return list(dict.fromkeys(names[each] for each in known or () if each in names))


def _takes_files(record: ModelRecord) -> bool | None:
    taken = record.input_modalities
    if record.has("vision") or record.has("pdf_input"):
        return True
    return record.has("vision") if taken is None else not {"image", "file"}.isdisjoint(taken)


def _released_on(record: ModelRecord, constant: Any) -> tuple[str | None, str | None]:
    """The day of the release, and where it is from if the listing does not say it as such."""
    if record.released_on is not None:
        return record.released_on, None
    created = record.metadata_json.get("created")
    if isinstance(created, str) and created != constant:
        return created[: len("YYYY-MM-DD")], "release_date from the creation time of the listing"
    stated = {name: record.metadata_json[name] for name in STATED_FIELDS if name in record.metadata_json}
    named = canonical_of(record.model_id, stated)
    if named is not None and named.snapshot is not None and _DAY.fullmatch(named.snapshot):
        return named.snapshot, "release_date from the dated id"
    return None, None


def has_open_weights(record: ModelRecord) -> bool | None:
    """Whether the model's weights are published; None if unknown."""
    if record.metadata_json.get("hugging_face_id"):
        return True
    name = normalise_id(record.model_id)
    return next((is_open for is_open, patterns in _weights() if patterns.fullmatch(name)), None)


@cache
def _weights() -> tuple[tuple[bool, Any], ...]:
    table = read_table("peers.toml")[PEER]["open_weights"]
    return tuple((name == "open", re2.compile("|".join(table[name]))) for name in ("open", "closed"))


def _status(record: ModelRecord, today: date) -> str | None:
    ended = record.deprecated_on
    return "deprecated" if ended is not None and date.fromisoformat(ended) <= today else None


def _cost(record: ModelRecord, report: ExportReport) -> Mapping[str, Any] | None:
    prices = {price.key: price for price in peer_prices(record, PEER, report)}
    if not {"input", "output"} <= prices.keys():
        report.omit(record, "cost: the price of input or output is unknown, which opencode takes as 0")
        return None
    cost: dict[str, Any] = {key: number(price.amount) for key, price in prices.items()}
    # A component without its own tier costs as much as below it.
    tiers = {
        size: {key: number(price.above(size)) for key, price in prices.items()}
        for size in prompt_sizes(prices.values())
    }
    if not tiers:
        return cost
    cost["tiers"] = [{**amounts, "tier": {"type": "context", "size": size}} for size, amounts in tiers.items()]
    if _OVER_200K in tiers:
        cost["context_over_200k"] = tiers[_OVER_200K]
    return cost
