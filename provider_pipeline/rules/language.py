"""The rule language: JMESPath with five more functions, parsed within limits, compiled once, its work counted.

`jmespath_compiler.py` compiles common expressions; the interpreter here evaluates all others. See docs/rules.md.
"""

import json
import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jmespath
from jmespath import exceptions as jmespath_exceptions, functions, lexer, visitor

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
from provider_pipeline.rules.work import (
    CHARACTERS_PER_STEP,
    LIST_STEPS,
    OBJECT_STEPS,
    PAGE_STEPS,
    SizedCache,
    Work,
    WorkExceededError,
)

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

MAX_EXPRESSION_LENGTH: Final = 2_000
MAX_NESTING: Final = 24
MAX_NODES: Final = 400
MAX_COPIES: Final = 256
"""Copies of one value that an expression may make: the product of its multi-select widths."""
_CACHE_SIZE: Final = 100_000
"""Nodes and characters of all cached expressions; a node takes about half a kilobyte."""
MAX_TO_STRING: Final = 4
"""Calls of `to_string()`, each of which can double the size of a text by escaping."""
MAX_JOINED: Final = 65_536
"""Characters in the result of one `join()`."""
_VISIT_STEPS: Final = 12
_CALL_STEPS: Final = 20
_SORT_STEPS: Final = 8
"""Per element: it is compared with a few dozen others."""
_PART_STEPS: Final = 6
"""Per part of a split text, each an object of its own."""
_SHORT: Final = 64
_is_comparable: Final[Callable[[Any], bool]] = vars(visitor)["_is_comparable"]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_COMPARATORS: Final = frozenset({"eq", "ne", "lt", "lte", "gt", "gte"})
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")
"""A number as JSON writes it, the form that JMESPath's specification gives to_number()."""


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
        getter: Its result for a value, with a step budget of its own; raises `RuleTooCostlyError`.
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
            f"the expression {_shown(expression.text)} takes more steps than a rule may, {PAGE_STEPS:,} for a page",
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
    """Refuse `type == "chat"`: double quotes make it a comparison of two fields, which is hardly ever meant."""
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


class RuleFunctions(functions.Functions):
    """JMESPath's own functions and the five that listings need, paid for before they make or compare anything.

    - `with_keys(object)`: the object's members as a list of objects, each with its key under `_key`.
    - `labelled(array, 'text')`: the array's objects, each with the text under `_label`.
    - `owned(holders, 'members', 'owner')`: the models of all holders in one list, each with its holder's name under
      `_owner`.
    - `records(names, rows)`: an array of arrays as objects, for tables of columns and rows.
    - `split(string, 'separator')`: the parts of a string.
    """

    def __init__(self, work: Work | None = None) -> None:
        self._work = work or Work()

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        """Spend the call's steps, then call: a small expression can ask for terabytes."""
        arguments = list(resolved_args)
        self._pay(function_name, arguments)
        return super().call_function(function_name, arguments)

    def _pay(self, name: str, arguments: Sequence[Any]) -> None:
        # The types of the arguments are not checked yet. Most functions look at each element.
        work = self._work
        work.spend(_CALL_STEPS)
        for argument in arguments:
            if isinstance(argument, (list, dict)):
                work.spend(2 * len(argument))
        match name, *arguments:
            case "to_string", value:
                work.weigh(value)
            case "contains", str(text), _:
                work.spend(len(text) // _SHORT)
            case "contains", list(items), list() | dict() as wanted:
                for _ in items:
                    work.weigh(wanted)
            case "reverse", str(text):
                self._make(len(text))
            case ("sort", list(items)) | ("sort_by", list(items), _):
                work.spend(_SORT_STEPS * len(items))
            case "merge", *members:
                work.spend(_copies(members))

    @functions.signature({"types": ["object", "null"]})
    def _func_with_keys(self, members: dict[str, Any] | None) -> list[dict[str, Any]] | None:
        if members is None:
            return None
        self._work.spend(_copies(members.values()))
        return [{"_key": key, **value} for key, value in members.items() if isinstance(value, dict)]

    @functions.signature({"types": ["array", "null"]}, {"types": ["string"]})
    def _func_labelled(self, items: list[Any] | None, label: str) -> list[Any] | None:
        if items is None:
            return None
        self._work.spend(_copies(items))
        return [{"_label": label, **item} if isinstance(item, dict) else item for item in items]

    @functions.signature({"types": ["object", "array", "null"]}, {"types": ["string"]}, {"types": ["string"]})
    def _func_owned(self, holders: Any, members: str, owner: str) -> list[dict[str, Any]] | None:
        if holders is None:
            return None
        found: list[dict[str, Any]] = []
        for name, holder in holders.items() if isinstance(holders, dict) else enumerate(holders):
            fields = holder if isinstance(holder, dict) else {}
            held = fields.get(members) if members else holder
            ownership = {"_owner": fields.get(owner) if owner else name}
            if isinstance(held, dict):
                self._work.spend(_copies(held.values()))
                found += [{**ownership, "_key": key, **each} for key, each in held.items() if isinstance(each, dict)]
            elif isinstance(held, list):
                self._work.spend(_copies(held))
                found += [{**ownership, **each} for each in held if isinstance(each, dict)]
        return found

    @functions.signature({"types": ["array", "null"]}, {"types": ["array", "null"]})
    def _func_records(self, names: list[Any] | None, rows: list[Any] | None) -> list[Any] | None:
        if names is None or rows is None:
            return None
        keys = [name if isinstance(name, str) else "" for name in names]
        self._work.spend(sum(OBJECT_STEPS + min(len(keys), len(row)) for row in rows if isinstance(row, list)))
        return [dict(zip(keys, row, strict=False)) if isinstance(row, list) else row for row in rows]

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_split(self, text: str | None, separator: str) -> list[str] | None:
        if text is None or not separator:
            return None
        self._make(len(text))
        self._work.spend(_PART_STEPS * text.count(separator))
        return text.split(separator)

    @functions.signature({"types": []})
    def _func_to_number(self, value: Any) -> float | int | None:
        # JMESPath's own takes whatever Python's float() takes: "1_000", "NaN", "Infinity", digits of any script.
        if isinstance(value, str):
            return json.loads(value) if _NUMBER.fullmatch(value) and math.isfinite(float(value)) else None
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    @functions.signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, texts: list[str]) -> str:
        size = sum(map(len, texts)) + len(separator) * len(texts)
        if size > MAX_JOINED:
            raise ValueError(f"join() of {size} characters; at most {MAX_JOINED} are given")
        self._make(size)
        return separator.join(texts)

    def _make(self, characters: int) -> None:
        self._work.spend(LIST_STEPS + characters // CHARACTERS_PER_STEP)


def _copies(objects: Iterable[Any]) -> int:
    """Cost of copying those of the values that are objects."""
    return sum(OBJECT_STEPS + len(value) for value in objects if isinstance(value, dict))


class Interpreter(visitor.TreeInterpreter):
    """JMESPath's own interpreter, spending steps."""

    def __init__(self, work: Work) -> None:
        super().__init__(jmespath.Options(custom_functions=RuleFunctions(work)))
        self._work = work
        self._methods: dict[str, Callable[[Any, Any], Any]] = {}

    def visit(self, node: Any, value: Any) -> Any:
        """The node's result for a value."""
        self._work.spend(_VISIT_STEPS)
        kind = node["type"]
        method = self._methods.get(kind)
        if method is None:
            method = self._methods[kind] = getattr(self, f"visit_{kind}")
        return method(node, value)

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        """A new list of the children's results."""
        self._work.spend(LIST_STEPS)
        return super().visit_multi_select_list(node, value)

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        """A new object of the children's results."""
        self._work.spend(OBJECT_STEPS)
        return super().visit_multi_select_dict(node, value)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """A comparison; equal values may be large."""
        left, right = (self.visit(child, value) for child in node["children"])
        if isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
            self._work.weigh(left)
        kind = node["value"]
        if kind in ("eq", "ne") or (_is_comparable(left) and _is_comparable(right)):
            return self.COMPARATOR_FUNC[kind](left, right)
        return None

    def visit_flatten(self, node: Any, value: Any) -> Any:
        """The elements of a list, with those of nested lists in their place."""
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        self._work.spend(sum(len(each) if isinstance(each, list) else 1 for each in base))
        return [inner for each in base for inner in (each if isinstance(each, list) else (each,))]

    def visit_slice(self, node: Any, value: Any) -> Any:
        """A part of a list."""
        if isinstance(value, list):
            self._work.spend(len(value))
        return super().visit_slice(node, value)


def interpreter_of(work: Work) -> Interpreter:
    """The interpreter that spends from these steps."""
    if work.interpreter is None:
        work.interpreter = Interpreter(work)
    found: Interpreter = work.interpreter
    return found
