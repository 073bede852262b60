"""What is on record: rows, changes, tasks and rules of one provider, as the database has them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from provider_pipeline import catalog
from provider_pipeline.rules.model_columns import SHOWN_COLUMNS
from provider_pipeline_tests.simulation.expected import Changes, Entry, Table

Rows = dict[str, dict[str, Any]]

_ROWS = text(
    """
    SELECT model_id, to_jsonb(model) || jsonb_build_object('xmin', model.xmin::text) AS row
    FROM provider_model AS model
    JOIN provider ON provider.id = model.provider_id
    WHERE slug = :slug
    """
)
_PAST = ", ".join(SHOWN_COLUMNS)
_NOW = text(f"SELECT slug, {_PAST} FROM provider_model_current")
_THEN = text(f"SELECT slug, {_PAST} FROM provider_models_as_of(:moment)")
TIMES = ("first_seen_at", "missing_since", "removed_at")

Past = dict[tuple[str, str], Mapping[str, Any]]


class Record:
    """Reads the catalogue of the two weeks."""

    def __init__(self, database: catalog.database.Database) -> None:
        self.database = database

    def rows(self, slug: str) -> Rows:
        """Every column of every row by model id, and its version (xmin)."""
        with self.database.session() as session:
            return {row.model_id: row.row for row in session.execute(_ROWS, {"slug": slug})}

    def changes(self, slug: str, *, after: int) -> list[catalog.history.RecordedChange]:
        """The provider's changes with a larger number."""
        with self.database.session() as session:
            return [each for each in catalog.history.list_changes(session, slug=slug) if each.id > after]

    def last_change(self) -> int:
        """The number of the newest change."""
        with self.database.session() as session:
            return session.scalar(text("SELECT coalesce(max(id), 0) FROM provider_model_change")) or 0

    def tasks(self, slug: str) -> list[catalog.tasks.Task]:
        """The provider's tasks, oldest first."""
        with self.database.session() as session:
            return catalog.tasks.list_tasks(session, slug=slug)

    def state(self, slug: str) -> catalog.sync_state.SyncState:
        """How the provider's last sync went."""
        with self.database.session() as session:
            return catalog.sync_state.get(session, catalog.providers.get(session, slug).id)

    def versions(self, slug: str) -> dict[int, str]:
        """The status of each rule version."""
        with self.database.session() as session:
            found = catalog.rule_versions.list_rule_versions(session, catalog.providers.get(session, slug).id)
            return {each.version: each.status for each in found}

    def events(self, slug: str) -> list[tuple[int, str]]:
        """What became of the rule versions, in order."""
        with self.database.session() as session:
            found = catalog.rule_versions.events(session, catalog.providers.get(session, slug).id)
            return [(each.version, each.status) for each in found]

    def now(self) -> tuple[datetime, Past]:
        """The whole table, and the moment it was read at."""
        with self.database.session() as session:
            moment = session.execute(text("SELECT clock_timestamp()")).scalar_one()
            return moment, {(row.slug, row.model_id): row._mapping for row in session.execute(_NOW)}

    def as_of(self, moment: datetime) -> Past:
        """The whole table as the history tells that it was."""
        with self.database.session() as session:
            found = session.execute(_THEN, {"moment": moment})
            return {(row.slug, row.model_id): row._mapping for row in found}


def said(rows: Rows) -> Table:
    """What rows say, in the oracle's words."""
    return {
        model_id: Entry(
            row["status"],
            row["context_length"],
            Decimal(str(row["input_price"])),
            Decimal(str(row["output_price"])),
            row["missing_count"],
        )
        for model_id, row in rows.items()
    }


def noted(changes: list[catalog.history.RecordedChange]) -> Changes:
    """Recorded changes, in the oracle's words."""
    return {(each.model_id, each.kind, frozenset(each.changed)) for each in changes}
