"""Settings of applications that list the models they can call: chat models with an address, in each tool's words."""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from provider_pipeline.exports.amounts import peer_prices
from provider_pipeline.exports.documents import number, write_json, write_yaml
from provider_pipeline.exports.records import (
    UNKNOWN_ADDRESS,
    ExportedModels,
    ExportedProvider,
    ModelRecord,
    by_provider,
)
from provider_pipeline.exports.report import ExportReport

_Model = dict[str, Any]
_LIBRECHAT: Final = {"cache_read": "cacheRead", "cache_write": "cacheWrite"}


def write_librechat(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """`librechat.yaml`: a custom endpoint for each provider, with `tokenConfig` for its models."""

    def model(record: ModelRecord) -> _Model | str:
        prices = {price.component: number(price.amount) for price in peer_prices(record, "models-dev", report)}
        wanted = {"prompt": prices.get("input"), "completion": prices.get("output"), "context": record.context_length}
        if missing := [name for name, value in wanted.items() if value is None]:
            return f"tokenConfig.{missing[0]} unknown"
        return wanted | {name: prices[ours] for ours, name in _LIBRECHAT.items() if ours in prices}

    endpoints = [
        {
            "name": provider.slug,
            "apiKey": f"${{{provider.key_variable}}}" if provider.key_variable else "none",
            "baseURL": provider.api_url,
            "models": {"default": list(models), "fetch": False},
            "modelDisplayLabel": provider.name,
            "tokenConfig": models,
        }
        for provider, models in _by_provider(snapshot, report, model)
    ]
    document = {"version": "1.3.1", "endpoints": {"custom": endpoints}}
    write_yaml(document, out, heading="librechat.yaml: custom endpoints, with prices in USD per million tokens.")


def write_continue(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Continue's `config.yaml`."""
    roles = {"chat": ["chat", "edit", "apply"], "embedding": ["embed"], "rerank": ["rerank"]}

    def model(record: ModelRecord) -> _Model:
        abilities = {"tool_use": record.has("tools"), "image_input": record.has("vision")}
        limits = {"contextLength": record.context_length, "maxTokens": record.max_output_tokens}
        options = {name: tokens for name, tokens in limits.items() if tokens is not None}
        capabilities = [name for name, has in abilities.items() if has]
        return {
            "name": f"{record.provider.slug}/{record.model_id}",
            "provider": "openai",
            "model": record.model_id,
            "apiBase": record.provider.api_url,
            **({"apiKey": f"${{{{ secrets.{variable} }}}}"} if (variable := record.provider.key_variable) else {}),
            "roles": roles[record.purpose or "chat"],
            **({"capabilities": capabilities} if capabilities else {}),
            **({"defaultCompletionOptions": options} if options else {}),
        }

    models = [each for _, found in _by_provider(snapshot, report, model, tuple(roles)) for each in found.values()]
    document = {"name": "provider-pipeline", "version": "1.0.0", "schema": "v1", "models": models}
    write_yaml(document, out, heading="Continue's config.yaml.")


def write_zed(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Zed's `settings.json`: `language_models.openai_compatible`."""

    def model(record: ModelRecord) -> _Model | str:
        wanted = {
            "max_tokens": record.context_length,
            "capabilities.tools": record.has("tools"),
            "capabilities.images": record.has("vision"),
        }
        if missing := [f"{name} unknown" for name, value in wanted.items() if value is None]:
            return "; ".join(missing)
        return {
            "name": record.model_id,
            "display_name": record.name,
            "max_tokens": record.context_length,
            **({"max_output_tokens": record.max_output_tokens} if record.max_output_tokens else {}),
            "capabilities": {
                "tools": wanted["capabilities.tools"],
                "images": wanted["capabilities.images"],
                # Whether Zed sends these parameters: only where they are known to be understood.
                "parallel_tool_calls": bool(record.has("parallel_tools")),
                "prompt_cache_key": False,
            },
        }

    providers = {
        provider.slug: {"api_url": provider.api_url, "available_models": list(models.values())}
        for provider, models in _by_provider(snapshot, report, model)
    }
    write_json({"language_models": {"openai_compatible": providers}}, out)


def write_llm(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """`extra-openai-models.yaml` of the command line tool `llm`."""

    def model(record: ModelRecord) -> _Model:
        abilities = {
            "supports_schema": record.has("structured_output"),
            "supports_tools": record.has("tools"),
            "vision": record.has("vision"),
            "audio": record.has("audio_input"),
            "reasoning": record.has("reasoning"),
        }
        return {
            "model_id": f"{record.provider.slug}/{record.model_id}",
            "model_name": record.model_id,
            "api_base": record.provider.api_url,
            # The name of a key that `llm keys set` stores, not the key.
            **({"api_key_name": record.provider.slug} if record.provider.key_variable else {}),
            **{name: True for name, has in abilities.items() if has},
            **({"completion": True} if record.purpose == "completion" else {}),
        }

    found = _by_provider(snapshot, report, model, ("chat", "completion"))
    models = [each for _, models in found for each in models.values()]
    write_yaml(models, out, heading="extra-openai-models.yaml of llm; keys: llm keys set PROVIDER")


def write_aichat(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Aichat's `config.yaml`; a provider's key is in the variable NAME_API_KEY, as aichat reads it."""
    types = {"embedding": "embedding", "rerank": "reranker"}

    def model(record: ModelRecord) -> _Model:
        facts = {
            "type": types.get(record.purpose or ""),
            "max_input_tokens": record.max_input_tokens or record.context_length,
            "max_output_tokens": record.max_output_tokens,
            "supports_vision": record.has("vision"),
            "supports_function_calling": record.has("tools"),
        }
        return {"name": record.model_id, **{name: value for name, value in facts.items() if value is not None}}

    clients = [
        {
            "type": "openai-compatible",
            "name": provider.slug,
            "api_base": provider.api_url,
            "models": list(models.values()),
        }
        for provider, models in _by_provider(snapshot, report, model, ("chat", *types))
    ]
    write_yaml({"clients": clients}, out, heading="aichat's config.yaml; keys: the variables NAME_API_KEY.")


def _by_provider(
    snapshot: ExportedModels,
    report: ExportReport,
    model: Callable[[ModelRecord], _Model | str],
    purposes: tuple[str, ...] = ("chat",),
) -> Iterator[tuple[ExportedProvider, dict[str, _Model]]]:
    """Providers with their models by id.

    Args:
        model: A model as the tool has it, or why it cannot be in its settings.
        purposes: What the tool calls models for.
    """
    for provider, records in by_provider(snapshot):
        models: dict[str, _Model] = {}
        for record in records:
            if record.purpose not in purposes:
                report.leave_out(record, f"not known to be for {' or '.join(purposes)}")
            elif provider.api_url is None:
                report.leave_out(record, UNKNOWN_ADDRESS)
            elif isinstance(found := model(record), str):
                report.leave_out(record, found)
            else:
                models[record.model_id] = found
                report.include(record)
        if models:
            yield provider, models
