"""The JMESPath interpreter, at the expense of a number of steps, with the four functions that listings need.

Here: what each kind of node and each function costs. Not here: the steps themselves (`work.py`), parsing
(`language.py`) and the closures that run common expressions without an interpreter (`closures.py`). What makes or
compares something pays for it before it does: a small expression can ask for terabytes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import jmespath
from jmespath import functions, visitor

from provider_pipeline.rules.work import CHARACTERS_PER_STEP, LIST_STEPS, OBJECT_STEPS, Work

MAX_JOINED: Final = 65_536
"""Characters that one `join()` gives at the most."""
_VISIT_STEPS: Final = 12
_CALL_STEPS: Final = 20
_SORT_STEPS: Final = 8
"""What sorting costs for each element: comparisons with a few dozen others."""
_PART_STEPS: Final = 6
"""What a part of a split text costs, which is an object of its own."""
_SHORT: Final = 64
_is_comparable: Final[Callable[[Any], bool]] = vars(visitor)["_is_comparable"]


class RuleFunctions(functions.Functions):
    """JMESPath's own functions, and the four that listings need.

    - `with_keys(object)`: the object's members as a list of objects, each with its key under `_key`.
    - `labelled(array, 'text')`: the array's objects, each with the text under `_label`.
    - `records(names, rows)`: an array of arrays as objects, for tables of columns and rows.
    - `split(string, 'separator')`: the parts of a string.

    Args:
        work: What they spend from.
    """

    def __init__(self, work: Work | None = None) -> None:
        self._work = work or Work()

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        """The function's result, after it was paid for."""
        arguments = list(resolved_args)
        self._pay(function_name, arguments)
        return super().call_function(function_name, arguments)

    def _pay(self, name: str, arguments: Sequence[Any]) -> None:
        """Spend what depends on the arguments, whose types are not checked yet. Many functions look at each element."""
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
    """What copying these values costs, so far as they are objects."""
    return sum(OBJECT_STEPS + len(value) for value in objects if isinstance(value, dict))


class Interpreter(visitor.TreeInterpreter):
    """Evaluates expressions as JMESPath's own interpreter does, at the expense of a number of steps.

    Args:
        work: What it spends from.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(jmespath.Options(custom_functions=RuleFunctions(work)))
        self._work = work
        self._methods: dict[str, Callable[[Any, Any], Any]] = {}

    def visit(self, node: Any, value: Any) -> Any:
        """What the node makes of a value."""
        self._work.spend(_VISIT_STEPS)
        kind = node["type"]
        method = self._methods.get(kind)
        if method is None:
            method = self._methods[kind] = getattr(self, f"visit_{kind}")
        return method(node, value)

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        """A new list of what each child gives."""
        self._work.spend(LIST_STEPS)
        return super().visit_multi_select_list(node, value)

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        """A new object of what each child gives."""
        self._work.spend(OBJECT_STEPS)
        return super().visit_multi_select_dict(node, value)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """Whether two values are equal or in order; equal ones may be large."""
        left, right = (self.visit(child, value) for child in node["children"])
        if isinstance(left, (list, dict)) and isinstance(right, (list, dict)):
            self._work.weigh(left)
        kind = node["value"]
        if kind in ("eq", "ne") or (_is_comparable(left) and _is_comparable(right)):
            return self.COMPARATOR_FUNC[kind](left, right)
        return None

    def visit_flatten(self, node: Any, value: Any) -> Any:
        """The elements of a list, and those of the lists in it."""
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
