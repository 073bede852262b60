"""The accepted listings that a new one is compared with, from the catalogue.

Here: which they are, and their models, page by page. Not here: the comparison (`provider_pipeline.rules`). The concept:
the last accepted listing says what is a step too far, and the one at the beginning of a window says the same of many
small steps. Ids and values of both are in the table of models and in its history; only a profile of each is kept.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.rules.history import LAST, Baseline, Once
from provider_pipeline.rules.rows import Profile

_AT_ONCE = 1_000


class StoredHistory:
    """See `provider_pipeline.rules.history.History`.

    Args:
        session: Reads models, page by page.
        provider_id: The provider.
        state: How its latest sync went; a listing was accepted before.
        window_days: How many days ago the window begins.
        now: When the listing is fetched that is compared.
    """

    def __init__(
        self,
        session: Session,
        provider_id: int,
        state: catalog.sync_state.SyncState,
        *,
        window_days: float,
        now: datetime,
    ) -> None:
        self._session = session
        self._provider_id = provider_id
        last = Baseline(LAST, Profile.from_json(state.profile or {}))
        begin = now - timedelta(days=window_days)
        first = next((each for each in state.window if _replaced_at(each) > begin), None)
        self._since = None if first is None else _replaced_at(first)
        self.baselines = (last,) if first is None else (last, _baseline(first))

    def before(self, hashes: Mapping[str, str]) -> Mapping[str, Sequence[Once]]:
        """See `History`."""
        return catalog.models.earlier_selves(self._session, self._provider_id, hashes, since=self._since)

    def respelled(self, ids: Collection[str]) -> Iterable[Sequence[Once]]:
        """See `History`."""
        found = set(catalog.models.respelled_ids(self._session, self._provider_id, ids)).difference(ids)
        names = sorted(found)
        for start in range(0, len(names), _AT_ONCE):
            yield from self.before(dict.fromkeys(names[start : start + _AT_ONCE], "")).values()


def _replaced_at(entry: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["replaced_at"])


def _baseline(entry: Mapping[str, Any]) -> Baseline:
    replaced_at = _replaced_at(entry).astimezone(UTC)
    return Baseline(f"the listing before {replaced_at:%Y-%m-%d %H:%M} UTC", Profile.from_json(entry["profile"]))
