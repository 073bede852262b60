"""The rule language: JMESPath, compiled once, bounded, and fast on plain paths.

Here: parsing with limits, three extra functions, and closures with the semantics of the `jmespath` interpreter.
Not here: what a rule's expressions mean (`document.py`, `extraction.py`). The language is explained in docs/rules.md.
"""

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import jmespath
from jmespath import exceptions as jmespath_exceptions
from jmespath import functions, visitor

from provider_pipeline.errors import InvalidRuleError

MAX_EXPRESSION_LENGTH: Final = 2_000
MAX_NESTING: Final = 24
MAX_NODES: Final = 400
MAX_COPIES: Final = 256
"""How many copies of one value an expression may make, as the product of its multi-select widths."""

Getter = Callable[[Any], Any]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class RuleFunctions(functions.Functions):
    """JMESPath's own functions, and the three that listings need.

    - `with_keys(object)`: the object's members as a list of objects, each with its key under `_key`.
    - `labelled(array, 'text')`: the array's objects, each with the text under `_label`.
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

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_split(self, text: str | None, separator: str) -> list[str] | None:
        if text is None or not separator:
            return None
        return text.split(separator)


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


@functools.lru_cache(maxsize=4096)
def compile_expression(expression: str) -> Getter:
    """A function that evaluates the expression on a value, and gives None where it cannot.

    Raises:
        InvalidRuleError: The expression does not parse, or is over a limit.
    """
    tree = _parse(expression)
    closure = _closure(tree)
    if closure is not None:
        return closure

    def interpret(value: Any) -> Any:
        try:
            return _INTERPRETER.visit(tree, value)
        except _RUNTIME_ERRORS:
            return None

    return interpret


def is_true(value: Any) -> bool:
    """Whether JMESPath takes the value for true (false, null and the empty string, list and object are not)."""
    return not (value is None or value is False or value in ("", [], {}))


def _parse(expression: str) -> Mapping[str, Any]:
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


def _closure(node: Mapping[str, Any]) -> Getter | None:  # noqa: PLR0911  # one return for each kind of node
    """The node as nested functions, or None where only the interpreter knows the semantics."""
    kind = node["type"]
    path = _plain_path(node)
    if path is not None:
        return _path_getter(path)
    if kind == "literal":
        constant = node["value"]
        return lambda _value: constant
    if kind == "or_expression":
        return _or_getter(node)
    if kind == "comparator" and node["value"] in ("eq", "ne"):
        return _equality_getter(node)
    if kind == "function_expression" and node["value"] == "contains":
        return _contains_getter(node)
    if kind == "projection":
        return _items_getter(node)
    return None


def _plain_path(node: Mapping[str, Any]) -> tuple[str, ...] | None:
    kind = node["type"]
    if kind == "field":
        return (str(node["value"]),)
    if kind in ("current", "identity"):
        return ()
    if kind == "subexpression":
        parts = [_plain_path(child) for child in node["children"]]
        if all(part is not None for part in parts):
            return tuple(key for part in parts if part is not None for key in part)
    return None


def _path_getter(path: tuple[str, ...]) -> Getter:
    if not path:
        return lambda value: value
    if len(path) == 1:
        (only,) = path
        return lambda value: value.get(only) if isinstance(value, dict) else None

    def follow(value: Any) -> Any:
        for key in path:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    return follow


def _or_getter(node: Mapping[str, Any]) -> Getter | None:
    left, right = (_closure(child) for child in node["children"])
    if left is None or right is None or not all(_cannot_fail(child) for child in node["children"]):
        return None

    def either(value: Any) -> Any:
        found = left(value)
        return found if is_true(found) else right(value)

    return either


def _cannot_fail(node: Mapping[str, Any]) -> bool:
    """Functions abort a whole expression on a wrong type; paths, literals and comparisons do not."""
    return node["type"] != "function_expression" and all(
        _cannot_fail(child) for child in node.get("children", ()) if isinstance(child, dict)
    )


def _equality_getter(node: Mapping[str, Any]) -> Getter | None:
    left, right = (_closure(child) for child in node["children"])
    if left is None or right is None or not all(_cannot_fail(child) for child in node["children"]):
        return None
    negated = node["value"] == "ne"
    equals: Callable[[Any, Any], Any] = vars(visitor)["_equals"]

    def compare(value: Any) -> bool:
        return bool(equals(left(value), right(value))) is not negated

    return compare


def _contains_getter(node: Mapping[str, Any]) -> Getter | None:
    if len(node["children"]) != 2:
        return None
    subject_node, wanted_node = node["children"]
    path = _plain_path(subject_node)
    if path is None or wanted_node["type"] != "literal" or not isinstance(wanted_node["value"], str):
        return None
    subject, wanted = _path_getter(path), wanted_node["value"]

    def contains(value: Any) -> bool | None:
        found = subject(value)
        return wanted in found if isinstance(found, (list, str)) else None

    return contains


def _items_getter(node: Mapping[str, Any]) -> Getter | None:
    """`path[*]`: the list itself, without its nulls."""
    base, rest = node["children"]
    path = _plain_path(base)
    if path is None or rest["type"] != "identity":
        return None
    source = _path_getter(path)

    def items(value: Any) -> list[Any] | None:
        found = source(value)
        if not isinstance(found, list):
            return None
        return [item for item in found if item is not None] if None in found else found

    return items
