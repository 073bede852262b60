"""The capability predicates of several endpoints as one set.

Here: joining them so that every endpoint's models are told what its own predicates tell them. Not here: finding the
predicates (`evidence.py`). The concept: capability rules belong to the provider, so a predicate written for one
endpoint meets the models of all; where it would say something else there, it is bound to its own endpoint's label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provider_pipeline.rules.generation.capability_predicates import Predicates
from provider_pipeline.rules.generation.list_detection import Candidate
from provider_pipeline.rules.language import Getter, compile_expression, is_true, literal
from provider_pipeline.rules.limits import MAX_PREDICATES

_CHECKED_ITEMS = 2_000


@dataclass(frozen=True)
class Told:
    """What one endpoint's sample says about capabilities.

    Args:
        listing: Its models.
        predicates: The predicates found in them, by capability.
        label: The text its items can be told by; it is put on them only where it is needed.
    """

    listing: Candidate
    predicates: Mapping[str, Predicates]
    label: str


@dataclass(frozen=True)
class Joined:
    """The predicates of all endpoints together.

    Args:
        predicates: By capability.
        labelled: Positions of the endpoints whose items must carry their label.
    """

    predicates: dict[str, Predicates]
    labelled: frozenset[int]


def joined_predicates(parts: Sequence[Told]) -> Joined:
    """One set of predicates that tells the models of each part what the part's own tell them."""
    found: dict[str, Predicates] = {}
    labelled: set[int] = set()
    for position, part in enumerate(parts):
        others = [other for other in parts if other is not part]
        own_labels = _labels(part.listing)
        guard = " || ".join(f"_label == {literal(text)}" for text in own_labels or [part.label])
        for capability, own in part.predicates.items():
            entry = found.setdefault(capability, Predicates())
            for holds, written, target in ((True, own.evidence, entry.evidence), (False, own.counter, entry.counter)):
                for predicate in written:
                    misleads = any(_misleads(predicate, capability, other, holds=holds) for other in others)
                    text = f"({guard}) && ({predicate})" if misleads else predicate
                    if misleads and not own_labels:
                        labelled.add(position)
                    if text not in target and len(target) < MAX_PREDICATES:
                        target.append(text)
    return Joined(dict(sorted(found.items())), frozenset(labelled))


def labelled_selector(selector: str, label: str) -> str:
    """The selector, with the label on each of its items."""
    return f"labelled({selector}, {literal(label)})"


def _labels(listing: Candidate) -> list[str]:
    return sorted({str(item["_label"]) for item in listing.items if isinstance(item, dict) and "_label" in item})


def _misleads(predicate: str, capability: str, other: Told, *, holds: bool) -> bool:
    """Whether the predicate would tell models of another endpoint what that endpoint's own predicates do not."""
    own = other.predicates.get(capability, Predicates())
    if predicate in (own.evidence if holds else own.counter):
        return False
    states, evidence = compile_expression(predicate), _compiled(own.evidence)
    silencing = evidence if holds else [*evidence, *_compiled(own.counter)]
    return any(
        is_true(states(item)) and not any(is_true(each(item)) for each in silencing)
        for item in other.listing.items[:_CHECKED_ITEMS]
    )


def _compiled(predicates: Sequence[str]) -> list[Getter]:
    return [compile_expression(text) for text in predicates]
