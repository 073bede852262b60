"""What an item's own metadata says about capabilities, as JMESPath predicates.

Here: booleans, lists of features, methods and parameters, types and tasks, modalities: recognised in the sample and
written as predicates. Not here: what names say (`../families.py`). The vocabulary is data (`data/signals.toml`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Shape, squashed
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import literal, path_expression, quote_key
from provider_pipeline.rules.values import BadValueError, read_modalities

_MAX_VALUES: Final = 40
_NEARLY_ALL: Final = 0.95
_WRITTEN: Final = (
    ("true", "false"),
    ("True", "False"),
    ("yes", "no"),
    ("Yes", "No"),
    ("YES", "NO"),
    ("Y", "N"),
    (1, 0),
    ("1", "0"),
)


@dataclass
class Predicates:
    """The predicates found for one capability.

    Args:
        evidence: Predicates that state the capability.
        counter: Predicates that deny it.
    """

    evidence: list[str] = field(default_factory=list)
    counter: list[str] = field(default_factory=list)


def capability_evidence(shape: Shape, fields: Mapping[str, str]) -> dict[str, Predicates]:
    """The predicates the sample's metadata allows, by capability.

    Args:
        shape: The shape of the items.
        fields: The field map chosen for them; its modalities are evidence too.
    """
    found: dict[str, Predicates] = {}
    for capability, predicate, holds in _statements(shape, fields):
        entry = found.setdefault(capability, Predicates())
        listed = entry.evidence if holds else entry.counter
        if predicate not in listed and len(listed) < _MAX_VALUES:
            listed.append(predicate)
    return dict(sorted(found.items()))


Statement = tuple[str, str, bool]
"""A capability, a predicate, and whether the predicate states it or denies it."""


def only_text(shape: Shape, fields: Mapping[str, str]) -> bool:
    """Whether nearly every item says that its model takes text and gives text."""
    for side in ("input_modalities", "output_modalities"):
        column = next((one for one in shape.columns.values() if one.expression == fields.get(side)), None)
        if column is None:
            return False
        texts = sum("text" in _named_modalities(value) for value in column.values)
        if texts < _NEARLY_ALL * shape.count:
            return False
    return True


def _statements(shape: Shape, fields: Mapping[str, str]) -> Iterator[Statement]:
    yield from _modalities(shape, fields)
    modalities = {fields.get("input_modalities"), fields.get("output_modalities")}
    for column in shape.columns.values():
        if column.expression in modalities:
            continue
        if column.share(bool) > 0.9 or _two_ways(column):
            yield from _boolean(column)
        elif column.share(list) > 0.9:
            yield from _list(column)
            yield from _tasks(column)
        elif column.share(str) > 0.9:
            yield from _tasks(column)
            yield from _joined_list(column)
    for column in shape.nested.values():
        if column.share(bool) > 0.9:
            yield from _nested_boolean(column)
        elif column.share(str) > 0.9:
            yield from _nested_text(column)


def _boolean(column: Column) -> Iterator[Statement]:
    signals = read_table("signals.toml")
    key = _key(column)
    if key in signals["boolean_parts"]["bare"] and len(column.path) > 1:
        key = squashed(column.path[-2])
    path = column.expression
    true, false = _two_ways(column) or ("`true`", "`false`")
    stems = _stems(key)
    for capability, names in signals["boolean"].items():
        if stems & set(names):
            yield capability, f"{path} == {true}", True
            yield capability, f"{path} == {false}", False
    for capability, names in signals["boolean_denies"].items():
        if key in names:
            yield capability, f"{path} == {true}", False


def _stems(key: str) -> set[str]:
    """The key, and what is left of it without the words that only say that a model has something."""
    parts = read_table("signals.toml")["boolean_parts"]
    found = {key, *(key.removeprefix(prefix) for prefix in parts["prefixes"])}
    return found | {text.removesuffix(suffix) for text in found for suffix in parts["suffixes"]}


def _two_ways(column: Column) -> tuple[str, str] | None:
    """How the column writes true and false, where it does not use booleans."""
    for true, false in _WRITTEN:
        if all(type(value) is type(true) and value in (true, false) for value in column.values):
            return literal(true), literal(false)
    return None


def _nested_boolean(column: Column) -> Iterator[Statement]:
    """A boolean in each of an item's offers: true if any offer has it, false if all that say so lack it."""
    array, key = path_expression(column.path[:-1]), quote_key(column.path[-1])
    stems = _stems(_key(column))
    for capability, names in read_table("signals.toml")["boolean"].items():
        if stems & set(names):
            yield capability, f"{array}[?{key} == `true`]", True
            yield capability, f"{array}[?{key} == `false`]", False


def _joined_list(column: Column) -> Iterator[Statement]:
    """A text that holds a list of features with commas between them."""
    signals = read_table("signals.toml")["features"]
    if _key(column) not in signals["keys"] or not any(
        "," in value for value in column.values if isinstance(value, str)
    ):
        return
    path = column.expression
    parts = {part for value in column.values if isinstance(value, str) for part in value.split(",")}
    for text in sorted(part for part in parts if 0 < len(part) <= 100):
        for capability, tokens in signals["values"].items():
            if squashed(text) in tokens:
                yield capability, f"contains(split({path}, ','), {literal(text)})", True


def _nested_text(column: Column) -> Iterator[Statement]:
    """A list of objects that name features or tasks: `functions[].id`."""
    signals = read_table("signals.toml")
    array = squashed(column.path[-2])
    if _key(column) not in ("id", "name", "type", "key") or array not in signals["features"]["arrays"]:
        return
    path, key = path_expression(column.path[:-1]), quote_key(column.path[-1])
    for text in _texts(column):
        predicate = f"{path}[?{key} == {literal(text)}]"
        for capability, tokens in signals["features"]["values"].items():
            if squashed(text) in tokens:
                yield capability, predicate, True


def _list(column: Column) -> Iterator[Statement]:
    signals = read_table("signals.toml")
    key, path = _key(column), column.expression
    texts = _texts(column)
    for kind in ("features", "parameters", "endpoints"):
        if key not in signals[kind]["keys"]:
            continue
        weak = signals[kind].get("weak", {})
        for capability, tokens in signals[kind]["values"].items():
            if key in signals[kind].get("loose", ()) and capability not in signals[kind]["loose_capabilities"]:
                continue
            held = [text for text in texts if squashed(text) in tokens]
            for text in held:
                yield capability, f"contains({path}, {literal(text)})", True
            if kind == "parameters":
                yield from _denied(capability, path, held or list(tokens[:1]))
            elif kind == "endpoints" and held and capability in ("chat", "embedding", "rerank"):
                unsure = [text for text in texts if squashed(text) in weak.get(capability, ())]
                yield from _denied(capability, path, [*held, *unsure])


def _denied(capability: str, path: str, texts: list[str]) -> Iterator[Statement]:
    parts = " && ".join(f"!contains({path}, {literal(text)})" for text in texts)
    yield capability, f"{path} && {parts}", False


def _tasks(column: Column) -> Iterator[Statement]:
    signals = read_table("signals.toml")["task"]
    parent = squashed(column.path[-2]) if len(column.path) > 1 else ""
    if _key(column) not in signals["keys"] and not (
        _key(column) in ("name", "id", "key") and parent in signals["parents"]
    ):
        return
    path = column.expression
    listed = column.share(list) > 0.9
    for text in _texts(column):
        token = squashed(text)
        for entry in signals["values"].values():
            if token in entry["tokens"]:
                predicate = f"contains({path}, {literal(text)})" if listed else f"{path} == {literal(text)}"
                for capability in entry["has"]:
                    yield capability, predicate, True
                if not listed:
                    for capability in entry["lacks"]:
                        yield capability, predicate, False


def _texts(column: Column) -> list[str]:
    """The different texts of a column, as themselves or as entries of lists, in the order of their first use."""
    seen: dict[str, None] = {}
    for value in column.values:
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, str) and 0 < len(entry) <= 100:
                seen.setdefault(entry)
        if len(seen) > 400:
            break
    return list(seen)


def _key(column: Column) -> str:
    key = column.path[-1]
    return key if key.startswith("_") else squashed(key)


def _modalities(shape: Shape, fields: Mapping[str, str]) -> Iterator[Statement]:
    sides = {side: _spelling(shape, fields.get(f"{side}_modalities")) for side in ("input", "output")}
    given, made = sides["input"], sides["output"]
    if given:
        path, spelt = given
        text_out = f" && contains({made[0]}, {literal(made[1]('text'))})" if made else ""
        for capability, modality in (("vision", "image"), ("audio_input", "audio")):
            predicate = f"contains({path}, {literal(spelt(modality))})"
            yield capability, predicate + (text_out if capability == "vision" else ""), True
            yield capability, f"{path} && !{predicate}", False
    if made:
        path, spelt = made
        for capability, modality in (("image_generation", "image"), ("video_generation", "video")):
            predicate = f"contains({path}, {literal(spelt(modality))})"
            yield capability, predicate, True
            yield capability, f"{path} && !{predicate}", False
        for modality in ("embedding", "embeddings"):
            yield "embedding", f"contains({path}, {literal(spelt(modality))})", True
        text = literal(spelt("text"))
        yield "chat", f"{path} && !contains({path}, {text})", False


def _named_modalities(value: Any) -> list[str]:
    """The modalities a value names; none where it cannot be stored."""
    try:
        return read_modalities(value) or []
    except BadValueError:
        return []


def _spelling(shape: Shape, expression: str | None) -> tuple[str, Any] | None:
    """A modality path, and how the listing spells a modality there."""
    if expression is None:
        return None
    column = next((one for one in shape.columns.values() if one.expression == expression), None)
    if column is None:
        return expression, lambda modality: modality
    if column.share((list, str)) < 0.9:
        return None
    by_name: dict[str, str] = {}
    for text in _texts(column):
        for name in _named_modalities([text]):
            by_name.setdefault(name, text)
    upper = all(text.isupper() for text in by_name.values()) and bool(by_name)
    return expression, lambda modality: by_name.get(modality, modality.upper() if upper else modality)
