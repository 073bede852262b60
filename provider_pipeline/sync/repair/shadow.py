"""Run a candidate rule beside the active one on stored responses, and compare what they extract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from provider_pipeline.rules.comparison import Comparison, RowComparer
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.extraction import last_of_each
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.overriding import apply_override

if TYPE_CHECKING:
    from provider_pipeline.sync.config import Page, Response
    from provider_pipeline.sync.repair.material import Material, Row


SHADOW_RESPONSES: Final = 10
"""How many stored responses a candidate is tried on, beside the one that failed."""


@dataclass(frozen=True)
class Reading:
    """What one rule makes of one response, without comparison with history.

    Attributes:
        valid: Whether the rule fits.
        models: Accepted rows.
        reason: The first error, when it does not fit.
    """

    valid: bool
    models: int
    reason: str | None = None


@dataclass(frozen=True)
class Shadow:
    """Two rules on the same response, side by side.

    Attributes:
        raw_response_id: The response; None for a sample that is not stored.
        active: What the active rule makes of it; None when there is none.
        candidate: What the candidate makes of it.
        comparison: Their rows, compared; None when there is no active rule.
    """

    raw_response_id: int | None
    active: Reading | None
    candidate: Reading
    comparison: Comparison | None

    def to_json(self) -> dict[str, Any]:
        """The shadow run as plain JSON."""
        return {
            "raw_response_id": self.raw_response_id,
            "active": None if self.active is None else vars(self.active),
            "candidate": vars(self.candidate),
            "comparison": None if self.comparison is None else self.comparison.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Shadow:
        """The shadow run that a document of `to_json` holds."""
        active, comparison = document["active"], document["comparison"]
        return cls(
            document["raw_response_id"],
            None if active is None else Reading(**active),
            Reading(**document["candidate"]),
            None if comparison is None else Comparison.from_json(comparison),
        )


@dataclass(frozen=True)
class Evidence:
    """All that the gates look at.

    Attributes:
        failing: Both rules on the response that the active rule does not fit, or on the newest one.
        stored: Both rules on earlier responses, newest first.
        known: Models that the provider's last accepted listing named.
        found: How many of them the candidate finds in the failing response.
        dropped: How many of them the failing response does not name anywhere.
        unpaged: Endpoints of which the active rule looks for further pages and the candidate does not, unless the
            first page names all that is known.
        elsewhere: Where the candidate asks and the active rule does not, or the other way round; a line each.
        catalogue: The catalogue's rows beside the candidate's, over the failing response; None without known models.
        catalogue_now: The catalogue's rows beside those of the active rule, over the same response.
        doubt: Why the candidate may be a wrong guess.
    """

    failing: Shadow
    stored: tuple[Shadow, ...] = ()
    known: int = 0
    found: int = 0
    dropped: int = 0
    unpaged: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    catalogue: Comparison | None = None
    catalogue_now: Comparison | None = None
    doubt: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The evidence as plain JSON."""
        return vars(self) | {
            "failing": self.failing.to_json(),
            "stored": [shadow.to_json() for shadow in self.stored],
            "unpaged": list(self.unpaged),
            "elsewhere": list(self.elsewhere),
            "catalogue": None if self.catalogue is None else self.catalogue.to_json(),
            "catalogue_now": None if self.catalogue_now is None else self.catalogue_now.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Evidence:
        """The evidence that a document of `to_json` holds."""
        beside = {name: document[name] for name in ("catalogue", "catalogue_now")}
        return cls(
            **{
                **document,
                "failing": Shadow.from_json(document["failing"]),
                "stored": tuple(map(Shadow.from_json, document["stored"])),
                "unpaged": tuple(document["unpaged"]),
                "elsewhere": tuple(document["elsewhere"]),
                **{name: None if each is None else Comparison.from_json(each) for name, each in beside.items()},
            }
        )


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
