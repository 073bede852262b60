"""Write what an item's metadata says about capabilities as JMESPath predicates.

The vocabulary (keys and values of booleans, features, parameters, tasks, modalities) is data (`data/signals.toml`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from provider_pipeline.rules.generation.shape import Column, Shape, squashed
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import literal, path_expression, quote_key
from provider_pipeline.rules.values import BadValueError, enum_word, read_modalities

_MAX_PREDICATES: Final = 40
_MAX_TEXTS: Final = 400
_MAX_TEXT: Final = 100
_NEARLY_ALL: Final = 0.95
_BOOLEAN_SPELLINGS: Final = (
    ("true", "false"),
    ("True", "False"),
    ("yes", "no"),
    ("Yes", "No"),
    ("YES", "NO"),
    ("Y", "N"),
    (1, 0),
    ("1", "0"),
)

Statement = tuple[str, str, bool]
"""A capability, a predicate, and whether the predicate states the capability or denies it."""


@dataclass
class Predicates:
    """The predicates of one capability: those that state it, and those that deny it."""

    evidence: list[str] = field(default_factory=list)
    counter: list[str] = field(default_factory=list)


def capability_evidence(shape: Shape, fields: Mapping[str, str]) -> dict[str, Predicates]:
    """The predicates that the sample's metadata supports, by capability; modalities of the field map count too."""
    found: dict[str, Predicates] = {}
    for capability, predicate, holds in _statements(shape, fields):
        entry = found.setdefault(capability, Predicates())
        listed = entry.evidence if holds else entry.counter
        if predicate not in listed and len(listed) < _MAX_PREDICATES:
            listed.append(predicate)
    return dict(sorted(found.items()))


def only_text(shape: Shape, fields: Mapping[str, str]) -> bool:
    """Whether nearly every item says that its model takes text and gives text."""
    for side in ("input_modalities", "output_modalities"):
        column = shape.column_at(fields.get(side))
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
        if column.share(bool) > 0.9 or _boolean_spelling(column):
            yield from _boolean(column)
        elif column.share(list) > 0.9:
            yield from _list(column)
            yield from _tasks(column)
        elif column.share(str) > 0.9:
            yield from _tasks(column)
            yield from _comma_list(column)
    for column in shape.nested.values():
        if column.share(bool) > 0.9:
            yield from _nested_boolean(column)
        elif column.share(str) > 0.9:
            yield from _nested_text(column)


def _key(column: Column) -> str:
    key = column.path[-1]
    return key if key.startswith("_") else squashed(key)


def _texts(column: Column) -> list[str]:
    """The distinct texts of a column, alone or in lists, in the order of first appearance."""
    seen: dict[str, None] = {}
    for value in column.values:
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, str) and 0 < len(entry) <= _MAX_TEXT:
                seen.setdefault(entry)
        if len(seen) > _MAX_TEXTS:
            break
    return list(seen)


def _capabilities_of(key: str, table: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """The capabilities for which the table lists the key, or its stem without words such as `supports`."""
    parts = read_table("signals.toml")["boolean_parts"]
    stems = {key, *(key.removeprefix(prefix) for prefix in parts["prefixes"])}
    stems |= {text.removesuffix(suffix) for text in stems for suffix in parts["suffixes"]}
    return (capability for capability, names in table.items() if stems & set(names))


def _boolean(column: Column) -> Iterator[Statement]:
    signals = read_table("signals.toml")
    key, path = _key(column), column.expression
    if key in signals["boolean_parts"]["bare"] and len(column.path) > 1:
        key = squashed(column.path[-2])
    true, false = _boolean_spelling(column) or ("`true`", "`false`")
    for capability in _capabilities_of(key, signals["boolean"]):
        yield capability, f"{path} == {true}", True
        yield capability, f"{path} == {false}", False
    for capability, names in signals["boolean_denies"].items():
        if key in names:
            yield capability, f"{path} == {true}", False


def _boolean_spelling(column: Column) -> tuple[str, str] | None:
    """How the column writes true and false, if not as JSON booleans."""
    for true, false in _BOOLEAN_SPELLINGS:
        if all(type(value) is type(true) and value in (true, false) for value in column.values):
            return literal(true), literal(false)
    return None


def _nested_boolean(column: Column) -> Iterator[Statement]:
    """A boolean in each of an item's offers: one that has it states the capability; one that lacks it denies it."""
    array, key = path_expression(column.path[:-1]), quote_key(column.path[-1])
    for capability in _capabilities_of(_key(column), read_table("signals.toml")["boolean"]):
        yield capability, f"{array}[?{key} == `true`]", True
        yield capability, f"{array}[?{key} == `false`]", False


def _nested_text(column: Column) -> Iterator[Statement]:
    """A list of objects that name features or tasks: `functions[].id`."""
    features = read_table("signals.toml")["features"]
    if _key(column) not in ("id", "name", "type", "key") or squashed(column.path[-2]) not in features["arrays"]:
        return
    path, key = path_expression(column.path[:-1]), quote_key(column.path[-1])
    for text in _texts(column):
        for capability in _listing(text, features["values"]):
            yield capability, f"{path}[?{key} == {literal(text)}]", True


def _listing(text: str, values: Mapping[str, Iterable[str]]) -> list[str]:
    """The capabilities whose tokens include the text."""
    token = squashed(enum_word(text))
    return [capability for capability, tokens in values.items() if token in tokens]


def _comma_list(column: Column) -> Iterator[Statement]:
    """A text that holds a comma-separated list of features."""
    features = read_table("signals.toml")["features"]
    texts = [value for value in column.values if isinstance(value, str)]
    if _key(column) not in features["keys"] or not any("," in text for text in texts):
        return
    parts = {part for text in texts for part in text.split(",")}
    for part in sorted(part for part in parts if 0 < len(part) <= _MAX_TEXT):
        for capability in _listing(part, features["values"]):
            yield capability, f"contains(split({column.expression}, ','), {literal(part)})", True


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
            held = [text for text in texts if squashed(enum_word(text)) in tokens]
            for text in held:
                yield capability, f"contains({path}, {literal(text)})", True
            # Lists of parameters and endpoints are complete, so what they lack is denied; lists of features are not.
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
    key, path = _key(column), column.expression
    parent = squashed(column.path[-2]) if len(column.path) > 1 else ""
    if key not in signals["keys"] and not (key in ("name", "id", "key") and parent in signals["parents"]):
        return
    listed = column.share(list) > 0.9
    for text in _texts(column):
        token = squashed(enum_word(text))
        for entry in signals["values"].values():
            if token in entry["tokens"]:
                predicate = f"contains({path}, {literal(text)})" if listed else f"{path} == {literal(text)}"
                for capability in entry["has"]:
                    yield capability, predicate, True
                if not listed:
                    for capability in entry["lacks"]:
                        yield capability, predicate, False


def _modalities(shape: Shape, fields: Mapping[str, str]) -> Iterator[Statement]:
    taken, given = (_spelling(shape, fields.get(f"{side}_modalities")) for side in ("input", "output"))
    if taken:
        path, spelt = taken
        text_out = f" && contains({given[0]}, {literal(given[1]('text'))})" if given else ""
        for capability, modality in (("vision", "image"), ("audio_input", "audio")):
            predicate = f"contains({path}, {literal(spelt(modality))})"
            yield capability, predicate + (text_out if capability == "vision" else ""), True
            yield capability, f"{path} && !{predicate}", False
    if given:
        path, spelt = given
        for capability, modality in (("image_generation", "image"), ("video_generation", "video")):
            predicate = f"contains({path}, {literal(spelt(modality))})"
            yield capability, predicate, True
            yield capability, f"{path} && !{predicate}", False
        for modality in ("embedding", "embeddings"):
            yield "embedding", f"contains({path}, {literal(spelt(modality))})", True
        yield "chat", f"{path} && !contains({path}, {literal(spelt('text'))})", False


def _named_modalities(value: Any) -> list[str]:
    """The modalities a value names; none where it cannot be stored."""
    try:
        return read_modalities(value) or []
    except BadValueError:
        return []


def _spelling(shape: Shape, expression: str | None) -> tuple[str, Callable[[str], str]] | None:
    """A modality path, and how the listing spells a modality there."""
    if expression is None:
        return None
    column = shape.column_at(expression)
    if column is None:
        return expression, lambda modality: modality
    if column.share((list, str)) < 0.9:
        return None
    by_name: dict[str, str] = {}
    for text in _texts(column):
        for name in _named_modalities([text]):
            by_name.setdefault(name, text)
    upper = all(text.isupper() for text in by_name.values()) and bool(by_name)
    prefixes = {text.removesuffix(enum_word(text)) for text in by_name.values()}
    prefix = prefixes.pop() if len(prefixes) == 1 else ""
    return expression, lambda modality: by_name.get(modality, prefix + modality.upper() if upper else modality)
