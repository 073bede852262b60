"""The rule language: JMESPath, compiled once, bounded, and fast on plain paths.

Here: parsing with limits, and expressions ready to be evaluated. Not here: evaluating them (`closures.py` common ones,
`interpreter.py` all others), how much work that may be (`work.py`), and what a rule's expressions mean (`document.py`,
`extraction.py`). Explained in docs/rules.md.
"""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jmespath
from jmespath import exceptions as jmespath_exceptions

from provider_pipeline.errors import InvalidRuleError, RuleTooCostlyError
from provider_pipeline.rules.caching import SizedCache
from provider_pipeline.rules.interpreter import RuleFunctions, interpreter_of
from provider_pipeline.rules.jmespath_compiler import (
    Closure,
    Getter,
    closure_of,
    is_true,
    path_getter,
    paths_read,
    plain_path,
    static_cost,
    walk_nodes,
)
from provider_pipeline.rules.work import PAGE_STEPS, Work, WorkExceededError

MAX_EXPRESSION_LENGTH: Final = 2_000
MAX_NESTING: Final = 24
MAX_NODES: Final = 400
MAX_COPIES: Final = 256
"""How many copies of one value an expression may make, as the product of its multi-select widths."""
_CACHED: Final = 100_000
"""Nodes and characters of all compiled expressions that are kept; a node takes about half a kilobyte."""

__all__ = [
    "Closure",
    "Compiled",
    "Getter",
    "compile_expression",
    "compiled",
    "getter_within",
    "is_true",
    "literal",
    "parse_expression",
    "path_expression",
    "path_getter",
    "quote_key",
]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


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


@dataclass(frozen=True, eq=False, slots=True)
class Compiled:
    """An expression, ready to be evaluated.

    Attributes:
        text: The expression.
        evaluate: What it gives for a value, at the expense of some steps; None where it fails. Raises
            `WorkExceededError`.
        cost: Steps that each evaluation takes besides; those are for the caller to spend.
        paths: The paths of a value that decide what it gives: two values that agree there get the same.
        is_path: Whether it only follows a path.
        chooses: Whether it only picks out parts of the value: a list it gives holds each element once.
        getter: What it gives for a value, by itself. Raises `RuleTooCostlyError`.
    """

    text: str
    evaluate: Closure
    cost: int
    paths: frozenset[tuple[str, ...]]
    is_path: bool
    chooses: bool
    getter: Getter


_CACHE: Final = SizedCache[str, Compiled](_CACHED)


def compile_expression(expression: str) -> Getter:
    """A function that evaluates the expression on a value, and gives None where it cannot.

    Raises:
        InvalidRuleError: The expression does not parse, or is over a limit.
    """
    return compiled(expression).getter


def compiled(expression: str) -> Compiled:
    """The expression, ready to be evaluated.

    Raises:
        InvalidRuleError: It does not parse, or is over a limit.
    """
    found = _CACHE.get(expression) if isinstance(expression, str) else None
    if found is None:
        tree = parse_expression(expression)
        found = _compiled(expression, tree)
        _CACHE.put(expression, found, found.cost + len(expression))
    return found


def _compiled(expression: str, tree: Mapping[str, Any]) -> Compiled:
    closure = closure_of(tree)
    calls_functions = any(node["type"] == "function_expression" for node in walk_nodes(tree))
    evaluate = closure if closure is not None and not calls_functions else _guarded(tree, closure)

    def by_itself(value: Any) -> Any:
        return _evaluated(found, value, Work())

    path = plain_path(tree)
    found = Compiled(
        expression,
        evaluate,
        static_cost(tree),
        paths_read(tree),
        is_path=path is not None,
        chooses=closure is not None,
        getter=by_itself if path is None else path_getter(path),
    )
    return found


def getter_within(expression: str, work: Work) -> Getter:
    """As `compile_expression`, for many values: all evaluations together take no more steps than are left.

    Raises:
        InvalidRuleError: The expression does not parse, or is over a limit.
    """
    found = compiled(expression)
    return found.getter if found.is_path else lambda value: _evaluated(found, value, work)


def _evaluated(expression: Compiled, value: Any, work: Work) -> Any:
    try:
        work.spend(expression.cost)
        return work.at_most(expression.evaluate, value, work)
    except WorkExceededError as error:
        raise RuleTooCostlyError(
            f"the expression {_shown(expression.text)} takes more steps than a rule may, {PAGE_STEPS:,} for a page",
            hint="say it more simply, or have the rule generated",
        ) from error


def _guarded(tree: Mapping[str, Any], closure: Closure | None) -> Closure:
    def interpreted(value: Any, work: Work) -> Any:
        return work.at_most(interpreter_of(work).visit, tree, value)

    evaluate = interpreted if closure is None else closure

    def guarded(value: Any, work: Work) -> Any:
        try:
            return evaluate(value, work)
        except _RUNTIME_ERRORS:
            return None

    return guarded


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
    copies, strings = 1, 0
    for nodes, node in enumerate(walk_nodes(tree), 1):
        kind = node["type"]
        if kind in ("multi_select_list", "multi_select_dict"):
            copies *= max(1, len(node["children"]))
        if kind == "function_expression":
            strings += node["value"] == "to_string"
            if node["value"] not in RuleFunctions.FUNCTION_TABLE:
                raise InvalidRuleError(f"unknown function {node['value']}() in {_shown(expression)}")
        if nodes > MAX_NODES or copies > MAX_COPIES or strings > 4:
            raise InvalidRuleError(f"expression does too much work for a rule: {_shown(expression)}")


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= 80 else text[:77] + "...")
