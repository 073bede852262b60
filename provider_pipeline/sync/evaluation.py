"""The evidence for and against a candidate rule: both rules on stored responses, and beside the catalogue.

Here: applying rules to responses and gathering what the gates look at. Not here: where responses and known models come
from (`material.py`), the verdict (`gates.py`), where candidates come from (`candidates.py`), what becomes of them
(`adoption.py`), and the process of its own in which a rule from outside is tried (`apart.py`). Nothing here writes, or
uses a network or a database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provider_pipeline.rules import ExtractionRule, ListingJudge, RowComparer, apply_override, last_of_each
from provider_pipeline.sync.evidence import Evidence, Reading, Shadow

if TYPE_CHECKING:
    from provider_pipeline.sync.material import Material, Row
    from provider_pipeline.sync.stored import Page, Response


def evaluate_candidate(
    material: Material,
    candidate: ExtractionRule,
    active: ExtractionRule | None,
    response: Response,
    *,
    doubt: str | None = None,
    between: Callable[[], None] = lambda: None,
) -> Evidence:
    """Tries a candidate beside the active rule on a response, on stored ones, and on what is known.

    Args:
        material: What is stored of the provider.
        candidate: The rule on trial.
        active: The rule it would replace, if there is one.
        response: The response that the active rule does not fit, or a sample.
        doubt: Why the candidate may be a wrong guess; counts only while most of its models are unknown ones.
        between: Called after each response, so that a worker can extend its claim; may commit.

    Returns:
        All but whether the candidate asks elsewhere (`Evidence.elsewhere`), for which no response is needed.
    """
    beside = _BesideCatalogue(material, active)
    shadow = run_shadow(active, candidate, response, raw_response_id=response.id, watch=beside.add)
    between()
    stored = []
    if active is not None:
        for each in _stored_shadows(material, active, candidate, skip=response.id):
            stored.append(each)
            between()
    dropped = _not_named(beside.unseen, response)
    mostly_known = beside.found > 0 and 2 * beside.found >= shadow.candidate.models
    return Evidence(
        failing=shadow,
        stored=tuple(stored),
        known=beside.known,
        found=beside.found,
        dropped=dropped,
        unpaged=() if active is None or (not dropped and _is_one_page_each(response)) else unpaged(active, candidate),
        catalogue=beside.candidate.comparison() if beside.known else None,
        catalogue_now=beside.active.comparison() if beside.known and active is not None else None,
        doubt=None if mostly_known else doubt,
    )


def run_shadow(
    active: ExtractionRule | None,
    candidate: ExtractionRule,
    pages: Iterable[Page],
    *,
    raw_response_id: int | None,
    watch: Callable[[Sequence[Row], Sequence[Row]], None] | None = None,
) -> Shadow:
    """Both rules on one response, page by page, without history.

    Args:
        active: The rule that writes; None when there is none.
        candidate: The rule that does not.
        pages: The response.
        raw_response_id: Where the response is stored.
        watch: Is shown each page's rows, the active rule's and the candidate's.
    """
    # What one of several endpoints says of a model is not all there is: such rows are compared when all are there.
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
    return Shadow(
        raw_response_id,
        None if ours is None else ours.reading(),
        theirs.reading(),
        None if ours is None else comparer.comparison(),
    )


class _Reader:
    """A rule applied to one response.

    Args:
        rule: The rule.
        keeps: Keep the rows, each in its last version, instead of giving them page by page.
    """

    def __init__(self, rule: ExtractionRule, keeps: bool) -> None:
        self._judge = ListingJudge(rule)
        self._given: list[int | None] = [None] * len(rule.endpoints)
        self._keeps = keeps
        self._rows: list[dict[str, Any]] = []

    def rows(self, endpoint: int, document: Any) -> list[dict[str, Any]]:
        """The page's rows; none from an endpoint that the rule does not have, and none while they are kept."""
        if endpoint >= len(self._given):
            return []
        rows = self._judge.add_page(document, endpoint=endpoint)
        self._given[endpoint] = (self._given[endpoint] or 0) + len(rows)
        if not self._keeps:
            return rows
        self._rows += rows
        return []

    def kept(self) -> list[dict[str, Any]]:
        """The kept rows."""
        return list(last_of_each(self._rows, self._judge.verdict().superseded))

    def reading(self) -> Reading:
        """The outcome; no models where one of several endpoints gave none: then the response is of another shape."""
        verdict = self._judge.verdict()
        first = next((str(each["message"]) for each in verdict.issues if each["severity"] == "error"), None)
        return Reading(verdict.valid, 0 if 0 in self._given else verdict.profile.count, first)


class _BesideCatalogue:
    """Compares both rules' rows with what is known, and counts which known models the candidate finds again.

    Known are the models of the last accepted listing or, before the first sync, what the active rule reads from its
    own sample.
    """

    def __init__(self, material: Material, active: ExtractionRule | None) -> None:
        self._material = material
        self._overrides = material.overrides()
        self._sampled: dict[str, Row] = {}
        self.unseen = material.known_ids()
        if not self.unseen and active is not None:
            reader = _Reader(active, keeps=True)
            for page in material.sample_pages():
                reader.rows(*page)
            self._sampled = {row["model_id"]: row for row in reader.kept()}
            self.unseen = set(self._sampled)
        self.known = len(self.unseen)
        self.active, self.candidate = RowComparer(), RowComparer()

    @property
    def found(self) -> int:
        """How many known models were found so far."""
        return self.known - len(self.unseen)

    def add(self, before: Sequence[Row], after: Sequence[Row]) -> None:
        """Compares the rows of one page, the active rule's and the candidate's."""
        ids = {row["model_id"] for row in (*before, *after)}
        known = self._known(ids)
        for comparer, rows in ((self.active, before), (self.candidate, after)):
            comparer.add(known.values(), [self._as_written(row) for row in rows if row["model_id"] in known])
        self.unseen.difference_update(row["model_id"] for row in after)

    def _known(self, ids: set[str]) -> Mapping[str, Row]:
        if self._sampled:
            return {model_id: self._sampled[model_id] for model_id in ids if model_id in self._sampled}
        return self._material.known_rows(sorted(ids))

    def _as_written(self, row: Row) -> Row:
        override = self._overrides.get(row["model_id"])
        return row if override is None else apply_override(row, override)


def unpaged(active: ExtractionRule, candidate: ExtractionRule) -> tuple[str, ...]:
    """The endpoints of which one rule looks for further pages and another does not."""
    return tuple(
        theirs.path or f"endpoint {position + 1}"
        for position, (ours, theirs) in enumerate(zip(active.endpoints, candidate.endpoints, strict=False))
        if ours.is_paged and not theirs.is_paged
    )


def _is_one_page_each(response: Response) -> bool:
    return max(Counter(position for position, _ in response).values(), default=0) <= 1


def _stored_shadows(
    material: Material, active: ExtractionRule, candidate: ExtractionRule, *, skip: int | None
) -> Iterator[Shadow]:
    for response in material.stored_responses():
        if response.id != skip:
            yield run_shadow(active, candidate, response, raw_response_id=response.id)


def _not_named(ids: set[str], pages: Iterable[Page]) -> int:
    """How many of the ids stand nowhere in a response, as a text or as a key."""
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
            elif isinstance(node, str):
                left.discard(node)
    return len(left)
