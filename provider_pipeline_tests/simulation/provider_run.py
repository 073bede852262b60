"""One provider's two weeks, compared with the scenario every evening."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from provider_pipeline import catalog
from provider_pipeline_tests.fleet import Fleet
from provider_pipeline_tests.simulation.expected import Changes, ReferenceModel, Table
from provider_pipeline_tests.simulation.operator import act
from provider_pipeline_tests.simulation.recorded import Record, Rows, noted, said
from provider_pipeline_tests.simulation.scenario import DAYS, Scene


@dataclass
class ProviderRun:
    """A provider that lives through its scenes.

    Attributes:
        slug: The provider.
        scenes: One for each day.
        fleet: Where it is served.
        record: What is on record.
    """

    slug: str
    scenes: Sequence[Scene]
    fleet: Fleet
    record: Record
    _oracle: ReferenceModel = field(default_factory=ReferenceModel)
    _before: Rows = field(default_factory=dict)
    _allowed: list[Table] = field(default_factory=list)
    _changes: Changes = field(default_factory=set)
    _last_change: int = 0

    def rise(self, day: int) -> None:
        """The day's answer is served from now on; what must come of it is settled now."""
        scene = self.scenes[day]
        self.fleet.answer(self.slug, scene.content, status=scene.status, content_type=scene.content_type)
        if scene.before is not None:
            act(self.fleet.database, self.slug, scene.before)
        self._last_change = self.record.last_change()
        self._before = self.record.rows(self.slug)
        self._allowed = [dict(self._oracle.table)]
        self._changes = set()
        if scene.ends in ("synced", "repaired"):
            self._take(scene)

    def watch(self) -> None:
        """Whenever one looks, the table says what was true in the morning or what is true today, and nothing else."""
        rows = self.record.rows(self.slug)
        assert said(rows) in self._allowed, f"{self.slug}: a wrong write: {self._difference(rows)}"

    def judge(self, day: int) -> None:
        """Holds what is on record against the scene; then a person acts, if one does."""
        scene = self.scenes[day]
        where = f"{self.slug}, day {DAYS[day]}"
        tasks = self.record.tasks(self.slug)
        state = self.record.state(self.slug)
        assert [task.status for task in tasks] == list(scene.tasks), f"{where}: {_told(tasks)} {state.last_error}"
        rows = self.record.rows(self.slug)
        assert said(rows) == self._oracle.table, f"{where}: {self._difference(rows)}"
        self._judge_changes(scene, where, state)
        versions = self.record.versions(self.slug)
        assert [version for version, status in versions.items() if status == "active"] == [scene.rule], where
        text = state.last_error if scene.ends == "failed" else tasks[-1].report if scene.says else ""
        for phrase in scene.says:
            assert phrase in (text or ""), f"{where}: {phrase!r} is not said in {text}"
        if scene.ends in ("held", "failed"):
            assert rows == self._before, f"{where}: a row was touched"
            assert state.consecutive_failures > 0, where
        else:
            self._judge_untouched(rows, where)
            assert state.consecutive_failures == 0, where
        if scene.after is not None:
            self._act(scene, where)

    def _act(self, scene: Scene, where: str) -> None:
        assert scene.after is not None
        act(self.fleet.database, self.slug, scene.after)
        if scene.after.startswith("accept_"):
            self._take(scene)
            rows = self.record.rows(self.slug)
            assert said(rows) == self._oracle.table, f"{where}: {self._difference(rows)}"
            self._judge_changes(scene, where, self.record.state(self.slug))

    def _take(self, scene: Scene) -> None:
        self._changes = self._oracle.take(scene.offer, dict(scene.renamed))
        self._allowed.append(dict(self._oracle.table))

    def _judge_changes(self, scene: Scene, where: str, state: catalog.sync_state.SyncState) -> None:
        changes = self.record.changes(self.slug, after=self._last_change)
        assert noted(changes) == self._changes, f"{where}: {noted(changes) ^ self._changes}"
        assert len(changes) == len(self._changes), where
        cause = "rule" if scene.before is not None else "provider"
        for change in changes:
            assert (change.cause, change.raw_response_id) == (cause, state.raw_response_id), f"{where}: {change}"

    def _judge_untouched(self, rows: Rows, where: str) -> None:
        changed = {model_id for model_id, _, _ in self._changes}
        for model_id, before in self._before.items():
            if rows[model_id]["status"] != "missing" and model_id not in changed:
                assert rows[model_id] == before, f"{where}: {model_id} was touched"

    def _difference(self, rows: Rows) -> str:
        found, wanted = said(rows), self._oracle.table
        ids = [each for each in sorted({*found, *wanted}) if found.get(each) != wanted.get(each)]
        return "; ".join(f"{each}: {found.get(each)} instead of {wanted.get(each)}" for each in ids)


def _told(tasks: list[catalog.tasks.Task]) -> str:
    return "; ".join(f"{task.id} {task.status} {(task.result or {}).get('reason')}" for task in tasks)
