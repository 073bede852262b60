"""Real answers of the API to one story of a provider: the examples of responses in its OpenAPI document."""

import json
import re
from pathlib import Path
from typing import Any

from provider_pipeline import catalog
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.api.conftest import Api, block

FILE = Path(catalog.__file__).parents[1] / "api" / "response_examples.json"
_MODELS = ("gpt-4o", "gpt-4o-mini")
_WHY = {"reason": "compared with the provider's page"}
_MAX_ITEMS, _MAX_TEXT = 3, 300
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


def record(api: Api) -> dict[str, dict[str, Any]]:
    """The body of each successful answer, shortened, by operation and status."""
    recorder = _Recorder(api)
    _providers_and_models(recorder, api)
    _rules(recorder)
    _tasks(recorder, api)
    # Only a Dagster would give this one.
    run = "5f3c1f0e-6a0b-4f0e-9d53-0d6c2f1b7a11"
    launched = {"provider": "acme", "run_id": run, "url": f"http://127.0.0.1:3000/runs/{run}"}
    recorder.found["sync_models"]["202"] = launched
    return recorder.found


class _Recorder:
    def __init__(self, api: Api) -> None:
        self._api = api
        self.found: dict[str, dict[str, Any]] = {}

    def __call__(self, operation: str, method: str, path: str, **options: Any) -> Any:
        """Sends a request that must succeed, and keeps its answer; the body, as it came."""
        answer = self._api(method, path, **options)
        assert answer.is_success, (operation, answer.text)
        is_json = "json" in answer.headers.get("content-type", "")
        body = answer.json() if is_json else answer.text
        if answer.content:
            shown = self._shown(body if is_json else "\n".join(body.splitlines()[:8]))
            self.found.setdefault(operation, {})[str(answer.status_code)] = shown
        return body

    def _shown(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._shown(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._shown(each) for each in value[:_MAX_ITEMS]]
        if isinstance(value, float):
            return round(value, 6)
        if not isinstance(value, str):
            return value
        text = _TIME.sub(
            "2026-11-23T12:00:00Z", value.replace(self._api.fleet.server.url_for(""), "https://ai.example/")
        )
        return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."


def _listing(context: int, **further: Any) -> dict[str, Any]:
    model = {
        "context_length": context,
        "max_output_tokens": 16_384,
        "input_modalities": ["text"],
        "output_modalities": ["text"],
        "pricing": {"prompt": "0.0000025", "completion": "0.00001"},
        "supports_reasoning": False,
        "supports_tools": True,
        "open_weights": False,
        **further,
    }
    return {"data": [{"id": each, "release_date": f"2024-0{at}-13", **model} for at, each in enumerate(_MODELS, 4)]}


def _providers_and_models(ask: _Recorder, api: Api) -> None:
    for slug in ("acme", "bolt"):
        api.fleet.add(slug, _listing(128_000))
        ask("sync_models", "POST", f"/api/providers/{slug}/sync-models")
    with api.fleet.database.session() as session:
        catalog.canonical.refresh(session)
        session.commit()
    new = {"slug": "spare", "base_url": "https://api.spare.example", "auth": {"type": "bearer", "env": "SPARE_API_KEY"}}
    ask("add_provider", "POST", "/api/providers", json=new)
    ask("change_provider", "PATCH", "/api/providers/spare", json={"name": "Spare AI"})
    ask("disable_provider", "DELETE", "/api/providers/spare")
    override = {"model_id": "gpt-4o", "field": "context_length", "value": 64_000, **_WHY}
    ask("set_override", "PUT", "/api/providers/acme/overrides", json=override)
    entry = {"provider": "acme", "pattern": "gpt-*", "field": "prices.cache_read", "value": 1.25, **_WHY}
    ask("apply_override_set", "PUT", "/api/overrides", json={"set": "contracts", "overrides": [entry]})
    api.fleet.serve("acme", _listing(200_000))
    ask("sync_models", "POST", "/api/providers/acme/sync-models")
    for operation, path in (
        ("list_providers", "/api/providers"),
        ("show_provider", "/api/providers/acme"),
        ("list_models", "/api/providers/acme/models"),
        ("show_model", "/api/providers/acme/models/gpt-4o"),
        ("list_all_models", "/api/models?search=gpt-4"),
        ("list_canonical_models", "/api/canonical?search=gpt-4"),
        ("list_offers", "/api/canonical/openai/gpt-4o/offers"),
        ("list_vocabulary", "/api/vocabulary"),
        ("list_models_as_openai", "/v1/models"),
        ("list_models_as_openrouter", "/api/v1/models"),
        ("list_models_of_provider_as_openai", "/providers/acme/v1/models"),
        ("list_forms", "/exports"),
        ("export_for_opencode", "/exports/api.json"),
        ("export_models", "/exports/litellm"),
        ("list_changes", "/api/changes"),
        ("show_digest", "/api/digest"),
        ("list_raw_responses", "/api/providers/acme/raw-responses"),
        ("list_overrides", "/api/overrides"),
        ("healthz", "/healthz"),
        ("readyz", "/readyz"),
        ("metrics", "/metrics"),
    ):
        ask(operation, "GET", path)


def _rules(ask: _Recorder) -> None:
    sample = _listing(200_000, name="A model")
    ask("generate_rules", "POST", "/api/providers/acme/metadata/generate-rules", json={"sample_response": sample})
    ask("list_rules", "GET", "/api/providers/acme/rules")
    ask("show_rule", "GET", "/api/providers/acme/rules/1")
    ask("explain_rule_version", "GET", "/api/providers/acme/rules/1/explain")
    ask("diff_rules", "GET", "/api/providers/acme/rules/diff?before=1&after=2")
    ask("activate_rule", "POST", "/api/providers/acme/rules/2/activate", json=_WHY)
    ask("roll_back_rule", "POST", "/api/providers/acme/rules/rollback", json=_WHY)


def _tasks(ask: _Recorder, api: Api) -> None:
    moved = {"models": _listing(200_000)["data"]}
    task = f"/api/tasks/{block(api, moved)}"
    rule = RuleGenerator().analyze_sample(moved)
    worker = {"worker": "rule-writer-1"}
    ask("list_tasks", "GET", "/api/tasks")
    ask("show_task", "GET", task)
    ask("claim_task", "POST", f"{task}/claim", json=worker)
    ask("extend_task", "POST", f"{task}/extend", json=worker)
    ask("release_task", "POST", f"{task}/release", json={**worker, "reason": "it needs a person"})
    ask("retry_task", "POST", f"{task}/retry", json=_WHY)
    unread = {**rule, "fields": {"id": "id"}, "units": {}}
    ask("propose_for_task", "POST", f"{task}/propose", json={"rule": unread})
    ask("reject_proposal", "POST", f"{task}/reject", json=_WHY)
    ask("retry_task", "POST", f"{task}/retry", json=_WHY)
    ask("cancel_task", "POST", f"{task}/cancel", json=_WHY)
    ask("retry_task", "POST", f"{task}/retry", json=_WHY)
    paged = {**rule, "pagination": {"type": "page_token", "param": "page", "token": "next"}}
    ask("propose_for_task", "POST", f"{task}/propose", json={"rule": paged})
    ask("approve_proposal", "POST", f"{task}/approve", json=_WHY)


def written(examples: dict[str, dict[str, Any]]) -> str:
    """The file's text."""
    return json.dumps(examples, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
