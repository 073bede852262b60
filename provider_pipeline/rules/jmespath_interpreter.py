"""JMESPath's interpreter with five more functions, which spends steps before each visit and call."""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import jmespath
from jmespath import functions, visitor

from provider_pipeline.rules.limits import CHARACTERS_PER_STEP, LIST_STEPS, OBJECT_STEPS, Work

MAX_JOINED: Final = 65_536
"""Characters in the result of one `join()`."""
_VISIT_STEPS: Final = 12
_CALL_STEPS: Final = 20
_SORT_STEPS: Final = 8
"""Per element: it is compared with a few dozen others."""
_PART_STEPS: Final = 6
"""Per part of a split text, each of which is a new object."""
_SHORT: Final = 64
_is_comparable: Final[Callable[[Any], bool]] = vars(visitor)["_is_comparable"]
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")
"""A number as JSON writes it, the form that JMESPath's specification gives to_number()."""


class RuleFunctions(functions.Functions):
    """JMESPath's own functions and five for listings, whose steps are spent before the call.

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
        # JMESPath's own accepts everything that Python's float() does: "1_000", "NaN", "Infinity", digits of any
        # script.
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
    """Cost of copying the objects among the values."""
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
        """The elements of a list, with nested lists replaced by their elements."""
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
