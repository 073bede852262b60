"""Models in the form of OpenRouter's `GET /api/v1/models`: as a file, and the parts of the API's own listing."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final
from urllib.parse import quote

from provider_pipeline.exports.amounts import decimal_text, peer_prices
from provider_pipeline.exports.documents import write_json
from provider_pipeline.exports.records import ExportedModels, ModelRecord
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.rules.knowledge import read_table

PEER: Final = "openrouter"


def write(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Writes the models whose modalities and prices of input and output are known."""
    models = []
    for record in snapshot.records():
        prices = pricing(record, report)
        shape = architecture(record)
        missing = [f"pricing.{name} unknown" for name in ("prompt", "completion") if name not in (prices or {})]
        if shape is None:
            missing.append("modalities unknown")
        if missing:
            report.leave_out(record, *missing)
            continue
        models.append(
            {
                "id": exported_id(record, snapshot),
                "canonical_slug": exported_id(record, snapshot),
                "name": record.name,
                "created": created(record),
                "context_length": record.context_length,
                "architecture": shape,
                "pricing": prices,
                "top_provider": top_provider(record),
                "per_request_limits": None,
                "supported_parameters": supported_parameters(record),
                "default_parameters": None,
                "supported_voices": None,
                "links": links(record),
                **dates(record),
            }
        )
        report.include(record)
    write_json(envelope(models), out)


def envelope(models: list[dict[str, Any]]) -> dict[str, Any]:
    """The document around the models, as OpenRouter's SDK and OpenAI's read it."""
    return {"object": "list", "data": models, "links": {"next": None}, "total_count": len(models)}


def exported_id(record: ModelRecord, snapshot: ExportedModels) -> str:
    """The model's own id in a listing of one provider, else with the provider in front."""
    return record.model_id if len(snapshot.request.slugs) == 1 else f"{record.provider.slug}/{record.model_id}"


def created(record: ModelRecord) -> int:
    """When the model was created, in seconds since 1970: as listed, else released, else first seen here."""
    listed = record.metadata_json.get("created")
    try:
        moment = datetime.fromisoformat(listed or record.released_on or "")
    except (TypeError, ValueError):
        moment = record.first_seen_at
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def architecture(record: ModelRecord) -> dict[str, Any] | None:
    """What it takes and gives; None if unknown."""
    table = read_table("peers.toml")[PEER]
    taken = [table["input"][each] for each in record.input_modalities or () if each in table["input"]]
    given = [table["output"][each] for each in record.output_modalities or () if each in table["output"]]
    if not taken or not given:
        return None
    return {"modality": f"{'+'.join(taken)}->{'+'.join(given)}", "input_modalities": taken, "output_modalities": given}


def pricing(record: ModelRecord, report: ExportReport) -> dict[str, Any] | None:
    """Its prices as decimal texts, with `overrides` by prompt size; None if none is known."""
    prices = list(peer_prices(record, PEER, report))
    tiered = read_table("peers.toml")[PEER]["override"]["prices"]
    overrides: dict[int, dict[str, Any]] = {}
    for price in prices:
        for above, amount in price.tiers:
            if price.key in tiered:
                overrides.setdefault(above, {"min_prompt_tokens": above})[price.key] = decimal_text(amount)
            else:
                report.omit(record, f"price of {price.component} above a prompt size: the form has none")
    found: dict[str, Any] = {price.key: decimal_text(price.amount) for price in prices}
    if overrides:
        found["overrides"] = [overrides[above] for above in sorted(overrides)]
    return found or None


def top_provider(record: ModelRecord) -> dict[str, Any]:
    """The limits; `is_moderated` is about the gateway that lists the models, and the catalogue moderates nothing."""
    return {
        "context_length": record.context_length,
        "max_completion_tokens": record.max_output_tokens,
        "is_moderated": False,
    }


def supported_parameters(record: ModelRecord) -> list[str]:
    """The parameters that the listing names, else those that follow from capabilities."""
    listed = record.metadata_json.get("supported_parameters")
    if isinstance(listed, list):
        return sorted({each for each in listed if isinstance(each, str)})
    names: Mapping[str, str] = read_table("peers.toml")[PEER]["parameter"]
    return sorted(name for capability, name in names.items() if record.has(capability))


def links(record: ModelRecord) -> dict[str, str]:
    """Where the API tells all that is known of it."""
    return {"details": f"/api/providers/{record.provider.slug}/models/{quote(record.model_id)}"}


def dates(record: ModelRecord) -> dict[str, str]:
    """The optional dates that are known, and the model's id on the Hugging Face Hub."""
    known = {
        "knowledge_cutoff": record.knowledge_cutoff,
        "expiration_date": record.retires_on,
        "hugging_face_id": record.metadata_json.get("hugging_face_id"),
    }
    return {name: value for name, value in known.items() if value is not None}
