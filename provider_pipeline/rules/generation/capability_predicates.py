"""Write capabilities stated by items' metadata as JMESPath predicates.

The vocabulary (keys and values of booleans, features, parameters, tasks, modalities) is data (`data/signals.toml`).
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from provider_pipeline.rules.capability_rules import PREDICATE_KINDS
from provider_pipeline.rules.generation.shape import MAX_TEXT, Column, Shape, key_of, texts_of
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import (
    Path,
    compile_expression,
    compiled,
    literal,
    path_expression,
    quote_key,
    squashed,
)
from provider_pipeline.rules.values import BadValueError, enum_word, read_modalities

STATES, DENIES, UNSURE, WEAK = PREDICATE_KINDS
Statement = tuple[str, str, str]
"""A capability, a predicate, and its kind, one of `PREDICATE_KINDS`."""

_MAX_PREDICATES: Final = 40
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

Predicates = dict[str, list[str]]
"""The predicates of one capability by `PREDICATE_KINDS`."""


def capability_evidence(shape: Shape, fields: Mapping[str, str]) -> dict[str, Predicates]:
    """The predicates that the sample's metadata supports, by capability; modalities of the field map count too."""
    found: dict[str, Predicates] = {}
    for capability, predicate, kind in _statements(shape, fields):
        listed = found.setdefault(capability, {}).setdefault(kind, [])
        if predicate not in listed and len(listed) < _MAX_PREDICATES:
            listed.append(predicate)
    return dict(sorted(found.items()))


def only_text(shape: Shape, fields: Mapping[str, str]) -> bool:
    """Whether nearly every item states text as its model's input and output."""
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
    booleans = [column for column in shape.columns.values() if column.share(bool) > 0.9 or _boolean_spelling(column)]
    stated = [statement for column in booleans for statement in _boolean(column, shape)]
    tasks = {column.path: list(task_statements(column)) for column in shape.columns.values() if column.share(str) > 0.9}
    never_chat = stated_tasks(tasks, "embedding", "rerank")
    elsewhere = [predicate for column in shape.columns.values() for predicate in other_features(column)]
    denied: dict[str, list[str]] = {}
    for capability, predicate, kind in stated:
        if kind == DENIES:
            denied.setdefault(capability, []).append(predicate)
    silent = [*denied.get("chat", ()), *stated_tasks(tasks, "chat", kind=DENIES)]
    for capability, predicate, kind in stated:
        # A model that takes images but does not chat is not a vision model: it edits or embeds them.
        contrary = {"vision": silent, "chat": never_chat}.get(capability, ())
        yield capability, predicate + (_unless(contrary) if kind == STATES else ""), kind
    for column in shape.columns.values():
        if column.expression in modalities:
            continue
        if column.share((dict, bool)) > 0.9:
            yield from _object(column, shape)
            yield from task_object_statements(column, shape)
        elif column.share(list) > 0.9:
            yield from _list(column, denied, never_chat)
            yield from task_statements(column)
        elif column.share(str) > 0.9:
            # Beside `"mode": "completion"`, a type `llm` is the broader word.
            others = {path: statements for path, statements in tasks.items() if path != column.path}
            broader = _unless(stated_tasks(others, "completion"))
            for capability, predicate, kind in tasks[column.path]:
                narrower = broader if capability == "chat" else _unless(elsewhere)
                yield capability, predicate + (narrower if kind == STATES else ""), kind
            yield from _comma_list(column)
    for column in shape.nested.values():
        if column.share(bool) > 0.9:
            yield from _nested_boolean(column)
        elif column.share(str) > 0.9:
            yield from _nested_text(column, shape)


def _capabilities_of(key: str, table: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """The capabilities for which the table lists the key, or its stem without words such as `supports`."""
    parts = read_table("signals.toml")["boolean_parts"]
    stems = {key, *(key.removeprefix(prefix) for prefix in parts["prefixes"])}
    stems |= {text.removesuffix(suffix) for text in stems for suffix in parts["suffixes"]}
    return (capability for capability, names in table.items() if stems & set(names))


def _boolean(column: Column, shape: Shape) -> Iterator[Statement]:
    signals = read_table("signals.toml")
    path, parts = column.expression, [*column.path]
    if squashed(parts[-1]) in signals["boolean_parts"]["bare"] and len(parts) > 1:
        del parts[-1]
    key = parts[-1] if parts[-1].startswith("_") else squashed(parts[-1])
    around = [squashed(part) for part in parts[:-1]]
    if set(around) & set(signals["boolean_parts"]["foreign"]):
        return
    true, false = _boolean_spelling(column) or ("`true`", "`false`")
    side, medium = _side_and_medium(key, around[-1] if around else "")
    table = signals["boolean"] if side is None else signals["sides"][f"{side}_media"]
    denies = [capability for capability, names in signals["boolean_denies"].items() if key in names]
    tools = signals["boolean_tools"]
    for capability in _capabilities_of(medium or key, table):
        if capability in tools["tools"] and any(
            path[:-1] == column.path[:-1] and squashed(path[-1]) in tools["beside"] for path in shape.columns
        ):
            continue
        yield capability, f"{path} == {true}", STATES
        if not denies:
            yield capability, f"{path} == {false}", DENIES
    for capability in denies:
        yield capability, f"{path} == {true}", DENIES
    if (side, medium) == ("output", "text"):
        yield "chat", f"{path} == {false}", DENIES


def _side_and_medium(key: str, parent: str) -> tuple[str | None, str | None]:
    """Side and medium of keys such as `output.audio` or `audio.output`; nothing for other keys."""
    sides = read_table("signals.toml")["sides"]
    for side in ("input", "output"):
        for outer, inner in ((parent, key), (key, parent)):
            if outer in sides[side] and inner in sides["media"]:
                return side, inner
    return None, None


def _object(column: Column, shape: Shape) -> Iterator[Statement]:
    """An object under a capability's name: its entries or settings for the capability state it."""
    signals = read_table("signals.toml")
    around = {squashed(part) for part in column.path[:-1]}
    if not column.share(dict) or around & set(signals["boolean_parts"]["foreign"]):
        return
    abilities = {name: signals["boolean"][name] for name in signals["boolean_parts"]["objects"]}
    capabilities = list(_capabilities_of(key_of(column), abilities))
    parts = [other for path, other in shape.columns.items() if path[:-1] == column.path] if capabilities else []
    if any(part.share(bool) and squashed(part.path[-1]) in signals["boolean_parts"]["bare"] for part in parts):
        return
    refusals = " && ".join(f"@ != {literal(word)}" for word in signals["boolean_parts"]["refusals"])
    for part in parts:
        if part.share(bool) == 1:
            predicate = f"{part.expression} == `true`"
        elif part.share(list) == 1:
            predicate = f"{part.expression}[?{refusals}]"
        elif part.share((int, float)) == 1:
            predicate = f"{part.expression} > `0`"
        else:
            continue
        for capability in capabilities:
            yield capability, predicate, STATES


def _boolean_spelling(column: Column) -> tuple[str, str] | None:
    """How the column writes true and false, if not as JSON booleans."""
    for true, false in _BOOLEAN_SPELLINGS:
        if all(type(value) is type(true) and value in (true, false) for value in column.values):
            return literal(true), literal(false)
    return None


def _nested_boolean(column: Column) -> Iterator[Statement]:
    """A boolean in each of an item's offers: one that has it states the capability; one that lacks it denies it."""
    array, key = path_expression(column.path[:-1]), quote_key(column.path[-1])
    for capability in _capabilities_of(key_of(column), read_table("signals.toml")["boolean"]):
        yield capability, f"{array}[?{key} == `true`]", STATES
        yield capability, f"{array}[?{key} == `false`]", DENIES


def _nested_text(column: Column, shape: Shape) -> Iterator[Statement]:
    """A list of objects that name features or tasks: `functions[].id`; a boolean beside the name may deny it."""
    features = read_table("signals.toml")["features"]
    if key_of(column) not in ("id", "name", "type", "key") or squashed(column.path[-2]) not in features["arrays"]:
        return
    path, key = path_expression(column.path[:-1]), quote_key(column.path[-1])
    bare = read_table("signals.toml")["boolean_parts"]["bare"]
    flags = [
        quote_key(other.path[-1])
        for other in shape.nested.values()
        if other.path[:-1] == column.path[:-1] and squashed(other.path[-1]) in bare and other.share(bool) == 1
    ]
    for text in texts_of(column):
        named = f"{key} == {literal(text)}"
        for capability in _listing(text, features["values"]):
            yield capability, f"{path}[?{' && '.join([named, *flags])}]", STATES
            for flag in flags:
                yield capability, f"{path}[?{named} && !{flag}]", DENIES


def _listing(text: str, values: Mapping[str, Iterable[str]]) -> list[str]:
    """The capabilities whose tokens include the text."""
    token = squashed(enum_word(text))
    return [capability for capability, tokens in values.items() if token in tokens]


def _comma_list(column: Column) -> Iterator[Statement]:
    """A text that holds a comma-separated list of features."""
    features = read_table("signals.toml")["features"]
    texts = [value for value in column.values if isinstance(value, str)]
    if key_of(column) not in features["keys"] or not any("," in text for text in texts):
        return
    parts = {part for text in texts for part in text.split(",")}
    for part in sorted(part for part in parts if 0 < len(part) <= MAX_TEXT):
        for capability in _listing(part, features["values"]):
            yield capability, f"contains(split({column.expression}, ','), {literal(part)})", STATES


def _list(column: Column, denied: Mapping[str, list[str]], never_chat: Sequence[str]) -> Iterator[Statement]:
    """A list of features, parameters or endpoints.

    Args:
        column: The list.
        denied: Capabilities denied by booleans, which parameters don't override.
        never_chat: Predicates of items that don't chat, regardless of their features.
    """
    signals = read_table("signals.toml")
    key, path = key_of(column), column.expression
    texts = texts_of(column)
    for kind in ("features", "parameters", "endpoints"):
        if key not in signals[kind]["keys"]:
            continue
        weak, all_weak = signals[kind].get("weak", {}), key in signals[kind].get("weak_keys", ())
        for capability, tokens in weak.items():
            for text in texts:
                if squashed(text) in tokens:
                    yield capability, f"contains({path}, {literal(text)})", WEAK
        for capability, tokens in signals[kind]["values"].items():
            if key in signals[kind].get("loose", ()) and capability not in signals[kind]["loose_capabilities"]:
                continue
            held = [text for text in texts if squashed(enum_word(text)) in tokens]
            unless = _unless(denied.get(capability, ())) if kind == "parameters" else ""
            if kind == "features" and capability == "chat":
                unless = _unless(never_chat)
                yield from _other_purposes(path, texts, held)
            for text in held:
                yield capability, f"contains({path}, {literal(text)}){unless}", WEAK if all_weak else STATES
            # A list of endpoints is complete, if it is the model's own; lists of features and parameters often are not.
            # But where parameters name the capability for other models, the name alone is not believed.
            if kind == "parameters" and held:
                yield capability, _lacking(path, held), UNSURE
            if kind == "endpoints" and held and not all_weak and capability in ("chat", "embedding", "rerank"):
                unsure = [text for text in texts if squashed(text) in weak.get(capability, ())]
                yield capability, _lacking(path, [*held, *unsure]), DENIES


def _other_purposes(path: str, texts: Sequence[str], chat: Sequence[str]) -> Iterator[Statement]:
    """If features name chat for some models, others with another purpose are not chat models by name alone."""
    features = read_table("signals.toml")["features"]
    others = [
        text
        for text in texts
        if text not in chat and set(_listing(text, features["values"])) & set(features["purposes"])
    ]
    if chat and others:
        named = " || ".join(f"contains({path}, {literal(text)})" for text in others)
        yield "chat", f"({named}) && {_lacking(path, chat)}", UNSURE


def _lacking(path: str, texts: Iterable[str]) -> str:
    """The predicate of items whose list has none of the texts."""
    return f"{path} && " + " && ".join(f"!contains({path}, {literal(text)})" for text in texts)


def _unless(predicates: Iterable[str]) -> str:
    return "".join(f" && !({predicate})" for predicate in predicates)


def _modalities(shape: Shape, fields: Mapping[str, str]) -> Iterator[Statement]:
    taken, given = (_spelling(shape, fields.get(f"{side}_modalities")) for side in ("input", "output"))
    if taken:
        path, spelt, named = taken
        text_out = f" && contains({given[0]}, {literal(given[1]('text'))})" if given else ""
        for capability, modality in (("vision", "image"), ("audio_input", "audio")):
            predicate = f"contains({path}, {literal(spelt(modality))})"
            yield capability, predicate + (text_out if capability == "vision" else ""), STATES
            yield capability, f"{path} && !{predicate}", DENIES if modality in named else UNSURE
        column = shape.column_at(path)
        for text in texts_of(column) if column is not None else ():
            # Unlike `file`, which may be any document.
            if squashed(enum_word(text)) in read_table("signals.toml")["sides"]["input_media"]["pdf_input"]:
                yield "pdf_input", f"contains({path}, {literal(text)})", STATES
    if given:
        path, spelt, named = given
        for capability, modality in (
            ("image_generation", "image"),
            ("video_generation", "video"),
            ("audio_output", "audio"),
        ):
            predicate = f"contains({path}, {literal(spelt(modality))})"
            yield capability, predicate, STATES
            yield capability, f"{path} && !{predicate}", DENIES if modality in named else UNSURE
        for modality in ("embedding", "embeddings"):
            yield "embedding", f"contains({path}, {literal(spelt(modality))})", STATES
        yield "chat", f"{path} && !contains({path}, {literal(spelt('text'))})", DENIES


def _named_modalities(value: Any) -> list[str]:
    """The modalities a value names; none where it cannot be stored."""
    try:
        return read_modalities(value) or []
    except BadValueError:
        return []


def _modalities_by(shape: Shape, expression: str) -> set[str]:
    """The modalities found in the sample by an expression other than a plain path, such as a part of a text."""
    read = compiled(expression)
    named: set[str] = set()
    for path in read.paths:
        for text in texts_of(shape.columns.get(path, Column(path))):
            item: Any = text
            for key in reversed(path):
                item = {key: item}
            named.update(_named_modalities(compile_expression(expression)(item)))
    return named


def _spelling(shape: Shape, expression: str | None) -> tuple[str, Callable[[str], str], Container[str]] | None:
    """A modality path, how the listing spells a modality there, and the modalities that it names."""
    if expression is None:
        return None
    column = shape.column_at(expression)
    if column is None:
        return expression, lambda modality: modality, _modalities_by(shape, expression)
    if column.share((list, str)) < 0.9:
        return None
    by_name: dict[str, str] = {}
    for text in texts_of(column):
        for name in _named_modalities([text]):
            by_name.setdefault(name, text)
    upper = all(text.isupper() for text in by_name.values()) and bool(by_name)
    prefixes = {text.removesuffix(enum_word(text)) for text in by_name.values()}
    prefix = prefixes.pop() if len(prefixes) == 1 else ""
    return expression, lambda modality: by_name.get(modality, prefix + modality.upper() if upper else modality), by_name


def task_statements(column: Column) -> Iterator[Statement]:
    """The statements of a column, if it is one of tasks."""
    signals = read_table("signals.toml")["task"]
    key, path = key_of(column), column.expression
    parent = squashed(column.path[-2]) if len(column.path) > 1 else ""
    if key not in signals["keys"] and not (key in ("name", "id", "key") and parent in signals["parents"]):
        return
    listed, medium = column.share(list) > 0.9, key in signals["medium_keys"]
    others = {*signals["other"]["tokens"], *_unknown_tasks(column)}
    tokens = {text: squashed(enum_word(text)) for text in texts_of(column)}
    broad = signals["broad_tokens"] if "chat" in tokens.values() else ()
    for text, token in tokens.items():
        predicate = f"contains({path}, {literal(text)})" if listed else f"{path} == {literal(text)}"
        weak = medium or token in signals["medium_tokens"] or token in broad
        for entry in task_meanings(token):
            for capability in entry.get("has", ()):
                yield capability, predicate, WEAK if weak else STATES
            for capability in entry.get("weak", ()):
                yield capability, predicate, WEAK
            if not listed and not weak:
                for capability in entry["lacks"]:
                    yield capability, predicate, DENIES
                for capability in entry.get("unsure", ()):
                    yield capability, predicate, UNSURE
        if not listed and token in others:
            for capability in signals["other"]["unsure"]:
                yield capability, predicate, UNSURE


def task_meanings(token: str) -> list[Mapping[str, Any]]:
    """The meanings of a task; `reRankModels` equals `rerank`."""
    entries = read_table("signals.toml")["task"]["values"].values()
    plain = token.removesuffix("s").removesuffix("model")
    return [entry for entry in entries if token in entry["tokens"]] or [
        entry for entry in entries if plain in entry["tokens"]
    ]


def task_object_statements(column: Column, shape: Shape) -> Iterator[Statement]:
    """A task with its settings (`model_type: {"reranker": {...}}`): the key names it."""
    signals = read_table("signals.toml")["task"]
    if key_of(column) not in signals["task_keys"]:
        return
    for path, inner in shape.columns.items():
        if path[:-1] == column.path and inner.share(dict) == 1:
            for entry in task_meanings(squashed(path[-1])):
                for capability in entry.get("has", ()):
                    yield capability, f"{inner.expression} != `null`", STATES
                for capability in entry["lacks"]:
                    yield capability, f"{inner.expression} != `null`", DENIES


def _unknown_tasks(column: Column) -> set[str]:
    """The tasks that are unknown in a column that otherwise names known tasks of several kinds."""
    signals = read_table("signals.toml")["task"]
    kinds = {token: name for name, entry in signals["values"].items() for token in entry["tokens"]}
    tokens = [squashed(enum_word(value)) for value in column.values if isinstance(value, str)]
    known = [kinds[token] for token in tokens if token in kinds]
    if key_of(column) not in signals["task_keys"] or len(set(known)) < 2 or 2 * len(known) < len(tokens):
        return set()
    return {token for token in tokens if token not in kinds}


def other_features(column: Column) -> Iterator[str]:
    """Predicates of items whose features name a purpose outside the capabilities (`["ocr"]`)."""
    signals = read_table("signals.toml")
    if key_of(column) in signals["features"]["keys"] and column.share(list) > 0.9:
        for text in texts_of(column):
            if squashed(enum_word(text)) in signals["task"]["other"]["tokens"]:
                yield f"contains({column.expression}, {literal(text)})"


def stated_tasks(tasks: Mapping[Path, list[Statement]], *capabilities: str, kind: str = STATES) -> list[str]:
    """The predicates of items whose only task is one of these; it outweighs features, which some give to all."""
    stated = [statement for statements in tasks.values() for statement in statements if statement[2] == kind]
    return list(dict.fromkeys(predicate for capability, predicate, _ in stated if capability in capabilities))
