"""What an item's task, type or mode says about capabilities, as JMESPath predicates.

The words of tasks are data (`data/signals.toml`).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from provider_pipeline.rules.capability_rules import PREDICATE_KINDS
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.language import Path, literal, squashed
from provider_pipeline.rules.values import enum_word

_MAX_TEXTS: Final = 400
MAX_TEXT: Final = 100

Statement = tuple[str, str, str]
"""A capability, a predicate, and what it says: one of `PREDICATE_KINDS`."""

STATES, DENIES, UNSURE, WEAK = PREDICATE_KINDS


def key_of(column: Column) -> str:
    """The last key as the data files write it; those that selectors write stay as they are."""
    key = column.path[-1]
    return key if key.startswith("_") else squashed(key)


def texts_of(column: Column) -> list[str]:
    """The distinct texts of a column, alone or in lists, in the order of first appearance."""
    seen: dict[str, None] = {}
    for value in column.values:
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, str) and 0 < len(entry) <= MAX_TEXT:
                seen.setdefault(entry)
        if len(seen) > _MAX_TEXTS:
            break
    return list(seen)


def task_statements(column: Column) -> Iterator[Statement]:
    """What a column of tasks says, if it is one."""
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
    """What a task says; `reRankModels` says the same as `rerank`."""
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
    """Predicates of items whose features name a purpose that is none of the capabilities (`["ocr"]`)."""
    signals = read_table("signals.toml")
    if key_of(column) in signals["features"]["keys"] and column.share(list) > 0.9:
        for text in texts_of(column):
            if squashed(enum_word(text)) in signals["task"]["other"]["tokens"]:
                yield f"contains({column.expression}, {literal(text)})"


def stated_tasks(tasks: Mapping[Path, list[Statement]], *capabilities: str, kind: str = STATES) -> list[str]:
    """The predicates of items whose one task is one of these: it is stronger than features, which some give to all."""
    stated = [statement for statements in tasks.values() for statement in statements if statement[2] == kind]
    return list(dict.fromkeys(predicate for capability, predicate, _ in stated if capability in capabilities))
