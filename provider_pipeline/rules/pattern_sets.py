"""Pattern sets: ordered name patterns by capability, stored once, which rules name instead of carrying them."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from provider_pipeline.rules.ids import capability_patterns
from provider_pipeline.rules.rows import digest_of

SetName = Literal["shipped"]
SHIPPED: Final[SetName] = "shipped"


@dataclass(frozen=True)
class PatternSet:
    """One content of a pattern set.

    Attributes:
        patterns: Each capability's patterns, the first match deciding as in a rule's `regex`.
        digest: SHA-256 of the patterns.
        others: Patterns of other contents of this set, by capability. A rule may show them, written when one of those
            was active; they count as the set's too, or they would outlive the content that dropped them.
    """

    patterns: Mapping[str, tuple[str, ...]] = field(repr=False, compare=False)
    digest: str
    others: tuple[tuple[str, frozenset[str]], ...] = field(repr=False)

    @classmethod
    def of(
        cls, patterns: Mapping[str, Sequence[str]], others: Iterable[Mapping[str, Sequence[str]]] = ()
    ) -> "PatternSet":
        """The set with these patterns, and other contents that it has had or may get."""
        ordered = {capability: tuple(patterns[capability]) for capability in sorted(patterns)}
        known: dict[str, set[str]] = {}
        for content in (ordered, *others):
            for capability, listed in content.items():
                known.setdefault(capability, set()).update(listed)
        elsewhere = ((name, frozenset(known[name].difference(ordered.get(name, ())))) for name in sorted(known))
        digest = digest_of({capability: list(listed) for capability, listed in ordered.items()})
        return cls(ordered, digest, tuple((name, texts) for name, texts in elsewhere if texts))

    @functools.cached_property
    def _all(self) -> Mapping[str, frozenset[str]]:
        others = dict(self.others)
        names = {*self.patterns, *others}
        return {name: others.get(name, frozenset()).union(self.patterns.get(name, ())) for name in names}

    def own(self, capability: str, regex: Sequence[str]) -> tuple[str, ...]:
        """Those of a rule's patterns that are the provider's own, not shown from the set."""
        shared = self._all.get(capability, frozenset())
        return tuple(text for text in regex if text not in shared)

    def to_json(self) -> dict[str, Any]:
        """The set as plain JSON."""
        return {
            "patterns": {name: list(listed) for name, listed in self.patterns.items()},
            "others": {name: sorted(texts) for name, texts in self.others},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "PatternSet":
        """The set of a `to_json` document."""
        return cls.of(document["patterns"], [document["others"]])


@functools.cache
def shipped() -> PatternSet:
    """The set of this package: the families and the learnt patterns of `rules/data`."""
    return PatternSet.of(capability_patterns())
