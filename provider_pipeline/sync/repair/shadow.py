"""Runs a candidate rule beside the active one on stored responses, and compares what they extract.

Imports no database, so that `judge_process` can run it in a sandbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from provider_pipeline.rules.comparison import Comparison, RowComparer
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.overrides import OverrideSet

if TYPE_CHECKING:
    from provider_pipeline.sync.plan import Page, Response

Row = Mapping[str, Any]

SHADOW_RESPONSES: Final = 10
"""Number of stored responses on which a candidate is run, besides the failing one."""


class ProviderData(Protocol):
    """A provider's stored models and responses. Responses are read one at a time."""

    def known_ids(self) -> set[str]:
        """Ids of the models in the last accepted listing."""

    def known_rows(self, ids: Sequence[str]) -> Mapping[str, Row]:
        """Rows as last accepted, by id; unknown ids are left out."""

    def overrides(self) -> OverrideSet:
        """Manually set values."""

    def sample_pages(self) -> Iterable[Page]:
        """The sample from which the active rule was written; empty if it is not stored."""

    def stored_responses(self) -> Iterable[Response]:
        """The last complete responses, newest first."""


@dataclass(frozen=True)
class RuleResult:
    """One rule's result on one response, without comparison with earlier ones.

    Attributes:
        valid: Whether the rule fits.
        models: Accepted rows.
        reason: The first error, if it does not fit.
    """

    valid: bool
    models: int
    reason: str | None = None


@dataclass(frozen=True)
class ShadowRun:
    """Two rules side by side on the same response.

    Attributes:
        raw_response_id: The response; None for a sample that is not stored.
        active: The active rule's result; None without an active rule.
        candidate: The candidate's result.
        comparison: Their rows, compared; None without an active rule.
    """

    raw_response_id: int | None
    active: RuleResult | None
    candidate: RuleResult
    comparison: Comparison | None

    def to_json(self) -> dict[str, Any]:
        """The run as plain JSON."""
        return {
            "raw_response_id": self.raw_response_id,
            "active": None if self.active is None else vars(self.active),
            "candidate": vars(self.candidate),
            "comparison": None if self.comparison is None else self.comparison.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ShadowRun:
        """The run of a `to_json` document."""
        active, comparison = document["active"], document["comparison"]
        return cls(
            document["raw_response_id"],
            None if active is None else RuleResult(**active),
            RuleResult(**document["candidate"]),
            None if comparison is None else Comparison.from_json(comparison),
        )


@dataclass(frozen=True)
class Evidence:
    """Input of the promotion gates.

    Attributes:
        failing: Both rules on the response that the active rule fails to read, or on the newest one.
        stored: Both rules on earlier responses, newest first.
        known: Number of models in the last accepted listing.
        found: How many of these the candidate finds in the failing response.
        dropped: How many of these are absent from the failing response.
        unpaged: Endpoints the active rule paginates and the candidate does not (ignored if page one already lists every
            known model).
        elsewhere: Differences between where the two rules send requests, one line each.
        catalogue: The catalogue's rows compared with the candidate's on the failing response; None without any known.
        catalogue_now: The same for the active rule.
        doubt: Why the candidate may be wrong.
        only_shorter: The candidate differs from the active rule only by naming the pattern set instead of carrying
            patterns.
        unkept: Parts stated by a person that the candidate changes, one line each.
        decided: Columns whose fields a person has just stated; None if no person wrote the candidate.
    """

    failing: ShadowRun
    stored: tuple[ShadowRun, ...] = ()
    known: int = 0
    found: int = 0
    dropped: int = 0
    unpaged: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    catalogue: Comparison | None = None
    catalogue_now: Comparison | None = None
    doubt: str | None = None
    only_shorter: bool = False
    unkept: tuple[str, ...] = ()
    decided: tuple[str, ...] | None = None

    def undecided(self) -> Evidence:
        """The evidence without the values of the columns that a person has decided about."""
        if not self.decided:
            return self

        def left(comparison: Comparison | None) -> Comparison | None:
            return None if comparison is None else comparison.without(self.decided or ())

        return replace(
            self,
            failing=replace(self.failing, comparison=left(self.failing.comparison)),
            stored=tuple(replace(run, comparison=left(run.comparison)) for run in self.stored),
            catalogue=left(self.catalogue),
            catalogue_now=left(self.catalogue_now),
        )

    def to_json(self) -> dict[str, Any]:
        """The evidence as plain JSON."""
        return vars(self) | {
            "failing": self.failing.to_json(),
            "stored": [run.to_json() for run in self.stored],
            "unpaged": list(self.unpaged),
            "elsewhere": list(self.elsewhere),
            "unkept": list(self.unkept),
            "catalogue": None if self.catalogue is None else self.catalogue.to_json(),
            "catalogue_now": None if self.catalogue_now is None else self.catalogue_now.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Evidence:
        """The evidence of a `to_json` document."""
        comparisons = {name: document[name] for name in ("catalogue", "catalogue_now")}
        return cls(
            **{
                **document,
                "failing": ShadowRun.from_json(document["failing"]),
                "stored": tuple(map(ShadowRun.from_json, document["stored"])),
                **{name: tuple(document[name]) for name in ("unpaged", "elsewhere", "unkept")},
                **{name: None if each is None else Comparison.from_json(each) for name, each in comparisons.items()},
            }
        )


def evaluate_candidate(
    data: ProviderData,
    candidate: ExtractionRule,
    active: ExtractionRule | None,
    response: Response,
    *,
    doubt: str | None = None,
    between: Callable[[], None] = lambda: None,
) -> Evidence:
    """Runs a candidate beside the active rule on one response and on stored ones, and compares it with known models.

    `doubt` (why the candidate may be wrong) is dropped if most of its models are known. `between` is called
    after each response, so that a worker can extend its lease; it may commit.

    Returns:
        The evidence without `elsewhere`, which needs no response.
    """
    models = _KnownModels(data, active)
    failing = run_shadow(active, candidate, response, raw_response_id=response.id, watch=models.add)
    between()
    stored = []
    if active is not None:
        for each in data.stored_responses():
            if each.id != response.id:
                stored.append(run_shadow(active, candidate, each, raw_response_id=each.id))
                between()
    dropped = _count_absent(models.unseen, response)
    mostly_known = models.found > 0 and 2 * models.found >= failing.candidate.models
    return Evidence(
        failing=failing,
        stored=tuple(stored),
        known=models.known,
        found=models.found,
        dropped=dropped,
        unpaged=() if active is None or (not dropped and _is_one_page_each(response)) else unpaged(active, candidate),
        catalogue=models.candidate.comparison() if models.known else None,
        catalogue_now=models.active.comparison() if models.known and active is not None else None,
        doubt=None if mostly_known else doubt,
    )


def run_shadow(
    active: ExtractionRule | None,
    candidate: ExtractionRule,
    pages: Iterable[Page],
    *,
    raw_response_id: int | None,
    watch: Callable[[Sequence[Row], Sequence[Row]], None] | None = None,
) -> ShadowRun:
    """Runs both rules on one response, page by page, without comparison with earlier ones.

    `watch` is called with the rows of the active rule and of the candidate, for each page.
    """
    # Each endpoint may list a part of a model, so rows of several are compared after all pages are read.
    at_end = any(rule is not None and len(rule.endpoints) > 1 for rule in (active, candidate))
    ours, theirs = None if active is None else _Reader(active, at_end), _Reader(candidate, at_end)
    comparer = RowComparer()

    def compare(before: Sequence[Row], after: Sequence[Row]) -> None:
        comparer.add(before, after)
        if watch is not None:
            watch(before, after)

    for endpoint, document in pages:
        compare([] if ours is None else ours.rows(endpoint, document), theirs.rows(endpoint, document))
    if at_end:
        compare([] if ours is None else ours.kept(), theirs.kept())
    return ShadowRun(
        raw_response_id,
        None if ours is None else ours.result(),
        theirs.result(),
        None if ours is None else comparer.comparison(),
    )


class _Reader:
    """Applies a rule to one response.

    Args:
        rule: The rule.
        keeps: Keep the rows, merged, until the end instead of returning them page by page.
    """

    def __init__(self, rule: ExtractionRule, keeps: bool) -> None:
        self._judge = ListingJudge(rule)
        self._counts: list[int | None] = [None] * len(rule.endpoints)
        self._keeps = keeps
        self._rows: list[dict[str, Any]] = []

    def rows(self, endpoint: int, document: Any) -> list[dict[str, Any]]:
        """The page's rows; empty for an endpoint that the rule does not have, and while rows are kept."""
        if endpoint >= len(self._counts):
            return []
        rows = self._judge.add_page(document, endpoint=endpoint)
        self._counts[endpoint] = (self._counts[endpoint] or 0) + len(rows)
        if not self._keeps:
            return rows
        self._rows += rows
        return []

    def kept(self) -> list[dict[str, Any]]:
        """The kept rows, one per model."""
        return list(self._judge.verdict().settled(self._rows))

    def result(self) -> RuleResult:
        """The result; an endpoint with pages but no rows means another shape of response, counted as no models."""
        verdict = self._judge.verdict()
        first = next((str(each["message"]) for each in verdict.issues if each["severity"] == "error"), None)
        return RuleResult(verdict.valid, 0 if 0 in self._counts else verdict.profile.count, first)


class _KnownModels:
    """Compares both rules' rows with known models, and counts those that the candidate finds.

    Known models are those of the last accepted listing or, before the first sync, of the active rule's own sample.
    """

    def __init__(self, data: ProviderData, active: ExtractionRule | None) -> None:
        self._data = data
        self._overrides = data.overrides()
        self._sampled: dict[str, Row] = {}
        self.unseen = data.known_ids()
        if not self.unseen and active is not None:
            reader = _Reader(active, keeps=True)
            for page in data.sample_pages():
                reader.rows(*page)
            self._sampled = {row["model_id"]: row for row in reader.kept()}
            self.unseen = set(self._sampled)
        self.known = len(self.unseen)
        self.active, self.candidate = RowComparer(), RowComparer()

    @property
    def found(self) -> int:
        """Known models that the candidate has found so far."""
        return self.known - len(self.unseen)

    def add(self, before: Sequence[Row], after: Sequence[Row]) -> None:
        """Compares the rows of one page: the active rule's, and the candidate's."""
        ids = {row["model_id"] for row in (*before, *after)}
        if self._sampled:
            known: Mapping[str, Row] = {each: self._sampled[each] for each in ids if each in self._sampled}
        else:
            known = self._data.known_rows(sorted(ids))
        for comparer, rows in ((self.active, before), (self.candidate, after)):
            comparer.add(known.values(), [self._as_written(row) for row in rows if row["model_id"] in known])
        self.unseen.difference_update(row["model_id"] for row in after)

    def _as_written(self, row: Row) -> Row:
        override = self._overrides.of(row["model_id"])
        return row if override is None else override.apply(row)[0]


def unpaged(active: ExtractionRule, candidate: ExtractionRule) -> tuple[str, ...]:
    """The endpoints that the active rule paginates and the candidate does not."""
    return tuple(
        theirs.path or f"endpoint {position + 1}"
        for position, (ours, theirs) in enumerate(zip(active.endpoints, candidate.endpoints, strict=False))
        if ours.is_paged and not theirs.is_paged
    )


def _is_one_page_each(response: Response) -> bool:
    return max(Counter(position for position, _ in response).values(), default=0) <= 1


def _count_absent(ids: set[str], pages: Iterable[Page]) -> int:
    """Number of ids that do not occur in a response as a string, an integer or a key."""
    left = set(ids)
    for _, document in pages:
        pending = [document]
        while pending and left:
            node = pending.pop()
            if isinstance(node, dict):
                left.difference_update(node)
                pending.extend(node.values())
            elif isinstance(node, list):
                pending.extend(node)
            elif isinstance(node, str | int):
                left.discard(str(node))
    return len(left)
