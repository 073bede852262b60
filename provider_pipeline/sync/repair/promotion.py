"""Whether a new rule may take the place of the active one: the gates, their bounds, and what each of them found.

Here: pure decisions. Not here: the evidence that they rest on (`evidence.py`), and gathering it (`evaluation.py`).
The concept: a rule that was written by itself, by a person or by an agent passes the same gates, and a rule that fails
one is never activated by itself; a person may still approve it, with the report at hand.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from provider_pipeline.rules.comparison import COMPARED_FIELDS, Comparison, FieldComparison
from provider_pipeline.rules.model_columns import LIMIT_COLUMNS, PRICE_COLUMNS
from provider_pipeline.sync.repair.shadow import Evidence, Shadow

_TOLD_APART: Final = (*LIMIT_COLUMNS, "input_modalities", "output_modalities")
_CAPABILITIES: Final = "capabilities"


class Gates(BaseModel):
    """The bounds of the gates; shares are fractions of one."""

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
    """One gate and what came of it; `expected` and `actual` are sentences' ends, for people."""

    name: str
    passed: bool
    expected: str
    actual: str
    sample: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The gate as plain JSON."""
        return {**vars(self), "sample": list(self.sample)}


def judge_candidate(evidence: Evidence, gates: Gates | None = None) -> tuple[Gate, ...]:
    """Holds a candidate against the gates that apply to it; it may be activated when every one is passed.

    Without an active rule and without known models only the fit counts: there is nothing to lose.
    """
    bounds = gates or Gates()
    return tuple(_gates(evidence, bounds))


def judge_trial(
    shadows: Sequence[Shadow],
    gates: Gates | None = None,
    *,
    unpaged: Sequence[str] = (),
    elsewhere: Sequence[str] = (),
) -> tuple[Gate, ...]:
    """Holds a rule that was on trial against the gates, over all the responses it read beside the active rule.

    Args:
        shadows: Both rules on each response; its pages were looked for by the active rule.
        gates: The bounds.
        unpaged: Endpoints of which the active rule looks for further pages and the rule on trial does not.
        elsewhere: Where the rule on trial asks and the active one does not, or the other way round.
    """
    unfit = [each for each in shadows if not each.candidate.valid and each.active is not None and each.active.valid]
    fits = Gate(
        "fits_where_the_active_rule_does",
        bool(shadows) and not unfit,
        "every response that the active rule reads, and at least one",
        f"{len(shadows) - len(unfit)} of {len(shadows)} responses",
        tuple(f"raw response {each.raw_response_id}: {each.candidate.reason}" for each in unfit[:5]),
    )
    bounds = gates or Gates()
    handled = _handled(shadows)
    agree = [_capabilities_agree((each.comparison for each in handled), bounds)] if handled else []
    return (
        fits,
        *_every_page(unpaged),
        _same_places(elsewhere),
        *_stored_gates(handled, bounds),
        *agree,
        _throughout(shadows),
    )


def judge_by_what_is_known(evidence: Evidence, gates: Gates | None = None) -> tuple[Gate, ...]:
    """Holds a rule against the gates that ask for known models and their values, whatever the active rule reads."""
    bounds = gates or Gates()
    return tuple(_known_gates(evidence, bounds))


def _throughout(shadows: Sequence[Shadow]) -> Gate:
    """A field that the active rule knows must be known in some listing at least: here no catalogue stands behind."""
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


def _gates(evidence: Evidence, bounds: Gates) -> Iterator[Gate]:
    failing = evidence.failing
    yield Gate(
        "fits_the_failing_response",
        failing.candidate.valid,
        "the candidate reads the response, and its rows are valid",
        f"{failing.candidate.models} models" if failing.candidate.valid else failing.candidate.reason or "it does not",
    )
    if failing.active is not None and failing.active.valid:
        yield _improves(evidence)
    if evidence.known:
        yield _keeps_known_ids(evidence, bounds)
    yield from _every_page(evidence.unpaged)
    yield _same_places(evidence.elsewhere)
    if evidence.doubt is not None and failing.active is not None:
        yield Gate("is_unambiguous", False, "one list and one id that are clearly the right ones", evidence.doubt)
    yield from _stored_gates(_handled(evidence.stored), bounds)
    yield from _catalogue_gates(evidence.catalogue, bounds)


def _improves(evidence: Evidence) -> Gate:
    """A rule that fits is only replaced by one that reads more, or that says again what the catalogue knows."""
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
        "the active rule reads the response too: the candidate must read more, or agree more with what is known",
        f"{more:+d} models, {gained} values gained, {lost} lost, {agrees:+d} as the catalogue knows them",
    )


def _agreeing(catalogue: Comparison | None) -> int:
    """How many values of known models come out as the catalogue has them."""
    return 0 if catalogue is None else sum(each.agree for _, each in _cells(catalogue))


def _every_page(unpaged: Sequence[str]) -> Iterator[Gate]:
    if unpaged:
        where = ", ".join(unpaged)
        yield Gate(
            "looks_for_every_page", False, "further pages are looked for as by the active rule", f"not at {where}"
        )


def _same_places(elsewhere: Sequence[str]) -> Gate:
    """Requests carry the provider's key: only a person may send it to another place."""
    more = f" (and {len(elsewhere) - 1} more)" if len(elsewhere) > 1 else ""
    return Gate(
        "asks_the_same_places",
        not elsewhere,
        "the endpoints, the models' own answers and the further pages that a person agreed to",
        f"it {elsewhere[0]}{more}" if elsewhere else "the same places",
        tuple(elsewhere[1:6]),
    )


def _keeps_known_ids(evidence: Evidence, bounds: Gates) -> Gate:
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


def _handled(shadows: Iterable[Shadow]) -> list[Shadow]:
    """Those that the active rule reads; a response in which the candidate finds no model is of another shape."""
    return [each for each in shadows if each.active is not None and each.active.valid and each.candidate.models]


def _stored_gates(handled: Sequence[Shadow], bounds: Gates) -> Iterator[Gate]:
    """The gates on responses that both rules read.

    A field that the candidate finds nowhere in such a response has moved since, and so may what capabilities are told
    by: whether they are still known is asked of the failing response, beside the catalogue.
    """
    if not handled:
        return
    fewer = [each for each in handled if not each.candidate.valid or _lost_models(each)]
    yield Gate(
        "keeps_models_of_stored_responses",
        not fewer,
        f"every model of the {len(handled)} stored responses that both rules read",
        "all of them" if not fewer else f"fewer in {len(fewer)} of them",
        tuple(f"raw response {each.raw_response_id}: {_why(each)}" for each in fewer[:5]),
    )
    worse: dict[str, str] = {}
    for each in handled:
        for name, compared in _cells(each.comparison):
            lost = compared.losses if name != _CAPABILITIES and compared.known_after else 0.0
            if compared.contradictions > bounds.max_contradictions or lost > bounds.max_losses:
                worse.setdefault(
                    name, f"{name}: {compared.differ} differ, {compared.lost} lost of {compared.known_before}"
                )
    yield Gate(
        "no_field_gets_worse",
        not worse,
        f"per field at most {bounds.max_contradictions:.0%} other values and {bounds.max_losses:.0%} lost ones",
        "no field" if not worse else f"{len(worse)} fields",
        tuple(worse.values())[:5],
    )


def _lost_models(shadow: Shadow) -> bool:
    return shadow.comparison is not None and shadow.comparison.shared < shadow.comparison.before


def _why(shadow: Shadow) -> str:
    if not shadow.candidate.valid:
        return shadow.candidate.reason or "the candidate does not fit"
    gone = ", ".join(shadow.comparison.gone[:3]) if shadow.comparison is not None else ""
    return f"{shadow.candidate.models} models instead of {shadow.active.models if shadow.active else 0}, without {gone}"


def _cells(comparison: Comparison | None) -> Iterator[tuple[str, FieldComparison]]:
    if comparison is not None:
        yield from comparison.fields.items()
        yield _CAPABILITIES, comparison.capabilities


def _known_gates(evidence: Evidence, bounds: Gates) -> Iterator[Gate]:
    if evidence.known:
        yield _keeps_known_ids(evidence, bounds)
    yield from _catalogue_gates(evidence.catalogue, bounds)


def _catalogue_gates(catalogue: Comparison | None, bounds: Gates) -> Iterator[Gate]:
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
        f"at most {bounds.max_losses:.0%} of what the catalogue knows of a field is missing",
        "nothing is lost" if not lost else f"{len(lost)} fields are",
        tuple(lost[:5]),
    )
    moved = [
        (name, catalogue.fields[name])
        for name in (*PRICE_COLUMNS, *_TOLD_APART)
        if catalogue.fields[name].contradictions > bounds.max_moved
    ]
    yield Gate(
        "known_values_hold",
        not moved,
        f"at most {bounds.max_moved:.0%} of the known prices, limits and modalities are others",
        "they hold" if not moved else ", ".join(f"{each.differ} of {name}" for name, each in moved),
        tuple(entry for _, each in moved for entry in each.sample)[:5],
    )
    yield _capabilities_agree([catalogue], bounds)


def _capabilities_agree(comparisons: Iterable[Comparison | None], bounds: Gates) -> Gate:
    """How the capabilities of known models come out where they come out worst."""
    worst = min((each.capabilities for each in comparisons if each is not None), key=lambda each: each.kept)
    return Gate(
        "capabilities_agree",
        worst.kept >= bounds.min_capabilities_kept,
        f"at least {bounds.min_capabilities_kept:.0%} of the known capabilities of known models come out the same",
        f"{worst.kept:.1%}",
        worst.sample,
    )
