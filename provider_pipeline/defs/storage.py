"""Dagster's PostgreSQL storage, which stores an event of a partition with one statement.

Everything else, and every reader, is Dagster's own, so an instance may switch between the two at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self

import dagster as dg
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

# Dagster's own storage takes five statements for a check's evaluation and four for a materialization, serializes each
# event twice, and looks up with every evaluation whether the table of checks exists: half of a fleet run's CPU time.
_STORED: Final = """
WITH given AS (SELECT %(event)s::text AS event),
stored AS (
    INSERT INTO event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
    SELECT %(run_id)s, event, %(type)s, %(timestamp)s, %(step_key)s, %(logged_key)s, %(logged_partition)s FROM given
    RETURNING id
)
"""

# `last_materialization` is the serialized record of the event, with its id in the log.
_MATERIALIZATION: Final = (
    _STORED
    + """
INSERT INTO asset_keys (asset_key, last_materialization, last_run_id, last_materialization_timestamp)
SELECT
    %(asset_key)s,
    '{"__class__": "EventLogRecord", "event_log_entry": ' || given.event || ', "storage_id": ' || stored.id || '}',
    %(run_id)s,
    %(materialized_at)s
FROM given, stored
ON CONFLICT (asset_key) DO UPDATE SET
    last_materialization = excluded.last_materialization,
    last_run_id = excluded.last_run_id,
    last_materialization_timestamp = excluded.last_materialization_timestamp
"""
)

# A check's page in the UI shows a partition as missing unless its evaluation names the latest materialization. Ours
# name none, since the step would have to ask for each; here it is found in an index of the log.
# Dagster tries an update first, because its unique index lets rows without a partition repeat. These have one.
_EVALUATION: Final = (
    _STORED  # noqa: S608 - both parts are constants
    + """
INSERT INTO asset_check_executions (
    asset_key, check_name, partition, run_id, execution_status, evaluation_event, evaluation_event_timestamp,
    evaluation_event_storage_id, materialization_event_storage_id
)
SELECT
    %(asset_key)s, %(check_name)s, %(partition)s, %(run_id)s, %(status)s, given.event, %(timestamp)s, stored.id,
    coalesce(
        %(materialization_id)s,
        (
            SELECT max(id) FROM event_logs
            WHERE
                asset_key = %(asset_key)s
                AND dagster_event_type = 'ASSET_MATERIALIZATION'
                AND partition = %(partition)s
        )
    )
FROM given, stored
ON CONFLICT (asset_key, check_name, run_id, partition) DO UPDATE SET
    execution_status = excluded.execution_status,
    evaluation_event = excluded.evaluation_event,
    evaluation_event_timestamp = excluded.evaluation_event_timestamp,
    evaluation_event_storage_id = excluded.evaluation_event_storage_id,
    materialization_event_storage_id = excluded.materialization_event_storage_id
"""
)


class OneStatementEventLog(PostgresEventLogStorage):
    """Stores a run's materializations and check evaluations of partitions with one statement each, all or nothing."""

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Stores an event at once."""
        found = _statement(event)
        if found is None:
            super().store_event(event)
            return
        with self.index_connection() as connection:
            connection.exec_driver_sql(*found)


class OneStatementStorage(DagsterPostgresStorage):
    """The storage for `dagster.yaml`, under `storage: custom`; its settings are those of `storage: postgres`."""

    def __init__(self, postgres_url: str, *args: Any, **named: Any) -> None:
        super().__init__(postgres_url, *args, **named)
        self._one_statement_log = OneStatementEventLog(
            postgres_url, self.should_autocreate_tables, token_provider=named.get("token_provider")
        )

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:
        """Dagster's own settings, for this class."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
            token_provider=get_token_provider_from_config(config_value),
        )

    @property
    def event_log_storage(self) -> OneStatementEventLog:
        """The log of events."""
        return self._one_statement_log


def _statement(event: dg.EventLogEntry) -> tuple[str, Mapping[str, Any]] | None:
    """The statement that stores an event, with its values. None: leave it to Dagster."""
    stored, materialization = event.dagster_event, event.asset_materialization
    if stored is None or not event.run_id:
        return None
    at = datetime.fromtimestamp(event.timestamp, UTC)
    values: dict[str, Any] = {
        "run_id": event.run_id,
        "type": stored.event_type_value,
        "timestamp": at.replace(tzinfo=None),
        "step_key": stored.step_key,
        "logged_partition": stored.partition,
    }
    evaluation = stored.event_specific_data
    if materialization is not None and materialization.partition is not None and not materialization.tags:
        key = materialization.asset_key.to_string()
        values |= {"asset_key": key, "logged_key": key, "materialized_at": at}
        return _MATERIALIZATION, {**values, "event": dg.serialize_value(event)}
    if isinstance(evaluation, dg.AssetCheckEvaluation) and evaluation.partition is not None:
        target = evaluation.target_materialization_data
        values |= {
            "logged_key": None,
            "asset_key": evaluation.asset_key.to_string(),
            "check_name": evaluation.check_name,
            "partition": evaluation.partition,
            "status": "SUCCEEDED" if evaluation.passed else "FAILED",
            "materialization_id": None if target is None else target.storage_id,
        }
        return _EVALUATION, {**values, "event": dg.serialize_value(event)}
    return None
