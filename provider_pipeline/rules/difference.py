"""The differences between two rules, as data, as lines and as Markdown. Rules without any have the same digest."""

import json
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.issues import code_span
from provider_pipeline.rules.rows import canonical_json

_SHOWN: Final = 400
_ABSENT: Final = object()
_SAME: Final = "The two rules are the same."
Key = TypeVar("Key", bound=Hashable)
Kind = Literal["added", "removed", "changed", "reordered"]


@dataclass(frozen=True)
class RuleDifference:
    """One part in which two rules differ.

    Attributes:
        part: Such as `selector` or `capabilities.chat.regex`; prefixed with the endpoint's path if there are several.
        kind: `reordered` if only the order differs, where order matters.
        before: The first rule's value; of a list of patterns, those only it has. None if added.
        after: The same for the second rule. None if removed.
    """

    part: str
    kind: Kind
    before: Any
    after: Any

    def line(self) -> str:
        """The difference as one line."""
        match self.kind:
            case "added":
                return f"{self.part}: added {_counted(self.after)}{_shown(self.after)}"
            case "removed":
                return f"{self.part}: removed {_counted(self.before)}{_shown(self.before)}"
            case "changed":
                return f"{self.part}: {_shown(self.before)} -> {_shown(self.after)}"
            case "reordered":
                return f"{self.part}: in another order"


def rule_differences(old: ExtractionRule, new: ExtractionRule) -> list[RuleDifference]:
    """The differences part by part, apart from provenance and the patterns shown from a pattern set.

    Endpoints are matched by path; if each rule has only one, those are compared whatever their paths.
    """
    return [*_endpoints(old, new), *_pattern_sets(old, new), *_capabilities(old, new)]


def difference_lines(differences: Sequence[RuleDifference]) -> list[str]:
    """One line of text per difference."""
    return [each.line() for each in differences] or [_SAME]


def difference_markdown(differences: Sequence[RuleDifference]) -> str:
    """The differences as a Markdown table."""
    if not differences:
        return f"{_SAME}\n"
    rows = [
        f"| {code_span(each.part)} | {each.kind} | {_cell(each.before)} | {_cell(each.after)} |" for each in differences
    ]
    return "\n".join(["| part | change | before | after |", "|---|---|---|---|", *rows, ""])


def _endpoints(old: ExtractionRule, new: ExtractionRule) -> Iterator[RuleDifference]:
    before, after = _by_path(old), _by_path(new)
    if len(before) == len(after) == 1:
        yield from _mappings("", *before.values(), *after.values())
        return
    for key in _joined(before, after):
        if key in before and key in after:
            yield from _mappings(f"{_label(key)}: ", before[key], after[key])
        else:
            yield from _values(f"endpoint {_label(key)}", before.get(key, _ABSENT), after.get(key, _ABSENT))
    yield from _orders("endpoints", [_label(key) for key in before], [_label(key) for key in after])


def _by_path(rule: ExtractionRule) -> dict[tuple[str | None, int], dict[str, Any]]:
    """The endpoints as documents, by path and by how often the path occurred before."""
    met: Counter[str | None] = Counter()
    found = {}
    for endpoint in rule.endpoints:
        found[endpoint.path, met[endpoint.path]] = endpoint.model_dump(mode="json", exclude_unset=True)
        met[endpoint.path] += 1
    return found


def _label(key: tuple[str | None, int]) -> str:
    path, repeated = key
    return f"{path or 'the base URL'}{f' ({repeated + 1})' if repeated else ''}"


def _pattern_sets(old: ExtractionRule, new: ExtractionRule) -> Iterator[RuleDifference]:
    before, after = (_ABSENT if rule.pattern_set is None else rule.pattern_set for rule in (old, new))
    if before is not after:
        yield from _values("pattern_set", before, after)


def _capabilities(old: ExtractionRule, new: ExtractionRule) -> Iterator[RuleDifference]:
    before, after = old.own_capabilities(), new.own_capabilities()
    for name in sorted(before.keys() | after.keys()):
        part = f"capabilities.{name}"
        if name in before and name in after:
            yield from _mappings(f"{part}.", before[name], after[name])
        else:
            yield from _values(part, before.get(name, _ABSENT), after.get(name, _ABSENT))


def _mappings(prefix: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[RuleDifference]:
    for name in _joined(before, after):
        part = f"{prefix}{'endpoint' if name == 'path' else name}"
        yield from _parts(part, before.get(name, _ABSENT), after.get(name, _ABSENT))


def _parts(part: str, before: Any, after: Any) -> Iterator[RuleDifference]:
    """Differences within a part: by entry if it is an object, by text if it is a list of texts."""
    given = [value for value in (before, after) if value is not _ABSENT]
    if all(isinstance(value, dict) and value for value in given):
        first, second = ({} if value is _ABSENT else value for value in (before, after))
        for name in _joined(first, second):
            yield from _values(f"{part}.{name}", first.get(name, _ABSENT), second.get(name, _ABSENT))
    elif len(given) == 2 and all(_is_texts(value) for value in given):
        yield from _texts(part, before, after)
    else:
        yield from _values(part, before, after)


def _joined(before: Mapping[Key, Any], after: Mapping[Key, Any]) -> list[Key]:
    return [*before, *(key for key in after if key not in before)]


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _texts(part: str, before: list[str], after: list[str]) -> Iterator[RuleDifference]:
    first, second = Counter(before), Counter(after)
    if gone := list((first - second).elements()):
        yield RuleDifference(part, "removed", gone, None)
    if come := list((second - first).elements()):
        yield RuleDifference(part, "added", None, come)
    yield from _orders(part, before, after)


def _orders(part: str, before: list[str], after: list[str]) -> Iterator[RuleDifference]:
    shared = Counter(before) & Counter(after)
    kept_before, kept_after = ([each for each in values if each in shared] for values in (before, after))
    if Counter(kept_before) == Counter(kept_after) and kept_before != kept_after:
        yield RuleDifference(part, "reordered", before, after)


def _values(part: str, before: Any, after: Any) -> Iterator[RuleDifference]:
    if before is _ABSENT:
        yield RuleDifference(part, "added", None, after)
    elif after is _ABSENT:
        yield RuleDifference(part, "removed", before, None)
    elif canonical_json(before) != canonical_json(after):
        yield RuleDifference(part, "changed", before, after)


def _counted(value: Any) -> str:
    return f"{len(value)}: " if isinstance(value, list) else ""


def _shown(value: Any) -> str:
    if _is_texts(value) and value:
        text = ", ".join(map(_shown, value))
    elif isinstance(value, str) and value.isprintable() and value:
        text = value
    else:
        text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def _cell(value: Any) -> str:
    return "" if value is None else code_span(_shown(value))
