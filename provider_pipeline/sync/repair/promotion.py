"""The promotion gates: pure decisions on whether a candidate may replace the active rule.

A rule from any source that fails a gate is never activated automatically; a person may still approve it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from provider_pipeline.rules.comparison import COMPARED_FIELDS, Comparison, FieldComparison
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.model_columns import LIMIT_COLUMNS, PRICE_COLUMNS
from provider_pipeline.sync.repair.shadow import Evidence, ShadowRun

_LIMITS_AND_MODALITIES: Final = (*LIMIT_COLUMNS, "input_modalities", "output_modalities")
_CAPABILITIES: Final = "capabilities"


class GateBounds(BaseModel):
    """Bounds of the gates, as fractions of one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_known_ids: float = Field(
        0.9, ge=0, le=1, description="Known models that must be found again, among those the response names at all."
    )
    max_dropped_ids: float = Field(
        0.5, ge=0, le=1, description="Known models that the response may not name at all; beyond, a person decides."
    )
    max_contradictions: float = Field(
        0.02, ge=0, le=1, description="Values of a field that may differ on stored responses that both rules read."
    )
    max_losses: float = Field(0.05, ge=0, le=1, description="Known values of a field that may be lost.")
    max_moved: float = Field(
        0.2, ge=0, le=1, description="Known values of a field that the failing response may state otherwise."
    )
    min_capabilities_kept: float = Field(
        0.98, ge=0, le=1, description="Known capabilities of known models that must come out the same."
    )


@dataclass(frozen=True)
class Gate:
    """Result of one gate; `expected` and `actual` are for people."""

    name: str
    passed: bool
    expected: str
    actual: str
    sample: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The gate as plain JSON."""
        return {**vars(self), "sample": list(self.sample)}


def judge_candidate(evidence: Evidence, gates: GateBounds | None = None) -> tuple[Gate, ...]:
    """Judges a candidate by the gates that apply to it; it may be activated if it passes all of them.

    Without an active rule and known models, only the fit, the endpoints, stated parts and a doubt count. Columns that
    a person has decided about are not judged, and a person's rule need not be better.
    """
    return tuple(_gates(evidence.undecided(), gates or GateBounds()))


def judge_trial(
    shadows: Sequence[ShadowRun], *, unpaged: Sequence[str] = (), elsewhere: Sequence[str] = ()
) -> tuple[Gate, ...]:
    """Judges a rule on trial by all responses of its trial.

    Args:
        shadows: Both rules on each response, which was fetched with the active rule's pagination.
        unpaged: Endpoints that the active rule paginates and the rule on trial does not.
        elsewhere: Differences between where the two rules send requests.
    """
    unfit = [each for each in shadows if not each.candidate.valid and each.active is not None and each.active.valid]
    fits = Gate(
        "fits_where_the_active_rule_does",
        bool(shadows) and not unfit,
        "every response that the active rule reads, and at least one",
        f"{len(shadows) - len(unfit)} of {len(shadows)} responses",
        tuple(f"raw response {each.raw_response_id}: {each.candidate.reason}" for each in unfit[:5]),
    )
    bounds = GateBounds()
    comparable = _comparable(shadows)
    agree = [_capabilities_agree((each.comparison for each in comparable), bounds)] if comparable else []
    return (
        fits,
        *_looks_for_every_page(unpaged),
        _asks_same_places(elsewhere),
        *_stored_gates(comparable, bounds),
        *agree,
        _throughout(shadows),
    )


def with_missing_set(
    gates: Iterable[Gate], active: ExtractionRule | None, candidate: ExtractionRule
) -> tuple[Gate, ...]:
    """The gates; a failed one on capabilities mentions a missing pattern set, if the active rule names one."""
    if active is None or active.pattern_set is None or candidate.pattern_set is not None:
        return tuple(gates)
    why = f'the rule names no pattern set, so add "pattern_set": "{active.pattern_set}" to keep what names imply'
    return tuple(
        replace(gate, actual=f"{gate.actual}; {why}") if gate.name == "capabilities_agree" and not gate.passed else gate
        for gate in gates
    )


def judge_known_models(evidence: Evidence) -> tuple[Gate, ...]:
    """Judges a rule only by the gates on known models and their values, without the active rule's extraction."""
    bounds = GateBounds()
    known_ids = (_keeps_known_ids(evidence, bounds),) if evidence.known else ()
    return (*known_ids, *_catalogue_gates(evidence.catalogue, bounds))


def _throughout(shadows: Sequence[ShadowRun]) -> Gate:
    """A field that the active rule fills must be filled in at least one listing: a trial has no catalogue to check."""
    lost = sorted(
        name
        for name in COMPARED_FIELDS
        if any(each.comparison and each.comparison.fields[name].known_before for each in shadows)
        and not any(each.comparison and each.comparison.fields[name].known_after for each in shadows)
    )
    return Gate(
        "no_known_field_is_lost",
        not lost,
        "every field that the active rule reads",
        "nothing is lost" if not lost else f"{', '.join(lost)} in no listing",
    )


def _gates(evidence: Evidence, bounds: GateBounds) -> Iterator[Gate]:
    failing = evidence.failing
    yield Gate(
        "fits_the_failing_response",
        failing.candidate.valid,
        "the candidate reads the response, and its rows are valid",
        f"{failing.candidate.models} models" if failing.candidate.valid else failing.candidate.reason or "it does not",
    )
    # A rule that is only shorter is better for that reason; the other gates check that its rows are as good.
    if failing.active is not None and failing.active.valid and not evidence.only_shorter and evidence.decided is None:
        yield _improves(evidence)
    if evidence.known:
        yield _keeps_known_ids(evidence, bounds)
    yield from _looks_for_every_page(evidence.unpaged)
    yield _asks_same_places(evidence.elsewhere)
    if evidence.unkept:
        yield _keeps_stated_parts(evidence.unkept)
    if evidence.doubt is not None:
        yield Gate("is_unambiguous", False, "one list and one id that are clearly the right ones", evidence.doubt)
    yield from _stored_gates(_comparable(evidence.stored), bounds)
    yield from _catalogue_gates(evidence.catalogue, bounds)


def _improves(evidence: Evidence) -> Gate:
    """A fitting rule is only replaced by one that extracts more or agrees better with the catalogue."""
    active, candidate, comparison = evidence.failing.active, evidence.failing.candidate, evidence.failing.comparison
    gained = lost = 0
    if comparison is not None:
        cells = [*comparison.fields.values(), comparison.capabilities]
        gained, lost = sum(each.gained for each in cells), sum(each.lost for each in cells)
    more = candidate.models - (active.models if active is not None else 0)
    agrees = _agreeing(evidence.catalogue) - _agreeing(evidence.catalogue_now)
    return Gate(
        "is_better_than_the_active_rule",
        more > 0 or (more == 0 and (gained > lost or agrees > 0)),
        "the active rule reads the response too: the candidate must extract more, or agree more with known values",
        f"{more:+d} models, {gained} values gained, {lost} lost, {agrees:+d} as the catalogue knows them",
    )


def _agreeing(catalogue: Comparison | None) -> int:
    """Number of values of known models that agree with the catalogue."""
    return 0 if catalogue is None else sum(each.agree for _, each in _cells(catalogue))


def _looks_for_every_page(unpaged: Sequence[str]) -> Iterator[Gate]:
    if unpaged:
        where = ", ".join(unpaged)
        yield Gate(
            "looks_for_every_page",
            False,
            "every endpoint that the active rule paginates is paginated",
            f"not at {where}",
        )


def _first_of(lines: Sequence[str]) -> str:
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return f"{lines[0]}{more}"


def _asks_same_places(elsewhere: Sequence[str]) -> Gate:
    """Requests carry the provider's key, which only a person may send elsewhere."""
    return Gate(
        "asks_the_same_places",
        not elsewhere,
        "the endpoints, details and pagination that a person agreed to",
        f"it {_first_of(elsewhere)}" if elsewhere else "the same places",
        tuple(elsewhere[1:6]),
    )


def _keeps_stated_parts(unkept: Sequence[str]) -> Gate:
    """Only a person may give up what a person has stated."""
    return Gate(
        "keeps_stated_parts",
        False,
        "the parts of the rule that a person has stated",
        _first_of(unkept),
        tuple(unkept[1:6]),
    )


def _keeps_known_ids(evidence: Evidence, bounds: GateBounds) -> Gate:
    named = evidence.known - evidence.dropped
    share = evidence.found / named if named else 0.0
    gone = evidence.dropped / evidence.known
    return Gate(
        "keeps_known_ids",
        share >= bounds.min_known_ids and gone <= bounds.max_dropped_ids,
        f"at least {bounds.min_known_ids:.0%} of the known models that the response names, and at most "
        f"{bounds.max_dropped_ids:.0%} of them not named",
        f"{evidence.found} of {named} found again; {evidence.dropped} of {evidence.known} are not named at all",
    )


def _comparable(shadows: Iterable[ShadowRun]) -> list[ShadowRun]:
    """Runs that both rules read; a response without a model for the candidate has another shape."""
    return [each for each in shadows if each.active is not None and each.active.valid and each.candidate.models]


def _stored_gates(comparable: Sequence[ShadowRun], bounds: GateBounds) -> Iterator[Gate]:
    """The gates on responses that both rules read.

    A field missing from an old response has moved since, and so may have the fields behind capabilities: their losses
    are judged on the failing response, by the catalogue.
    """
    if not comparable:
        return
    fewer = [each for each in comparable if not each.candidate.valid or _lost_models(each)]
    yield Gate(
        "keeps_models_of_stored_responses",
        not fewer,
        f"every model of the {len(comparable)} stored responses that both rules read",
        "all of them" if not fewer else f"fewer in {len(fewer)} of them",
        tuple(f"raw response {each.raw_response_id}: {_why(each)}" for each in fewer[:5]),
    )
    worse: dict[str, str] = {}
    for each in comparable:
        for name, compared in _cells(each.comparison):
            lost = compared.losses if name != _CAPABILITIES and compared.known_after else 0.0
            if compared.contradictions > bounds.max_contradictions or lost > bounds.max_losses:
                worse.setdefault(
                    name, f"{name}: {compared.differ} differ, {compared.lost} lost of {compared.known_before}"
                )
    yield Gate(
        "no_field_gets_worse",
        not worse,
        f"per field at most {bounds.max_contradictions:.0%} different values and {bounds.max_losses:.0%} lost ones",
        "no field" if not worse else f"{len(worse)} fields",
        tuple(worse.values())[:5],
    )


def _lost_models(shadow: ShadowRun) -> bool:
    return shadow.comparison is not None and shadow.comparison.shared < shadow.comparison.before


def _why(shadow: ShadowRun) -> str:
    if not shadow.candidate.valid:
        return shadow.candidate.reason or "the candidate does not fit"
    gone = ", ".join(shadow.comparison.gone[:3]) if shadow.comparison is not None else ""
    return f"{shadow.candidate.models} models instead of {shadow.active.models if shadow.active else 0}, without {gone}"


def _cells(comparison: Comparison | None) -> Iterator[tuple[str, FieldComparison]]:
    if comparison is not None:
        yield from comparison.fields.items()
        yield _CAPABILITIES, comparison.capabilities


def _catalogue_gates(catalogue: Comparison | None, bounds: GateBounds) -> Iterator[Gate]:
    if catalogue is None or not catalogue.shared:
        return
    lost = [
        f"{name}: {each.lost} of {each.known_before}"
        for name, each in catalogue.fields.items()
        if each.losses > bounds.max_losses
    ]
    yield Gate(
        "no_known_field_is_lost",
        not lost,
        f"at most {bounds.max_losses:.0%} of the known values of a field are missing",
        "nothing is lost" if not lost else f"{len(lost)} fields are",
        tuple(lost[:5]),
    )
    moved = [
        (name, catalogue.fields[name])
        for name in (*PRICE_COLUMNS, *_LIMITS_AND_MODALITIES)
        if catalogue.fields[name].contradictions > bounds.max_moved
    ]
    yield Gate(
        "known_values_hold",
        not moved,
        f"at most {bounds.max_moved:.0%} of the known prices, limits and modalities are different",
        "they hold" if not moved else ", ".join(f"{each.differ} of {name}" for name, each in moved),
        tuple(entry for _, each in moved for entry in each.sample)[:5],
    )
    yield _capabilities_agree([catalogue], bounds)


def _capabilities_agree(comparisons: Iterable[Comparison | None], bounds: GateBounds) -> Gate:
    """Judges the comparison in which capabilities agree least."""
    worst = min((each.capabilities for each in comparisons if each is not None), key=lambda each: each.kept)
    return Gate(
        "capabilities_agree",
        worst.kept >= bounds.min_capabilities_kept,
        f"at least {bounds.min_capabilities_kept:.0%} of the known capabilities of known models come out the same",
        f"{worst.kept:.1%}",
        worst.sample,
    )
