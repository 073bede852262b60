"""The `model_list` of a LiteLLM proxy's `config.yaml`: requests go to the provider, with the key of its variable."""

from typing import Any, BinaryIO, Final

from provider_pipeline.exports.documents import write_yaml
from provider_pipeline.exports.litellm import PEER, model_entry
from provider_pipeline.exports.records import UNKNOWN_ADDRESS, ExportedModels, ExportedProvider, ModelRecord
from provider_pipeline.exports.report import ExportReport
from provider_pipeline.rules.knowledge import read_table

_COMPATIBLE: Final = "openai"
_HEADING: Final = "config.yaml of a LiteLLM proxy. Keys are read from the environment variables that it names."


def write(snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
    """Writes a deployment for each model whose purpose is known and whose requests can be routed."""
    deployments = []
    for record in snapshot.records():
        if record.purpose is None:
            report.leave_out(record, "purpose (mode) unknown")
            continue
        parameters = _parameters(record)
        if parameters is None:
            report.leave_out(record, UNKNOWN_ADDRESS)
            continue
        entry = model_entry(record, report)
        del entry["litellm_provider"]
        deployments.append(
            {
                "model_name": f"{record.provider.slug}/{record.model_id}",
                "litellm_params": parameters,
                "model_info": {"id": f"{record.provider.slug}/{record.model_id}", **entry},
            }
        )
        report.include(record)
    write_yaml({"model_list": deployments}, out, heading=_HEADING)


def _parameters(record: ModelRecord) -> dict[str, Any] | None:
    """How LiteLLM reaches the model; None if it cannot."""
    provider = record.provider
    route = provider.name_at(PEER, record.purpose)
    routes = read_table("peers.toml")[PEER]["route"]
    if route not in routes["names"]:
        route, address = _COMPATIBLE, provider.api_url
        if address is None:
            return None
    else:
        address = provider.base_url if route in routes["at_own_address"] else None
    return {
        "model": f"{route}/{record.peers_id}",
        **({"api_base": address} if address else {}),
        **_key(provider),
    }


def _key(provider: ExportedProvider) -> dict[str, str]:
    return {"api_key": f"os.environ/{provider.key_variable}"} if provider.key_variable else {}
