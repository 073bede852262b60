"""One provider's part of the database, read with independent SQL."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import DateTime, text

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline_tests.catalog.builders import bury_the_dead
from provider_pipeline_tests.sync.stateful.reference_model import COMPARED, Row


@dataclass(frozen=True)
class Look:
    """The provider's rows at a moment.

    Attributes:
        rows: Every row by model id, as JSON.
        versions: Which transaction wrote each row, and where.
        last_change: The latest change.
        last_success_at: When a listing was last accepted.
    """

    rows: Mapping[str, Row]
    versions: Mapping[str, str]
    last_change: int
    last_success_at: datetime | None

    def past(self, moment: datetime) -> dict[str, Any]:
        return {model_id: _past(row, moment) for model_id, row in self.rows.items()}


class Table:
    """Reads the tables, and moves their times into the past."""

    def __init__(self, database: Database, slug: str) -> None:
        self._database = database
        self._slug = slug

    @cached_property
    def provider_id(self) -> int:
        return int(self._rows("SELECT id FROM provider WHERE slug = :slug")[0][0])

    def look(self) -> Look:
        found = self._rows(
            "SELECT model_id, to_jsonb(model), concat(model.xmin, ' ', model.ctid) FROM provider_model AS model "
            "WHERE provider_id = :provider_id"
        )
        last = self._rows(
            "SELECT (SELECT coalesce(max(id), 0) FROM provider_model_change WHERE provider_id = :provider_id), "
            "(SELECT last_success_at FROM provider_sync WHERE provider_id = :provider_id)"
        )[0]
        return Look({row[0]: row[1] for row in found}, {row[0]: row[2] for row in found}, *last)

    def changes(self, after: int) -> list[dict[str, Any]]:
        found = self._rows(
            "SELECT to_jsonb(change) FROM provider_model_change AS change "
            "WHERE provider_id = :provider_id AND id > :after ORDER BY id",
            after=after,
        )
        return [row[0] for row in found]

    def as_of(self, moment: datetime) -> dict[str, Any]:
        found = self._rows("SELECT to_jsonb(model) FROM provider_models_as_of(:moment, :slug) AS model", moment=moment)
        return {row[0]["model_id"]: _past(row[0], moment) for row in found}

    def active_rules(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The active versions, and the rule in `provider_metadata`."""
        said = "SELECT version, model_list_config, endpoints_config FROM"
        active = self._rows(f"{said} rule_version WHERE provider_id = :provider_id AND status = 'active'")
        pointed = self._rows(f"{said} provider_metadata WHERE provider_id = :provider_id")
        return [dict(row._mapping) for row in active], [dict(row._mapping) for row in pointed]

    def rule_that_read_last(self) -> dict[str, Any]:
        """The rule version of the last accepted listing."""
        found = self._rows(
            "SELECT version, model_list_config, endpoints_config FROM rule_version "
            "JOIN provider_sync USING (provider_id) WHERE provider_id = :provider_id AND version = rule_version"
        )
        return dict(found[0]._mapping)

    def bury_the_dead(self) -> None:
        """Waits until the sessions of a killed client have ended."""
        bury_the_dead(self._database)

    def tasks(self, *statuses: str) -> list[catalog.tasks.Task]:
        with self._database.session() as session:
            return catalog.tasks.list_tasks(session, slug=self._slug, status=statuses)

    def shift(self, span: timedelta) -> None:
        """Moves all times of the provider into the past."""
        own = {
            "provider": "id = :provider_id",
            "rule_trial_result": "trial_id IN (SELECT id FROM rule_trial WHERE provider_id = :provider_id)",
        }
        with self._database.session() as session:
            # What is recorded cannot be changed, and constraints would see it half changed.
            session.execute(text("SET LOCAL session_replication_role = replica"))
            for name, table in catalog.tables.metadata.tables.items():
                where = own.get(name) or ("provider_id = :provider_id" if "provider_id" in table.columns else None)
                times = [column.name for column in table.columns if isinstance(column.type, DateTime)]
                if where and times:
                    older = ", ".join(f"{time} = {time} - :span" for time in times)
                    session.execute(
                        text(f"UPDATE {name} SET {older} WHERE {where}"),
                        {"span": span, "provider_id": self.provider_id},
                    )
            session.commit()

    def assert_nowhere(self, secret: str) -> None:
        """Asserts that no table and no stored page holds the secret."""
        for name in catalog.tables.metadata.tables:
            found = self._rows(
                f"SELECT 1 FROM {name} AS entry WHERE entry::text LIKE :like LIMIT 1", like=f"%{secret}%"
            )
            assert not found, name
        pages = self._rows(
            "SELECT content FROM raw_response_page JOIN raw_response ON id = raw_response_id "
            "WHERE provider_id = :provider_id"
        )
        assert all(secret.encode() not in zlib.decompress(page[0]) for page in pages)

    def _rows(self, query: str, **parameters: Any) -> list[Any]:
        known: dict[str, Any] = {"slug": self._slug}
        if ":provider_id" in query:
            known["provider_id"] = self.provider_id
        with self._database.session() as session:
            return list(session.execute(text(query), known | parameters))


def _past(row: Row, moment: datetime) -> dict[str, Any]:
    """The history of a row, with times as seconds before the moment."""
    times = {
        name: row[name] and round((moment - datetime.fromisoformat(row[name])).total_seconds(), 3)
        for name in ("first_seen_at", "missing_since", "removed_at")
    }
    return {name: row[name] for name in (*COMPARED, "rule_version", "renamed_from")} | times
