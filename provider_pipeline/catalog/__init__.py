"""The catalogue in PostgreSQL: providers, their rules, models, stored listings, tasks and sync state.

Every function takes a SQLAlchemy session and leaves committing to its caller. The schema is explained by its comments,
in the top-level `sql/` folder and in the database.
"""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.catalog import (
        acceptances as acceptances,
        api_tokens as api_tokens,
        backups as backups,
        canonical as canonical,
        canonical_writes as canonical_writes,
        database as database,
        database_errors as database_errors,
        digest as digest,
        embedded as embedded,
        health as health,
        history as history,
        identities as identities,
        known_values as known_values,
        migrations as migrations,
        model_overrides as model_overrides,
        model_search as model_search,
        model_writes as model_writes,
        models as models,
        notifications as notifications,
        offer_costs as offer_costs,
        pattern_sets as pattern_sets,
        pgserver_wheel as pgserver_wheel,
        prices as prices,
        providers as providers,
        raw_responses as raw_responses,
        readers as readers,
        rule_versions as rule_versions,
        snapshots as snapshots,
        statements as statements,
        sync_locks as sync_locks,
        sync_state as sync_state,
        tables as tables,
        task_claims as task_claims,
        tasks as tasks,
        trials as trials,
    )
else:
    __getattr__ = lazy_submodules(__name__)
