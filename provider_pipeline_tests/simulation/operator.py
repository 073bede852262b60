"""A person's actions in the simulation, through the functions behind the commands."""

from provider_pipeline import catalog
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.sync.plan import accept_guards, stored_rule
from provider_pipeline.sync.provider import attempt_sync
from provider_pipeline.sync.repair.review import approve_task
from provider_pipeline.sync.repair.trials import store_for_trial
from provider_pipeline_tests.simulation.scenario import Action

OPERATOR = 7


def act(database: catalog.database.Database, slug: str, action: Action) -> None:
    """Does it."""
    with database.session() as session:
        provider_id = catalog.providers.get(session, slug).id
        match action:
            case "accept_turnover" | "accept_shrink":
                guards = accept_guards([action.removeprefix("accept_")], "they announced it", author="ann")
                outcome = attempt_sync(session, slug, client=ListingClient(), accept=guards)
                assert outcome.status == "synced", outcome.reason
            case "approve":
                (task,) = catalog.tasks.list_tasks(session, slug=slug, status="NEEDS_REVIEW")
                approve_task(session, task.id, reason="the unit is in their documentation", created_by_id=OPERATOR)
            case "activate_worse_rule":
                rule = stored_rule(session, catalog.rule_versions.active(session, provider_id))
                worse = _with_swapped_prices(rule.to_stored().model_list_config)
                document = {"model_list_config": worse, "endpoints_config": rule.to_stored().endpoints_config}
                version = store_for_trial(session, provider_id, document, reason="looks right to me")
                catalog.rule_versions.activate_rule(
                    session, provider_id, version, reason="a try", created_by_id=OPERATOR
                )
                session.commit()
            case "roll_back":
                catalog.rule_versions.roll_back(session, provider_id, reason="it was not", created_by_id=OPERATOR)
                session.commit()


def _with_swapped_prices(config: dict) -> dict:
    """The rule with the two prices the wrong way round."""
    fields = config["fields"]
    swapped = {"input_price": fields["output_price"], "output_price": fields["input_price"]}
    return {**config, "fields": {**fields, **swapped}}
