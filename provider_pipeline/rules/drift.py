"""Finds the differences between the last good response and one that the rule no longer fits.

A renamed key or a moved list keeps its values, so vanished paths are matched by value with new ones.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Final, Literal

from provider_pipeline.errors import RuleTooCostlyError
from provider_pipeline.rules.document import Endpoint, ExtractionRule
from provider_pipeline.rules.extraction import ItemReader
from provider_pipeline.rules.generation.samples import candidates
from provider_pipeline.rules.generation.shape import Column, Shape, shape_of
from provider_pipeline.rules.issues import shown
from provider_pipeline.rules.language import Path, compile_expression, getter_within
from provider_pipeline.rules.limits import Work
from provider_pipeline.rules.matching import CompiledCapabilities
from provider_pipeline.rules.thresholds import Thresholds
from provider_pipeline.rules.values import json_type

MAX_DIFFERENCES: Final = 25
_SAME_VALUES: Final = 0.6
"""Share of a vanished path's values that a new path must hold to count as the renamed field."""
_MIN_FILL: Final = 0.05
"""Paths in a smaller share of the items are ignored."""
_HALF: Final = 0.5
_MIN_FACTOR: Final = 50
"""Values are rescaled if their median moved by at least this factor."""

Kind = Literal[
    "list_moved",
    "list_vanished",
    "field_renamed",
    "field_vanished",
    "field_thinned",
    "type_changed",
    "values_scaled",
    "ids_changed",
    "models_gone",
    "field_appeared",
]


@dataclass(frozen=True)
class Difference:
    """One structural difference.

    Attributes:
        kind: What happened.
        text: The same as a sentence.
        path: Where it was, as dotted keys.
        now: Where or what it is now, if anything.
        count: Items or models it concerns, `of` all.
    """

    kind: Kind
    text: str
    path: str
    now: str | None = None
    count: int = 0
    of: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def describe_drift(
    rule: ExtractionRule, before: Sequence[Any], after: Sequence[Any], *, endpoint: int = 0
) -> tuple[Difference, ...]:
    """Differences between two responses of one endpoint, most important first; empty if the rule is too costly.

    Args:
        rule: The rule that read the earlier response.
        before: The parsed pages of the last good response.
        after: The parsed pages of the response it no longer fits.
        endpoint: Position of the endpoint in the rule.
    """
    try:
        return _drift(rule, before, after, endpoint)
    except RuleTooCostlyError:
        return ()


def _drift(rule: ExtractionRule, before: Sequence[Any], after: Sequence[Any], endpoint: int) -> tuple[Difference, ...]:
    read = rule.endpoints[endpoint]
    select = ItemReader(read, CompiledCapabilities.of(rule), Thresholds.model_validate({})).items
    old_items, new_items = _items(select, before), _items(select, after)
    found: list[Difference] = []
    id_path = read.fields["id"]
    if not new_items and old_items:
        answers = [_answer(read, page) for page in after]
        moved = _best_list(answers)
        if moved is None:
            return (_list_vanished(read.selector, answers, len(old_items)),)
        selector, new_items = moved
        old_name, new_name = _container(read.selector), _container(selector)
        found.append(Difference("list_moved", f"`{old_name}` became `{new_name}`", old_name, new_name, len(new_items)))
    old, new = shape_of(old_items), shape_of(new_items)
    renamed = _renamed(old, new, first=id_path)
    found += _fields(old, new, renamed, used=set(read.fields.values()))
    found += _ids(id_path, renamed, old_items, new_items)
    return tuple(found[:MAX_DIFFERENCES])


def _items(select: Any, pages: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for page in pages:
        items = select(page)
        if isinstance(items, list):
            found += items
    return found


def _answer(endpoint: Endpoint, page: Any) -> Any:
    """The listing endpoint's own answer, without details."""
    return page.get("listing") if endpoint.detail is not None and isinstance(page, dict) else page


def _best_list(pages: Sequence[Any]) -> tuple[str, list[Any]] | None:
    listings = candidates(pages[0]) if pages else []
    if not listings:
        return None
    selector = listings[0].selector
    return selector, _items(compile_expression(selector), pages)


def _container(selector: str) -> str:
    return selector.split("[", 1)[0].removesuffix(".") or "the top-level list"


def _list_vanished(selector: str, after: Sequence[Any], models: int) -> Difference:
    answer = after[0] if after else None
    if isinstance(answer, dict):
        keys = ", ".join(f"`{shown(str(key))}`" for key in list(answer)[:6])
        came = f"an object with {keys}" if answer else "an empty object"
    elif isinstance(answer, list):
        came = f"a list of {len(answer)}" if answer else "an empty list"
    else:
        came = f"a JSON {json_type(answer)}"
    name = _container(selector)
    if any(compile_expression(selector)(page) == [] for page in after):
        return Difference("list_vanished", f"`{name}` is empty; it had {models} models", name, None, models, models)
    return Difference(
        "list_vanished", f"`{name}` with its {models} models is gone: the answer is {came}", name, None, models, models
    )


def _leaves(shape: Shape) -> dict[Path, Column]:
    """Columns that hold values rather than objects."""
    return {path: column for path, column in shape.columns.items() if column.share(dict) < 0.5}


def _renamed(old: Shape, new: Shape, *, first: str) -> dict[Path, Path]:
    """Vanished paths, each with the new path that holds its values; the id's path chooses first."""
    before, after = _leaves(old), _leaves(new)
    gone = [path for path in before if path not in after and old.fill(before[path]) >= _MIN_FILL]
    fresh = {path: _values(after[path]) for path in after if path not in before}
    gone.sort(key=lambda path: (".".join(path) != first, -len(before[path].values)))
    pairs: dict[Path, Path] = {}
    for path in gone:
        values = _values(before[path])
        scored = [
            (_overlap(values, theirs), _similarity(before[path], after[other]), ".".join(other), other)
            for other, theirs in fresh.items()
            if other not in pairs.values()
        ]
        best = max(scored, default=None, key=lambda entry: (round(entry[0], 1) + entry[1], entry[2]))
        if best is not None and best[0] >= _SAME_VALUES:
            pairs[path] = best[3]
    return pairs


def _values(column: Column) -> Counter[str]:
    return Counter(str(shown(value)) for value in column.values)


def _overlap(ours: Counter[str], theirs: Counter[str]) -> float:
    total = max(ours.total(), theirs.total())
    return (ours & theirs).total() / total if total else 0.0


def _similarity(ours: Column, theirs: Column) -> float:
    first, second = set(ours.words), set(theirs.words)
    return len(first & second) / len(first | second) if first | second else 0.0


def _fields(old: Shape, new: Shape, renamed: Mapping[Path, Path], *, used: set[str]) -> list[Difference]:
    before, after = _leaves(old), _leaves(new)
    found: list[tuple[bool, Difference]] = []
    for path, column in before.items():
        name, share = ".".join(path), old.fill(column)
        if share < _MIN_FILL:
            continue
        now = after.get(renamed.get(path, path))
        is_used = column.expression in used or any(name in text for text in used)
        if now is None:
            text = f"`{name}` vanished from {_all(len(column.values), old.count)} items"
            found.append((is_used, Difference("field_vanished", text, name, None, len(column.values), old.count)))
            continue
        here = ".".join(now.path)
        if now.path != path:
            text = f"`{name}` became `{here}` in {_all(len(now.values), new.count)} items"
            found.append((is_used, Difference("field_renamed", text, name, here, len(now.values), new.count)))
        found += [(is_used, each) for each in _changed(name, column, now, old, new)]
    fresh = [column for path, column in after.items() if path not in before and path not in renamed.values()]
    for column in sorted(fresh, key=lambda column: -len(column.values)):
        name = ".".join(column.path)
        if new.fill(column) >= _HALF:
            text = f"`{name}` is new, in {_all(len(column.values), new.count)} items"
            found.append((False, Difference("field_appeared", text, name, name, len(column.values), new.count)))
    order = {"field_vanished": 0, "field_renamed": 1, "type_changed": 2, "values_scaled": 3, "field_thinned": 4}
    found.sort(key=lambda entry: (not entry[0], order.get(entry[1].kind, 9), entry[1].path))
    return [difference for _, difference in found]


def _changed(name: str, column: Column, now: Column, old: Shape, new: Shape) -> list[Difference]:
    found = []
    was, is_now = _type(column), _type(now)
    if was != is_now:
        text = f"`{name}` changed from {was} to {is_now} in {_all(len(now.values), new.count)} items"
        found.append(Difference("type_changed", text, name, is_now, len(now.values), new.count))
    factor = _factor(column, now)
    if factor is not None and not 1 / _MIN_FACTOR < factor < _MIN_FACTOR:
        size = f"{factor:,.0f} times as large" if factor > 1 else f"{1 / factor:,.0f} times as small"
        text = f"the values of `{name}` are now about {size}"
        found.append(Difference("values_scaled", text, name, f"{factor:g}", len(now.values), new.count))
    if new.fill(now) < old.fill(column) * _HALF:
        text = (
            f"`{name}` is given in {len(now.values)} of {new.count} items; it was in {len(column.values)} of "
            f"{old.count}"
        )
        found.append(Difference("field_thinned", text, name, None, len(now.values), new.count))
    return found


def _type(column: Column) -> str:
    kinds = Counter("number" if json_type(v) in ("integer", "number") else json_type(v) for v in column.values)
    return kinds.most_common(1)[0][0] if kinds else "null"


def _factor(column: Column, now: Column) -> float | None:
    before, after = _numbers(column), _numbers(now)
    return median(after) / median(before) if before and after else None


def _numbers(column: Column) -> list[float]:
    found = []
    for value in column.values:
        try:
            number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else 0.0
        except (ValueError, OverflowError):
            continue
        if 0 < number < float("inf"):
            found.append(number)
    return found if len(found) >= _HALF * len(column.values) else []


def _ids(id_path: str, renamed: Mapping[Path, Path], old_items: list[Any], new_items: list[Any]) -> list[Difference]:
    now_at = next((".".join(new) for old, new in renamed.items() if ".".join(old) == id_path), id_path)
    before, after = _texts(id_path, old_items), _texts(now_at, new_items)
    if not before or not after:
        return []
    gone = before - after
    if len(gone) <= _HALF * len(before):
        if not gone:
            return []
        text = f"{len(gone)} of {len(before)} models are gone: {_named(gone)}"
        return [Difference("models_gone", text, id_path, None, len(gone), len(before))]
    tails: dict[str, str] = {_tail(model_id): model_id for model_id in sorted(after - before)}
    same = [(model_id, tails[_tail(model_id)]) for model_id in sorted(gone) if _tail(model_id) in tails]
    if len(same) >= _HALF * len(gone):
        old, new = same[0]
        text = f"ids are written in another form: `{shown(old)}` became `{shown(new)}`, {len(same)} of {len(before)}"
        return [Difference("ids_changed", text, id_path, new, len(same), len(before))]
    text = f"{len(gone)} of {len(before)} models are gone, other ones are there: {_named(after - before)}"
    return [Difference("models_gone", text, id_path, None, len(gone), len(before))]


def _texts(expression: str, items: Iterable[Any]) -> set[str]:
    get = getter_within(expression, Work())
    return {str(value) for item in items if isinstance(value := get(item), (str, int))}


def _tail(model_id: str) -> str:
    """The id without its owner, case and separators."""
    return "".join(character for character in model_id.rsplit("/", 1)[-1].lower() if character.isalnum())


def _named(ids: set[str]) -> str:
    first = sorted(ids)[:3]
    return ", ".join(f"`{shown(each)}`" for each in first) + (", …" if len(ids) > len(first) else "")


def _all(count: int, of: int) -> str:
    return f"all {of}" if count >= of else f"{count} of {of}"
