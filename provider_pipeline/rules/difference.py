"""How two rules differ: part by part, as data, lines and Markdown, and in the URLs they request.

Rules without a difference have the same digest. Changing what is requested needs approval.
"""

import json
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.generation.pagination import stays_on_its_path
from provider_pipeline.rules.issues import code_span
from provider_pipeline.rules.pagination import NoPagination, OffsetPagination, Pagination, parse_pagination
from provider_pipeline.rules.rows import canonical_json

_SHOWN: Final = 400
_PARTS: Final = ("path", "detail", "pagination")
_SHOWN_OF_PLACE: Final = 300
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

    Endpoints are matched by path; if each rule has only one, they are compared even if their paths differ.
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


@dataclass(frozen=True)
class _Place:
    """Everything that determines the URLs of an endpoint.

    Attributes:
        path: The endpoint's path.
        detail: The path of the models' own answers, if any.
        ids: The selector and id field that fill in that path, if any.
        pagination: Without a `total` that only checks completeness.
    """

    path: str
    detail: str | None
    ids: tuple[str, str] | None
    pagination: Pagination

    def __str__(self) -> str:
        parts = [self.path or "the base URL"]
        if self.detail is not None:
            parts.append(f"with each model at {self.detail}")
        if self.ids is not None:
            parts.append(f"whose ids are {' of '.join(reversed(self.ids))}")
        if not isinstance(self.pagination, NoPagination):
            parts.append(f"paged by {canonical_json(self.pagination.model_dump(mode='json', exclude_none=True))}")
        text = ", ".join(parts)
        return text if len(text) <= _SHOWN_OF_PLACE else f"{text[:_SHOWN_OF_PLACE]} ..."


def place_changes(active: ExtractionRule | None, candidate: ExtractionRule, *, generated: bool = False) -> list[str]:
    """Requests that only the candidate or only the active rule makes, one line each.

    Args:
        active: The rule whose requests a person approved, if any.
        candidate: The rule that would replace it.
        generated: Whether our generator wrote the candidate. Then its pagination may differ if it stays on the path,
            because the parameter is from the shipped vocabulary and its value from a field beside the list. The ids in
            the models' detail requests may differ too, because they come from the listing.
    """
    ours = [_place(endpoint) for endpoint in active.endpoints] if active is not None else []
    theirs = [_as_agreed(endpoint, ours) if generated else _place(endpoint) for endpoint in candidate.endpoints]
    before, after = Counter(ours), Counter(theirs)
    return [*(f"asks {each}" for each in after - before), *(f"no longer asks {each}" for each in before - after)]


def with_places_of(rule: ExtractionRule, active: ExtractionRule) -> ExtractionRule:
    """The rule, with omitted paths, details and pagination copied from the active rule.

    They come from the endpoint of the same path or, if it states none, in the same position.
    """
    return rule.model_copy(update={"endpoints": tuple(_completed(rule, active))})


def without_asking_hints(rule: ExtractionRule) -> ExtractionRule:
    """The rule without its pagination's hints for other servers' behaviour: `also` and `whole`."""

    def plain(endpoint: Endpoint) -> Endpoint:
        if endpoint.pagination is None:
            return endpoint
        kept = {key: value for key, value in endpoint.pagination.items() if key not in ("also", "whole")}
        return endpoint.model_copy(update={"pagination": kept})

    return rule.model_copy(update={"endpoints": tuple(map(plain, rule.endpoints))})


def _completed(rule: ExtractionRule, active: ExtractionRule) -> Iterator[Endpoint]:
    known = {endpoint.path: endpoint for endpoint in active.endpoints}
    in_step = len(rule.endpoints) == len(active.endpoints)
    for position, endpoint in enumerate(rule.endpoints):
        if endpoint.path is not None:
            ours = known.get(endpoint.path)
        else:
            ours = active.endpoints[position] if in_step else None
        stated = endpoint.model_fields_set - ({"path"} if endpoint.path is None else set())
        if ours is None:
            yield endpoint
        else:
            left_open = [name for name in _PARTS if name not in stated and name in ours.model_fields_set]
            yield endpoint.model_copy(update={name: getattr(ours, name) for name in left_open})


def _place(endpoint: Endpoint) -> _Place:
    pagination = parse_pagination(endpoint.pagination)
    if isinstance(pagination, NoPagination):
        pagination = NoPagination()
    elif not isinstance(pagination, OffsetPagination):
        pagination = pagination.model_copy(update={"total": None})
    return _Place(
        path=endpoint.path or "",
        detail=None if endpoint.detail is None else endpoint.detail.path,
        ids=None if endpoint.detail is None else (endpoint.selector, endpoint.fields["id"]),
        pagination=pagination,
    )


def _as_agreed(endpoint: Endpoint, agreed: list[_Place]) -> _Place:
    """The approved place that a generated endpoint is equivalent to, else its own."""
    place = _place(endpoint)
    for each in agreed:
        if (each.path, each.detail) == (place.path, place.detail) and (
            # The field that holds the next page's URL may have another name.
            stays_on_its_path(place.pagination) or each.pagination.type == place.pagination.type
        ):
            return each
    return place
