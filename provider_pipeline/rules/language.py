"""The rule language: JMESPath with five more functions, parsed within limits, compiled once. See docs/rules.md.

`jmespath_compiler.py` compiles common expressions; `jmespath_interpreter.py` evaluates all others.
"""

import functools
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jmespath
from jmespath import exceptions as jmespath_exceptions, lexer

from provider_pipeline.errors import InvalidRuleError, RuleTooCostlyError
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
from provider_pipeline.rules.jmespath_interpreter import RuleFunctions, interpreter_of
from provider_pipeline.rules.limits import PAGE_STEPS, SizedCache, Work, WorkExceededError

__all__ = [
    "Closure",
    "Compiled",
    "Getter",
    "Path",
    "compile_expression",
    "compiled",
    "getter_within",
    "is_true",
    "literal",
    "parse_expression",
    "path_expression",
    "path_getter",
    "quote_key",
    "snake",
    "squashed",
    "words_of",
]

MAX_EXPRESSION_LENGTH: Final = 2_000
MAX_NESTING: Final = 24
MAX_NODES: Final = 400
MAX_COPIES: Final = 256
"""Copies of one value that an expression may make: the product of its multi-select widths."""
_CACHE_SIZE: Final = 100_000
"""Nodes and characters of all cached expressions; a node takes about half a kilobyte."""
MAX_TO_STRING: Final = 4
"""Calls of `to_string()`, each of which can double the size of a text by escaping."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_OTHER = re.compile(r"[^A-Za-z0-9]+")
_COMPARATORS: Final = frozenset({"eq", "ne", "lt", "lte", "gt", "gte"})

Path = tuple[str, ...]
"""Object keys from an item to a value."""


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
    """An object key as a JMESPath identifier, quoted if necessary."""
    return key if _NAME.match(key) else json.dumps(key, ensure_ascii=True)


def path_expression(path: tuple[str, ...]) -> str:
    """A path of object keys as a JMESPath expression; the empty path is the current node."""
    return ".".join(quote_key(key) for key in path) if path else "@"


@functools.lru_cache(maxsize=16_384)
def words_of(key: str) -> tuple[str, ...]:
    """The lower-case words of a key: the same for `maxInputTokens` and `max_input_tokens`."""
    return tuple(word.lower() for word in _OTHER.split(_CAMEL.sub(" ", key)) if word)


def snake(key: str) -> str:
    """A key in snake_case, the form of the aliases in the data files."""
    return "_".join(words_of(key))


def squashed(text: str) -> str:
    """Lower-case letters and digits only, the form of the tokens in the data files."""
    return "".join(character for character in text.lower() if character.isalnum())


def _leading_keys(tree: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """The keys, and whether they are the whole expression."""
    if tree["type"] == "field":
        return (tree["value"],), True
    if not tree["children"] or tree["type"] in ("function_expression", "multi_select_list", "multi_select_dict"):
        return (), False
    keys, whole = _leading_keys(tree["children"][0])
    if tree["type"] != "subexpression":
        return keys, False
    for child in tree["children"][1:]:
        if whole:
            more, whole = _leading_keys(child)
            keys += more
    return keys, whole


def literal(value: Any) -> str:
    """A JSON value as a JMESPath literal; plain strings as raw strings, for readability."""
    if isinstance(value, str) and "\\" not in value and value.isprintable():
        return "'" + value.replace("'", "\\'") + "'"
    return "`" + json.dumps(value, ensure_ascii=True).replace("`", "\\u0060") + "`"


@dataclass(frozen=True, eq=False, slots=True)
class Compiled:
    """A compiled expression.

    Attributes:
        text: The expression.
        evaluate: Its result for a value, None where it fails. Spends steps that depend on the value; raises
            `WorkExceededError`.
        cost: Further steps of each evaluation, which the caller must spend.
        paths: The paths it reads: values that agree at all of them give the same result.
        is_path: Whether it only follows a path.
        chooses: Whether it only selects parts of the value, so that a resulting list holds no element twice.
        getter: Its result for a value, with a separate step budget; raises `RuleTooCostlyError`.
        leading_keys: The object keys that it begins with: `data.models[*]` with `data` and `models`.
    """

    text: str
    evaluate: Closure
    cost: int
    paths: frozenset[tuple[str, ...]]
    is_path: bool
    chooses: bool
    getter: Getter
    leading_keys: tuple[str, ...]


_CACHE: Final = SizedCache[str, Compiled](_CACHE_SIZE)


def compile_expression(expression: str) -> Getter:
    """A function from a value to the expression's result, None where it fails.

    Raises:
        InvalidRuleError: The expression does not parse, or is over a limit.
    """
    return compiled(expression).getter


def compiled(expression: str) -> Compiled:
    """The expression, compiled and cached.

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

    def get(value: Any) -> Any:
        return _evaluated(found, value, Work())

    path = plain_path(tree)
    found = Compiled(
        expression,
        evaluate,
        static_cost(tree),
        paths_read(tree),
        is_path=path is not None,
        chooses=closure is not None,
        getter=get if path is None else path_getter(path),
        leading_keys=_leading_keys(tree)[0],
    )
    return found


def getter_within(expression: str, work: Work) -> Getter:
    """As `compile_expression`, but all evaluations together share one step budget.

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
            f"the expression {_shown(expression.text)} takes more steps than a rule may, {PAGE_STEPS:,} for a page "
            "or all pages together",
            hint="simplify the expression, or have the rule generated",
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # unquoted literals: old, and well defined
        try:
            tree: Mapping[str, Any] = jmespath.compile(expression).parsed
        except (jmespath_exceptions.JMESPathError, RecursionError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InvalidRuleError(f"not a JMESPath expression: {_shown(expression)}: {reason}") from error
        _check_size(tree, expression)
        _check_comparisons(expression)
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
        if nodes > MAX_NODES or copies > MAX_COPIES or strings > MAX_TO_STRING:
            raise InvalidRuleError(
                f"expression too large: at most {MAX_NODES} nodes, {MAX_COPIES} copies of a value and {MAX_TO_STRING} "
                f"calls of to_string() are read: {_shown(expression)}"
            )


def _check_comparisons(expression: str) -> None:
    """Refuse `type == "chat"`: double quotes make it a comparison of two fields, which is rarely intended."""
    tokens = list(lexer.Lexer().tokenize(expression))
    for place, token in enumerate(tokens):
        if token["type"] not in _COMPARATORS:
            continue
        left, right = tokens[place - 1], tokens[place + 1]
        sides = ((right, left), (left, right))
        for side, other in sides:
            if side["type"] == "quoted_identifier" and other["type"] != "literal" and _NAME.match(side["value"]):
                raise InvalidRuleError(
                    f'"{side["value"]}" in {_shown(expression)} is a field, not a text',
                    hint=f"write '{side['value']}' in single quotes, or a field without quotes",
                )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= 80 else text[:77] + "...")
