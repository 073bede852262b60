"""The tables of `rules explain`: what a rule chose, why, and which alternatives it rejected."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from provider_pipeline.cli.console import compact, shortened, table
from provider_pipeline.rules.model_columns import PROVIDER_MODEL_COLUMNS

_UNREAD = "speaks of"
_SHOWN_CHARACTERS = 40
_ORDER = {column.name: place for place, column in enumerate(PROVIDER_MODEL_COLUMNS)}
_SHOWN_PREDICATES = 3
LABELS = {
    "evidence": "",
    "counter_evidence": "not if ",
    "unsure_evidence": "unsure if ",
    "weak_evidence": "weakly if ",
}
"""What is put before a predicate of each kind."""


def short_explanation(title: str, explained: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The lines that matter: where each column comes from, what is not read, and what is in doubt."""
    summary = explained["summary"]
    counted = f": {summary['models']} models in the sample" if summary["models"] is not None else ""
    sure = f", confidence {_share(summary['confidence'])}" if summary["confidence"] is not None else ""
    yield Text(f"{title}{counted}{sure}", style="bold")
    for each in (summary, *(further["summary"] for further in explained["further_endpoints"])):
        where = f"{each['endpoint']}: " if explained["further_endpoints"] else ""
        yield Text(f"{where}models at {each['selector']}, pagination {_document(each['pagination'])}")
        of = [source for source in explained["columns"] if source["endpoint"] == each["endpoint"]]
        yield _columns(of)
    left = [each for part in (explained, *explained["further_endpoints"]) for each in part["left_out"]]
    unread = [each for each in left if each["reason"].startswith(_UNREAD)]
    if unread:
        fields = ((each["expression"], each["reason"].partition(";")[0]) for each in unread)
        yield table("not read", ("field", "why it may matter"), fields)
    yield from _issues([each for each in explained["issues"] if each["severity"] != "info"])


def _columns(sources: list[Mapping[str, Any]]) -> Table:
    ordered = sorted(sources, key=lambda each: _ORDER.get(each["column"].partition(".")[0], len(_ORDER)))
    model = next((each["model"] for each in ordered if each["model"] is not None), None)
    rows = ((each["column"], _source(each), _example(each, model)) for each in ordered)
    title = f"columns, for example of {model}" if model else "columns"
    return table(title, ("column", "comes from", "for example"), rows)


def _source(source: Mapping[str, Any]) -> str:
    unit = source["unit"]
    about = [unit if isinstance(unit, str) else _document(unit)] if unit else []
    about += ["stated by a person"] if source["stated"] else []
    return f"{source['expression']} ({', '.join(about)})" if about else str(source["expression"])


def _example(source: Mapping[str, Any], model: str | None) -> str:
    """The value as listed, and as it is in the row if that differs; with its model unless it is the usual one."""
    if source["model"] is None:
        return "no model has it"
    listed, value = _shown(source["listed"]), source["value"]
    value = value.get("amount") if isinstance(value, Mapping) else value
    text = listed if value is None or _shown(value) == listed else f"{listed} = {_shown(value)}"
    return text if source["model"] == model else f"{source['model']}: {text}"


def _shown(value: Any) -> str:
    return shortened(compact(value), _SHOWN_CHARACTERS)


def explanation(title: str, explained: Mapping[str, Any]) -> Iterator[RenderableType]:
    """The tables of one rule, from what `explain_rule` returned; the title names a provider or file."""
    summary = explained["summary"]
    kind = summary["provider_kind"]
    if kind and summary["provider_kind_confidence"] is not None:
        kind = f"{kind} ({summary['provider_kind_confidence']:.0%}: {'; '.join(summary['provider_kind_evidence'])})"
    rows = (
        *(("selector", summary["selector"]), ("id", summary["id"]), ("models in the sample", summary["models"])),
        *(("confidence", _share(summary["confidence"])), ("kind of API", kind), *_paging(summary)),
    )
    yield table(title, ("decision", "choice"), rows)
    yield from _endpoint_parts(explained)
    for further in explained["further_endpoints"]:
        one = further["summary"]
        rows = (("selector", one["selector"]), ("id", one["id"]), *_paging(one))
        yield table(f"{title}: {one['endpoint']}", ("decision", "choice"), rows)
        yield from _endpoint_parts(further)
    yield _capabilities(explained)
    yield from _issues(explained["issues"])


def _issues(issues: Iterable[Mapping[str, Any]]) -> Iterator[Text]:
    for issue in issues:
        yield Text(
            f"{issue['severity']}: {issue['message']}", style="red" if issue["severity"] == "error" else "yellow"
        )


def _paging(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "pagination", f"{_document(summary['pagination'])} ({summary['pagination_from'] or 'given'})"
    if summary["detail"]:
        yield "detail", _document(summary["detail"])


def _endpoint_parts(explained: Mapping[str, Any]) -> Iterator[RenderableType]:
    if explained["candidates"]:
        yield _candidates(explained["candidates"])
    if explained["ids"]:
        yield _choices("which field is the id", [("id", each) for each in explained["ids"]])
    alternatives = [(field["field"], each) for field in explained["fields"] for each in field["alternatives"]]
    if alternatives:
        yield _choices("fields", alternatives)
    if explained["left_out"]:
        yield table(
            "left out", ("field", "why"), ((each["expression"], each["reason"]) for each in explained["left_out"])
        )


def _candidates(candidates: list[dict[str, Any]]) -> Table:
    rows = (
        (
            *(_mark(each), each["selector"], each["items"], each["id"]),
            *(f"{each['score']:.2f}", _document(each["reasons"])),
        )
        for each in candidates
    )
    columns = ("", "selector", "items", "id", "score", "reasons")
    return table("which list is the listing", columns, rows, right=("items", "score"))


def _choices(title: str, entries: list[tuple[str, dict[str, Any]]]) -> Table:
    known = {"expression", "score", "chosen", "reasons"}
    rows = (
        (
            *(_mark(each), name, each["expression"], f"{each['score']:.2f}"),
            _document(each.get("reasons") or {key: value for key, value in each.items() if key not in known}),
        )
        for name, each in entries
    )
    return table(title, ("", "field", "expression", "score", "reasons"), rows, right=("score",))


def _capabilities(explained: Mapping[str, Any]) -> Table:
    covered = explained["coverage"]
    title = "capabilities" + ("" if covered is None else f" ({covered:.0%} of the sample's models have a known one)")
    numbers = ("by evidence", "by name", "weakly", "denied", "patterns")
    names = (
        *("capability", "models_by_evidence", "models_by_name", "models_by_weak_evidence", "models_denied"),
        "patterns",
    )
    rows = (
        (
            *(each[name] for name in names),
            _predicates([label + text for kind, label in LABELS.items() for text in each[kind]]),
        )
        for each in explained["capabilities"]
    )
    return table(title, ("capability", *numbers, "predicates"), rows, right=numbers)


def _predicates(predicates: list[str]) -> list[str]:
    more = len(predicates) - _SHOWN_PREDICATES
    return predicates[:_SHOWN_PREDICATES] + ([f"and {more} more"] if more > 0 else [])


def _mark(entry: Mapping[str, Any]) -> Text:
    return Text("chosen", style="green") if entry["chosen"] else Text("")


def _document(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"
