"""Uses each class of the Python API on a small sample.

Run it: .venv/bin/python examples/example_usage.py
"""

from pathlib import Path

from provider_pipeline import CapabilityMatcher, ModelSyncer, RuleGenerator, RuleValidationError, RuleValidator
from provider_pipeline.catalog.database import home, open_database
from provider_pipeline.catalog.embedded import EmbeddedPostgres
from provider_pipeline.catalog.migrations import upgrade
from provider_pipeline.samples.registration import register_sample
from provider_pipeline.samples.server import SampleServer
from provider_pipeline.sync.repair.generate import generate_rule

SAMPLE = {
    "object": "list",
    "data": [
        {"id": "gpt-4.1-mini", "object": "model", "context_length": 1047576, "pricing": {"prompt": "0.0000004"}},
        {"id": "gpt-4o", "object": "model", "context_length": 128000, "pricing": {"prompt": "0.0000025"}},
        {
            "id": "text-embedding-3-small",
            "object": "model",
            "context_length": 8191,
            "pricing": {"prompt": "0.00000002"},
        },
    ],
}


def write_and_try_a_rule() -> None:
    """Writes a rule from a sample, and validates another response with it."""
    rule = RuleGenerator().analyze_sample(SAMPLE)
    print("selector:", rule["jmespath_rule"])
    print("models in the sample:", rule["metadata"]["sample_model_count"])

    result = RuleValidator().validate_rule(rule, SAMPLE)
    print("valid:", result["valid"])
    for model in result["extracted_models"]:
        can = ", ".join(result["matched_capabilities"][model["model_id"]])
        print(f"{model['model_id']}: context {model['context_length']}, {model['input_price']:g} USD/M in, can: {can}")

    changed = {"models": {"error": "moved"}}
    result = RuleValidator().validate_rule(rule, changed)
    print("valid on a changed response:", result["valid"])
    print("issue:", result["issues"][0]["type"])

    matcher = CapabilityMatcher()
    print(
        "text-embedding-3-large can:",
        ", ".join(matcher.match_capabilities("text-embedding-3-large", rule["capability_rules"])),
    )


def sync_a_provider(folder: Path) -> None:
    """Syncs a provider over real HTTP into a real PostgreSQL."""
    with (
        EmbeddedPostgres(folder) as server,
        SampleServer() as samples,
    ):
        server.ensure_database("example_usage")
        with open_database(server.url("example_usage")) as database, database.session() as session:
            upgrade(database.engine)
            provider = samples.providers[0]
            register_sample(session, provider, base_url=samples.base_url(provider.slug))
            generate_rule(session, provider.slug, provider.endpoints)
            session.commit()

            syncer = ModelSyncer(session)
            result = syncer.sync_provider_models(provider_slug=provider.slug, dry_run=True)
            print("dry run:", result["models_created"], "models would be created")
            try:
                result = syncer.sync_provider_models(provider_slug=provider.slug)
            except RuleValidationError as error:  # nothing was written; a RULE_GEN task is open
                print("blocked:", error.reason)
            else:
                print("synced:", result["models_synced"], "models,", result["models_created"], "created")
            again = syncer.sync_provider_models(provider_slug=provider.slug)
            print("again:", again["models_unchanged"], "unchanged,", again["models_updated"], "updated")


if __name__ == "__main__":
    write_and_try_a_rule()
    sync_a_provider(home())
