"""Capability rules as documents, in either written form, and the pattern sets that rules name instead of carrying them.

A pattern set is stored once: ordered name patterns by capability.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.ids import capability_patterns
from provider_pipeline.rules.limits import (
    MAX_CAPABILITIES,
    MAX_LOOKUPS,
    MAX_PATTERNS,
    MAX_PREDICATES,
    require_little_text,
    require_small_tables,
)
from provider_pipeline.rules.pagination import Expression
from provider_pipeline.rules.patterns import require_small_patterns
from provider_pipeline.rules.rows import digest_of
from provider_pipeline.rules.variants import BUILT_WHEN_USED

PREDICATE_KINDS: Final = ("evidence", "counter_evidence", "unsure_evidence", "weak_evidence")
"""The lists of predicates in `Patterns`, in order of precedence."""

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]


class Patterns(BaseModel):
    """How a capability is recognised.

    Attributes:
        regex: RE2 patterns; the first match decides: the model has the capability, with a leading `!` it does not, with
            a leading `?` it stays unknown.
        lookup_table: Model id to capabilities.
        evidence: JMESPath predicates on the raw model object.
        counter_evidence: The same, denying the capability.
        unsure_evidence: The same, for models whose name says nothing about the capability: it stays unknown.
        weak_evidence: The same, stating the capability where nothing stronger decides.
    """

    model_config = BUILT_WHEN_USED

    regex: tuple[str, ...] = Field((), max_length=MAX_PATTERNS)
    lookup_table: dict[str, tuple[Name, ...]] = Field(default_factory=dict, max_length=MAX_LOOKUPS)
    evidence: tuple[Expression, ...] = Field((), max_length=MAX_PREDICATES)
    counter_evidence: tuple[Expression, ...] = Field((), max_length=MAX_PREDICATES)
    unsure_evidence: tuple[Expression, ...] = Field((), max_length=MAX_PREDICATES)
    weak_evidence: tuple[Expression, ...] = Field((), max_length=MAX_PREDICATES)

    @property
    def predicates(self) -> tuple[str, ...]:
        """The predicates of every kind."""
        return tuple(text for kind in PREDICATE_KINDS for text in getattr(self, kind))

    @field_validator("lookup_table", mode="before")
    @classmethod
    def _one_or_many(cls, table: Any) -> Any:
        if isinstance(table, Mapping):
            return {key: [value] if isinstance(value, str) else value for key, value in table.items()}
        return table


class CapabilityRule(BaseModel):
    """One capability and its patterns."""

    model_config = BUILT_WHEN_USED

    capability: Name
    patterns: Patterns


def _few_predicates(rules: Any) -> Any:
    """Refuse too much text before any of it is compiled."""
    found = [rule.get("patterns") for rule in rules if isinstance(rule, Mapping)]
    texts = [each.get(kind) for each in found if isinstance(each, Mapping) for kind in PREDICATE_KINDS]
    require_little_text(texts, "the predicates")
    return rules


def _bounded_together(rules: tuple[CapabilityRule, ...]) -> tuple[CapabilityRule, ...]:
    require_small_patterns(tuple(rule.patterns.regex for rule in rules))
    require_small_tables([rule.patterns.lookup_table for rule in rules])
    return rules


CapabilityRules = Annotated[
    tuple[CapabilityRule, ...],
    Field(max_length=MAX_CAPABILITIES),
    BeforeValidator(_few_predicates),
    AfterValidator(_bounded_together),
]
_CAPABILITY_RULES: Final[TypeAdapter[tuple[CapabilityRule, ...]]] = TypeAdapter(
    CapabilityRules, config=ConfigDict(defer_build=True)
)


def parse_capability_rules(rules: Any) -> tuple[CapabilityRule, ...]:
    """Capability rules in either written form.

    Raises:
        InvalidRuleError: One line naming the part that is wrong, and why.
    """
    try:
        return _CAPABILITY_RULES.validate_python(merged_capability_rules(rules))
    except ValidationError as error:
        raise InvalidRuleError(first_reason(error, "capability_rules")) from error
    except UnicodeEncodeError as error:
        raise InvalidRuleError("capability_rules: a text holds half of a surrogate pair") from error


def merged_capability_rules(rules: Any) -> list[Any]:
    """Capability rules of either form as a list sorted by capability, with the entries of one capability joined."""
    if isinstance(rules, Mapping):
        rules = [
            {"capability": name, **entry} if isinstance(entry, Mapping) else entry for name, entry in rules.items()
        ]
    if not isinstance(rules, (list, tuple)):
        raise InvalidRuleError(f"capability rules: expected a list or an object, got {type(rules).__name__}")
    merged: dict[str, dict[str, Any]] = {}
    for rule in rules:
        entry = rule.model_dump(mode="json", exclude_unset=True) if isinstance(rule, BaseModel) else rule
        if not isinstance(entry, Mapping) or not isinstance(entry.get("capability"), str):
            raise InvalidRuleError("capability rules: every entry must be an object that names its capability")
        seen = merged.get(entry["capability"])
        if seen is None:
            merged[entry["capability"]] = {"patterns": {}, **entry}
        else:
            seen["patterns"] = _joined(seen["patterns"], entry.get("patterns"))
    return [merged[name] for name in sorted(merged)]


def _joined(first: Any, second: Any) -> dict[str, Any]:
    if not isinstance(first, Mapping) or not isinstance(second, Mapping):
        raise InvalidRuleError("capability rules: patterns must be an object")
    joined = dict(first)
    for key, value in second.items():
        present = joined.get(key)
        if isinstance(present, Mapping) and isinstance(value, Mapping):
            joined[key] = {**present, **value}
        elif isinstance(present, (list, tuple)) and isinstance(value, (list, tuple)):
            joined[key] = [*present, *value]
        else:
            joined[key] = value
    return joined


def first_reason(error: ValidationError, what: str) -> str:
    """The first error of a document in one printable line; `what` names the document as a whole."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or what
    text = f"{where}: {first['msg'].removeprefix('Value error, ')}"
    return " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split())


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
