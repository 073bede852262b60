"""The rule language: JMESPath, compiled once, bounded, and fast on plain paths.

Here: parsing with limits, and three extra functions. Not here: the closures that run common expressions fast
(`closures.py`), and what a rule's expressions mean (`document.py`, `extraction.py`). Explained in docs/rules.md.
"""

import functools
import json
import re
import warnings
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jmespath
from jmespath import exceptions as jmespath_exceptions
from jmespath import functions, visitor

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.closures import Getter, closure_of, is_true, path_getter, paths_read

MAX_EXPRESSION_LENGTH: Final = 2_000
MAX_NESTING: Final = 24
MAX_NODES: Final = 400
MAX_COPIES: Final = 256
"""How many copies of one value an expression may make, as the product of its multi-select widths."""
MAX_JOINED: Final = 65_536
"""Characters that `join()` may give; joins within joins multiply, so each is bounded on its own."""

__all__ = [
    "Getter",
    "RuleFunctions",
    "compile_expression",
    "expression_reads",
    "is_true",
    "literal",
    "parse_expression",
    "path_expression",
    "path_getter",
    "quote_key",
]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class RuleFunctions(functions.Functions):
    """JMESPath's own functions, and the four that listings need.

    - `with_keys(object)`: the object's members as a list of objects, each with its key under `_key`.
    - `labelled(array, 'text')`: the array's objects, each with the text under `_label`.
    - `records(names, rows)`: an array of arrays as objects, for tables of columns and rows.
    - `split(string, 'separator')`: the parts of a string.
    """

    @functions.signature({"types": ["object", "null"]})
    def _func_with_keys(self, members: dict[str, Any] | None) -> list[dict[str, Any]] | None:
        if members is None:
            return None
        return [{"_key": key, **value} for key, value in members.items() if isinstance(value, dict)]

    @functions.signature({"types": ["array", "null"]}, {"types": ["string"]})
    def _func_labelled(self, items: list[Any] | None, label: str) -> list[Any] | None:
        if items is None:
            return None
        return [{"_label": label, **item} if isinstance(item, dict) else item for item in items]

    @functions.signature({"types": ["array", "null"]}, {"types": ["array", "null"]})
    def _func_records(self, names: list[Any] | None, rows: list[Any] | None) -> list[Any] | None:
        if names is None or rows is None:
            return None
        keys = [name if isinstance(name, str) else "" for name in names]
        return [dict(zip(keys, row, strict=False)) if isinstance(row, list) else row for row in rows]

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_split(self, text: str | None, separator: str) -> list[str] | None:
        if text is None or not separator:
            return None
        return text.split(separator)

    @functions.signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, texts: list[str]) -> str:
        size = sum(map(len, texts)) + len(separator) * len(texts)
        if size > MAX_JOINED:
            raise ValueError(f"join() of {size} characters; at most {MAX_JOINED} are given")
        return separator.join(texts)


_OPTIONS: Final = jmespath.Options(custom_functions=RuleFunctions())
_INTERPRETER: Final[Any] = visitor.TreeInterpreter(_OPTIONS)
_RUNTIME_ERRORS: Final = (
    jmespath_exceptions.JMESPathError,
    TypeError,
    ValueError,
    AttributeError,
    KeyError,
    RecursionError,
    OverflowError,
)


def quote_key(key: str) -> str:
    """One object key as a JMESPath identifier, quoted where it must be."""
    return key if _NAME.match(key) else json.dumps(key, ensure_ascii=True)


def path_expression(path: tuple[str, ...]) -> str:
    """A path of object keys as a JMESPath expression; the empty path is the current node."""
    return ".".join(quote_key(key) for key in path) if path else "@"


def literal(value: Any) -> str:
    """A JSON value as a JMESPath literal; plain strings as raw strings, which read better."""
    if isinstance(value, str) and "\\" not in value and value.isprintable():
        return "'" + value.replace("'", "\\'") + "'"
    return "`" + json.dumps(value, ensure_ascii=True).replace("`", "\\u0060") + "`"


class _Compiled(NamedTuple):
    getter: Getter
    paths: frozenset[tuple[str, ...]]


def compile_expression(expression: str) -> Getter:
    """A function that evaluates the expression on a value, and gives None where it cannot.

    Raises:
        InvalidRuleError: The expression does not parse, or is over a limit.
    """
    return _compiled(expression).getter


def expression_reads(expression: str) -> frozenset[tuple[str, ...]]:
    """The paths of a value that decide what the expression gives for it: two values that agree there get the same.

    Raises:
        InvalidRuleError: The expression does not parse, or is over a limit.
    """
    return _compiled(expression).paths


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str) -> _Compiled:
    tree = parse_expression(expression)
    return _Compiled(_getter(tree), paths_read(tree))


def _getter(tree: Mapping[str, Any]) -> Getter:
    closure = closure_of(tree)
    if closure is not None and not _calls_functions(tree):
        return closure
    evaluate = closure if closure is not None else functools.partial(_INTERPRETER.visit, tree)

    def guarded(value: Any) -> Any:
        try:
            return evaluate(value)
        except _RUNTIME_ERRORS:
            return None

    return guarded


def _calls_functions(tree: Mapping[str, Any]) -> bool:
    pending = [tree]
    while pending:
        node = pending.pop()
        if node["type"] == "function_expression":
            return True
        pending.extend(child for child in node.get("children", ()) if isinstance(child, dict))
    return False


def parse_expression(expression: str) -> Mapping[str, Any]:
    """The expression's JMESPath tree.

    Raises:
        InvalidRuleError: It does not parse, or is over a limit.
    """
    if not isinstance(expression, str) or not expression.strip():
        raise InvalidRuleError(f"expected a JMESPath expression, got {_shown(expression)}")
    if len(expression) > MAX_EXPRESSION_LENGTH:
        raise InvalidRuleError(f"expression of {len(expression)} characters; at most {MAX_EXPRESSION_LENGTH} are read")
    if expression.count("!") + expression.count("&") > 4 * MAX_NESTING:
        raise InvalidRuleError(f"expression nested too deeply: {_shown(expression)}")
    depth = deepest = 0
    for character in expression:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise InvalidRuleError(
            f"expression nested {deepest} deep; at most {MAX_NESTING} are read: {_shown(expression)}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)  # unquoted literals: old, and well defined
            tree: Mapping[str, Any] = jmespath.compile(expression).parsed
    except (jmespath_exceptions.JMESPathError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidRuleError(f"not a JMESPath expression: {_shown(expression)}: {reason}") from error
    _check_size(tree, expression)
    return tree


def _check_size(tree: Mapping[str, Any], expression: str) -> None:
    nodes, copies, strings = 0, 1, 0
    pending = [tree]
    while pending:
        node = pending.pop()
        nodes += 1
        kind = node["type"]
        if kind in ("multi_select_list", "multi_select_dict"):
            copies *= max(1, len(node["children"]))
        if kind == "function_expression":
            strings += node["value"] == "to_string"
            if not hasattr(RuleFunctions, f"_func_{node['value']}"):
                raise InvalidRuleError(f"unknown function {node['value']}() in {_shown(expression)}")
        pending.extend(child for child in node.get("children", ()) if isinstance(child, dict))
        if nodes > MAX_NODES or copies > MAX_COPIES or strings > 4:
            raise InvalidRuleError(f"expression does too much work for a rule: {_shown(expression)}")


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= 80 else text[:77] + "...")
