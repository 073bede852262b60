"""LiteLLM's `model_prices_and_context_window.json`, alone or merged into LiteLLM's own."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, BinaryIO, Final

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.exports.amounts import PeerPrice, peer_prices, prompt_sizes
from provider_pipeline.exports.documents import number, write_json
from provider_pipeline.exports.records import ExportedModels, ModelRecord
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.rules.knowledge import read_table

PEER: Final = "litellm"
_SEARCHES: Final = "search_context_cost_per_query"
_WITHOUT_END: Final = 1_000_000_000
"""LiteLLM wants an end of the last range, and charges larger prompts by it, too."""


def write(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Writes the map of all models whose purpose is known."""
    base = snapshot.request.base or {}
    if not all(isinstance(entry, Mapping) for entry in base.values()):
        raise ConfigurationError(
            "expected LiteLLM's model_prices_and_context_window.json to merge into: an object of models"
        )
    models = dict(base)
    resolved = read_table("peers.toml")[PEER]["resolved"]["names"]
    written: set[str] = set()
    for record in snapshot.records():
        if record.purpose is None:
            report.leave_out(record, "purpose (mode) unknown")
            continue
        entry = model_entry(record, report)
        if entry["litellm_provider"] in resolved:
            report.leave_out(record, "LiteLLM takes a proxy's model for the one behind its name")
            continue
        key = _key(record, entry, base)
        if key in written:  # of another provider with this name at LiteLLM, such as the vendor in another region
            entry["litellm_provider"] = record.provider.slug
            key = _key(record, entry, base)
        if key in written:
            report.leave_out(record, "its key is that of another model")
            continue
        written.add(key)
        models[key] = {**_kept(base[key], entry), **entry} if key in base else entry
        report.include(record)
    write_json(models, out)


def model_entry(record: ModelRecord, report: ExportReport) -> dict[str, Any]:
    """What LiteLLM is told of a model whose purpose is known."""
    names = read_table("peers.toml")[PEER]
    entry: dict[str, Any] = {
        "litellm_provider": record.provider.name_at(PEER, record.purpose),
        "mode": names["mode"][record.purpose],
    }
    # LiteLLM's input limit is the context window, where the listing states no other.
    limits = {
        "max_input_tokens": record.max_input_tokens or record.context_length,
        "max_output_tokens": record.max_output_tokens,
    }
    entry |= {name: limit for name, limit in limits.items() if limit is not None}
    entry |= _prices(record, report)
    for capability, flag in names["flag"].items():
        if (has := record.has(capability)) is not None:
            entry[flag] = has
    modalities = {
        "supported_modalities": record.input_modalities,
        "supported_output_modalities": record.output_modalities,
    }
    for key, known in modalities.items():
        if named := [names["modality"][each] for each in known or () if each in names["modality"]]:
            entry[key] = named
    if record.retires_on is not None:
        entry["deprecation_date"] = record.retires_on
    if record.successor_model_id is not None:
        entry["successor_model"] = record.successor_model_id
    return entry


def _prices(record: ModelRecord, report: ExportReport) -> dict[str, Any]:
    found: dict[str, Any] = {}
    prices = list(peer_prices(record, PEER, report))
    services = read_table("peers.toml")[PEER]["service"]["suffixes"]
    for price in prices:
        if price.key == _SEARCHES:
            found[_SEARCHES] = {"search_context_size_medium": number(price.amount)}
        elif price.component == "image" and not record.has("image_generation"):
            report.omit(record, "price of image: whether of images taken or made is unknown")
        else:
            found[price.key] = number(price.amount)
            service = next((each for each in services if price.key.endswith(each)), "")
            key = price.key.removesuffix(service)
            for above in prompt_sizes(prices if service else [price]):
                found[f"{key}_above_{_size(above)}_tokens{service}"] = number(price.above(above))
    ranges = _ranges(record, prices)
    return found if ranges is None else {**found, "tiered_pricing": ranges}


def _ranges(record: ModelRecord, prices: Iterable[PeerPrice]) -> list[dict[str, Any]] | None:
    """The prices by ranges of prompt sizes; None where LiteLLM does without such a list.

    Where there is no range, the list is empty: it takes the place of the one in LiteLLM's own map.
    """
    names = read_table("peers.toml")[PEER]["tiered"]
    ranged = {price.key: price for price in prices if price.key in names["prices"]}
    needed = record.provider.name_at(PEER, record.purpose) in names["providers"] or any(
        price.tiers for key, price in ranged.items() if key in names["only"]
    )
    if not needed or names["required"] not in ranged:
        return None
    starts = [0, *prompt_sizes(ranged.values())]
    return [
        {"range": [start, end], **{key: number(price.above(start)) for key, price in ranged.items()}}
        for start, end in pairwise([*starts, _WITHOUT_END])
        if len(starts) > 1
    ]


def _size(tokens: int) -> str:
    return f"{tokens // 1_000}k" if tokens % 1_000 == 0 else str(tokens)


def _key(record: ModelRecord, entry: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """The model's key: LiteLLM's own, which may lack the provider, else with the provider in front."""
    provider = entry["litellm_provider"]
    key = f"{provider}/{record.peers_id}"
    bare = base.get(record.peers_id)
    if key not in base and bare is not None and bare.get("litellm_provider") == provider:
        return record.peers_id
    return key


def _kept(known: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """The base entry to keep: with its prices only if none of them contradicts ours.

    A tier or a cache price beside a base price that has changed would be a mixture that nobody charges.
    """
    contradicted = any(_is_price(key) and key in known and known[key] != value for key, value in entry.items())
    return {key: value for key, value in known.items() if not (contradicted and _is_price(key))}


def _is_price(key: str) -> bool:
    return "cost" in key or "pricing" in key
