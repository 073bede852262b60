"""Compiles common JMESPath expressions to nested Python functions, several times as fast as the interpreter.

Covers paths, literals, `||`, `&&`, `!`, `==`, `!=`, `contains()`, `[*]` and `[?...]`; `jmespath_interpreter.py`
evaluates the rest, and a test compares both on arbitrary JSON.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from jmespath import exceptions as jmespath_exceptions, visitor

from provider_pipeline.rules.limits import Work

Getter = Callable[[Any], Any]
"""From a value to an expression's result."""
Closure = Callable[[Any, Work], Any]
"""The same, spending steps."""
Node = Mapping[str, Any]


class PathGetter(Protocol):
    """A closure that also works without a step budget: following a path costs only its nodes."""

    def __call__(self, value: Any, work: Work | None = None, /) -> Any:
        """The value at the path."""


_COMPARATOR_STEPS: Final = 10
_LONG: Final = 64
"""Elements or characters beyond which searching them costs more than a node."""

_OF_ONE_VALUE: Final = frozenset(
    {"literal", "or_expression", "and_expression", "not_expression", "comparator", "function_expression"}
)
"""Nodes that evaluate all children on the same value."""
_OF_ITS_FIRST_CHILD: Final = frozenset(
    {"subexpression", "index_expression", "pipe", "projection", "value_projection", "filter_projection", "flatten"}
)
"""Nodes that evaluate the other children on the result of the first."""
_EVERYTHING: Final[frozenset[tuple[str, ...]]] = frozenset(((),))


def is_true(value: Any) -> bool:
    """Whether JMESPath treats the value as true: anything but false, null, and an empty string, list or object."""
    return not (value is None or value is False or value in ("", [], {}))


def static_cost(node: Node) -> int:
    """The steps of one evaluation, which its caller spends.

    The compiled functions spend those that depend on the value: a list's elements, the size of compared values.
    """
    return sum(_COMPARATOR_STEPS if each["type"] == "comparator" else 1 for each in walk_nodes(node))


def walk_nodes(node: Node) -> Iterator[Node]:
    """The node and all of its descendants."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(child for child in node.get("children", ()) if isinstance(child, dict))


def closure_of(node: Node) -> Closure | None:
    """The node as a function, or None if it needs the interpreter.

    A wrong argument type raises `JMESPathTypeError`, as in the interpreter: it voids the whole expression.
    """
    path = plain_path(node)
    if path is not None:
        return path_getter(path)
    build = _BUILDERS.get(node["type"])
    return build(node) if build is not None else None


def plain_path(node: Node) -> tuple[str, ...] | None:
    """The keys of a path through objects only; None for any other expression."""
    kind = node["type"]
    if kind == "field":
        return (str(node["value"]),)
    if kind in ("current", "identity"):
        return ()
    if kind == "subexpression":
        parts = [plain_path(child) for child in node["children"]]
        if all(part is not None for part in parts):
            return tuple(key for part in parts if part is not None for key in part)
    return None


def paths_read(node: Node) -> frozenset[tuple[str, ...]]:
    """The paths that determine the node's result; the empty path, the whole value, if they are not known."""
    path = plain_path(node)
    if path is not None:
        return frozenset((path,))
    if node["type"] in _OF_ONE_VALUE:
        return frozenset().union(*map(paths_read, node["children"]))
    if node["type"] in _OF_ITS_FIRST_CHILD:
        return paths_read(node["children"][0])
    return _EVERYTHING


def path_getter(path: tuple[str, ...]) -> PathGetter:
    """A function to the value at the path; None where a key is missing or its parent is not an object."""
    if not path:
        return lambda value, _work=None: value
    if len(path) == 1:
        (only,) = path
        return lambda value, _work=None: value.get(only) if isinstance(value, dict) else None
    if len(path) == 2:
        outer, inner = path

        def follow_two(value: Any, _work: Work | None = None) -> Any:
            if isinstance(value, dict) and isinstance(found := value.get(outer), dict):
                return found.get(inner)
            return None

        return follow_two

    def follow(value: Any, _work: Work | None = None) -> Any:
        for key in path:
            if not isinstance(value, dict):
                return None
            value = value.get(key)
        return value

    return follow


def _literal(node: Node) -> Closure:
    constant = node["value"]
    return lambda _value, _work: constant


def _both(node: Node) -> tuple[Closure, Closure] | None:
    left, right = (closure_of(child) for child in node["children"])
    return None if left is None or right is None else (left, right)


def _or(node: Node) -> Closure | None:
    sides = _both(node)
    if sides is None:
        return None
    left, right = sides

    def either(value: Any, work: Work) -> Any:
        found = left(value, work)
        return found if is_true(found) else right(value, work)

    return either


def _and(node: Node) -> Closure | None:
    sides = _both(node)
    if sides is None:
        return None
    left, right = sides

    def both(value: Any, work: Work) -> Any:
        found = left(value, work)
        return right(value, work) if is_true(found) else found

    return both


def _not(node: Node) -> Closure | None:
    inner = closure_of(node["children"][0])
    if inner is None:
        return None

    def negated(value: Any, work: Work) -> bool:
        found = inner(value, work)
        if isinstance(found, (int, float)) and not isinstance(found, bool):
            return False
        return not found

    return negated


def _equality(node: Node) -> Closure | None:
    sides = _both(node) if node["value"] in ("eq", "ne") else None
    if sides is None:
        return None
    left, right = sides
    constant = node["children"][1].get("value") if node["children"][1]["type"] == "literal" else None
    if node["value"] == "eq" and isinstance(constant, bool):
        return lambda value, work: left(value, work) is constant
    if node["value"] == "eq" and isinstance(constant, str):
        return lambda value, work: bool(left(value, work) == constant)
    equals: Callable[[Any, Any], Any] = vars(visitor)["_equals"]
    wanted = node["value"] == "eq"

    def compare(value: Any, work: Work) -> bool:
        first, second = left(value, work), right(value, work)
        if isinstance(first, (list, dict)) and isinstance(second, (list, dict)):
            work.weigh(first)
        return bool(equals(first, second)) is wanted

    return compare


def _contains(node: Node) -> Closure | None:
    if node["value"] != "contains" or len(node["children"]) != 2:
        return None
    subject_node, wanted_node = node["children"]
    path = plain_path(subject_node)
    if path is None or wanted_node["type"] != "literal" or not isinstance(wanted_node["value"], str):
        return None
    subject, wanted = path_getter(path), wanted_node["value"]

    def contains(value: Any, work: Work) -> bool:
        found = subject(value, work)
        if isinstance(found, (list, str)):
            if len(found) > _LONG:
                work.spend(len(found) if isinstance(found, list) else len(found) // _LONG)
            return wanted in found
        raise jmespath_exceptions.JMESPathTypeError("contains", found, type(found).__name__, ["array", "string"])

    return contains


def _projection(node: Node) -> Closure | None:
    """`path[*]`: the list itself, without its nulls."""
    base, rest = node["children"]
    path = plain_path(base)
    if path is None or rest["type"] != "identity":
        return None
    source = path_getter(path)

    def items(value: Any, work: Work) -> list[Any] | None:
        found = source(value, work)
        if not isinstance(found, list):
            return None
        work.spend(len(found))
        return [item for item in found if item is not None] if None in found else found

    return items


def _filter(node: Node) -> Closure | None:
    """`path[?condition]`: the elements for which the condition holds."""
    base, rest, condition = node["children"]
    path, holds = plain_path(base), closure_of(condition)
    if path is None or rest["type"] != "identity" or holds is None:
        return None
    source, cost = path_getter(path), static_cost(condition)

    def matching(value: Any, work: Work) -> list[Any] | None:
        found = source(value, work)
        if not isinstance(found, list):
            return None
        work.spend(cost * len(found))
        return [item for item in found if is_true(holds(item, work)) and item is not None]

    return matching


_BUILDERS: Mapping[str, Callable[[Node], Closure | None]] = {
    "literal": _literal,
    "or_expression": _or,
    "and_expression": _and,
    "not_expression": _not,
    "comparator": _equality,
    "function_expression": _contains,
    "projection": _projection,
    "filter_projection": _filter,
}
