"""One provider, end to end: what ties listing, rules and catalogue together.

Here: the sync of one provider and the renewal of its rule. Not here: which providers, when, and how many at once
(Dagster, the command line).
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import loaded_on_use

if TYPE_CHECKING:
    from provider_pipeline.sync.acceptance import AcceptedGuards, accept_guards
    from provider_pipeline.sync.archive import exported, import_response
    from provider_pipeline.sync.asking import listing_source, parse_thresholds
    from provider_pipeline.sync.attempt import attempt_sync
    from provider_pipeline.sync.conclusions import Keep
    from provider_pipeline.sync.decisions import answer_now, approve_task, propose_rule, reject_task
    from provider_pipeline.sync.events import daily_digest
    from provider_pipeline.sync.first_listing import SAMPLE_ORIGIN
    from provider_pipeline.sync.fleet import attempt_many
    from provider_pipeline.sync.freshness import MAX_AGE
    from provider_pipeline.sync.health import HealthReport, StageReport, check_many, check_provider, failed_stage
    from provider_pipeline.sync.key_hosts import NewHost, new_hosts, refuse_new_hosts, unconfirmed
    from provider_pipeline.sync.outcome import SyncOutcome
    from provider_pipeline.sync.regenerate import GeneratedRule, generate_rule
    from provider_pipeline.sync.repair import (
        Repair,
        answer_task,
        answer_tasks,
        improve_rule,
        is_own_worker,
        worker_name,
    )
    from provider_pipeline.sync.replay import Replay, replay_response
    from provider_pipeline.sync.sampling import ListingPlace, active_places, fetch_sample, store_sample
    from provider_pipeline.sync.stored import store_rule, stored_rule
    from provider_pipeline.sync.syncer import ModelSyncer
    from provider_pipeline.sync.tasks import open_task, open_task_for
    from provider_pipeline.sync.trials import TrialReport, report_trial, serve_trials, store_for_trial
    from provider_pipeline.sync.webhook import Delivery, Webhook, deliver_due
else:
    __getattr__ = loaded_on_use(__name__)

__all__ = [
    "MAX_AGE",
    "SAMPLE_ORIGIN",
    "AcceptedGuards",
    "Delivery",
    "GeneratedRule",
    "HealthReport",
    "Keep",
    "ListingPlace",
    "ModelSyncer",
    "NewHost",
    "Repair",
    "Replay",
    "StageReport",
    "SyncOutcome",
    "TrialReport",
    "Webhook",
    "accept_guards",
    "active_places",
    "answer_now",
    "answer_task",
    "answer_tasks",
    "approve_task",
    "attempt_many",
    "attempt_sync",
    "check_many",
    "check_provider",
    "daily_digest",
    "deliver_due",
    "exported",
    "failed_stage",
    "fetch_sample",
    "generate_rule",
    "import_response",
    "improve_rule",
    "is_own_worker",
    "listing_source",
    "new_hosts",
    "open_task",
    "open_task_for",
    "parse_thresholds",
    "propose_rule",
    "refuse_new_hosts",
    "reject_task",
    "replay_response",
    "report_trial",
    "serve_trials",
    "store_for_trial",
    "store_rule",
    "store_sample",
    "stored_rule",
    "unconfirmed",
    "worker_name",
]
