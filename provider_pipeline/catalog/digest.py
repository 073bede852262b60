"""Digests of the changes in a period, as data and as Markdown."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy.orm import Session

from provider_pipeline.catalog import canonical
from provider_pipeline.catalog.history import RecordedChange, stream_changes
from provider_pipeline.catalog.tasks import Task, list_tasks
from provider_pipeline.rules.model_columns import LIMIT_COLUMNS
from provider_pipeline.rules.model_prices import amount_text, as_price, is_price, part_name, percent, unit_text

_MAX_ENTRIES = 50
_USUAL_UNIT = "USD per million tokens"

E = TypeVar("E", bound="Entry")


@dataclass(frozen=True)
class Entry:
    """A model that changed."""

    provider: str
    model: str


@dataclass(frozen=True)
class Renamed(Entry):
    """A model now listed under another id; `was` is the old one."""

    was: str


@dataclass(frozen=True)
class Move:
    """A number that changed; `percent` is None if the old value is unknown or zero, or the new one is unknown.

    Attributes:
        field: A column, or a price as `rules.model_prices` names it, such as `prices.cache_read`.
        unit: Such as `tokens` or `USD per million tokens`.
    """

    field: str
    old: float | None
    new: float | None
    percent: float | None
    unit: str


@dataclass(frozen=True)
class Moved(Entry):
    """A model whose prices or limits changed."""

    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Recapabilitied(Entry):
    """A model that gained or lost capabilities."""

    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True)
class OfferEntry(Entry):
    """News about a canonical model, with the offer that caused it."""

    canonical_id: str


@dataclass(frozen=True)
class Undercut(OfferEntry):
    """An offer below every earlier price of its model; `old` of a move is the cheapest earlier price."""

    moves: tuple[Move, ...]


@dataclass(frozen=True)
class TaskEntry:
    """A RULE_GEN task and its first error."""

    provider: str
    task: int
    failed: str | None


@dataclass(frozen=True)
class Section(Generic[E]):
    """The total, and the first entries."""

    total: int
    entries: tuple[E, ...]


@dataclass(frozen=True)
class ChangeDigest:
    """What happened from `start` until before `end`.

    Attributes:
        restored: Models that were missing or removed and are listed again.
        repriced: Models whose prices changed, by component and tier.
        limits: Models whose context or output limits changed.
        appeared: Models that no provider offered before.
        undercut: Models with a price below the cheapest offer so far.
        ended: Models that no provider offers any more.
        by_rule: Models with other values because of a new rule; not counted above.
        by_override: Models whose manual overrides changed; not counted above.
        blocked: RULE_GEN tasks opened in the period.
        repaired: RULE_GEN tasks answered in the period.
        needs_review: RULE_GEN tasks from before the end of the period that wait for a person.
    """

    start: datetime
    end: datetime
    added: Section[Entry]
    removed: Section[Entry]
    renamed: Section[Renamed]
    restored: Section[Entry]
    repriced: Section[Moved]
    limits: Section[Moved]
    recapabilitied: Section[Recapabilitied]
    appeared: Section[OfferEntry]
    undercut: Section[Undercut]
    ended: Section[OfferEntry]
    by_rule: Section[Entry]
    by_override: Section[Entry]
    blocked: tuple[TaskEntry, ...]
    repaired: tuple[TaskEntry, ...]
    needs_review: tuple[TaskEntry, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed and nothing waits for a person."""
        return not any(self.counts().values())

    def counts(self) -> dict[str, int]:
        """The totals by section."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value.total if isinstance(value, Section) else len(value)
            for name, value in values.items()
            if isinstance(value, Section | tuple)
        }

    def to_json(self) -> dict[str, Any]:
        """The digest as plain JSON."""
        return asdict(self) | {"start": self.start.isoformat(), "end": self.end.isoformat(), "counts": self.counts()}


def change_digest(session: Session, start: datetime, end: datetime) -> ChangeDigest:
    """The digest of a period; `end` is exclusive."""
    return digest_of(
        stream_changes(session, since=start, until=end),
        list_tasks(session, since=start),
        canonical.events(session, since=start, until=end),
        start=start,
        end=end,
    )


def digest_of(
    changes: Iterable[RecordedChange],
    tasks: Iterable[Task],
    events: Iterable[canonical.CanonicalEvent] = (),
    *,
    start: datetime,
    end: datetime,
) -> ChangeDigest:
    """Sorts a period's changes, events and tasks into a digest."""
    found: dict[str, _Collected] = {name: _Collected() for name in _SECTIONS}
    for change in changes:
        for name, entry in _entries(change):
            found[name].add(entry)
    for event in events:
        found[event.kind].add(_of_event(event))
    sections: dict[str, Any] = {name: Section(each.total, tuple(each.entries)) for name, each in found.items()}
    listed = list(tasks)
    return ChangeDigest(
        start=start,
        end=end,
        **sections,
        blocked=_tasks(listed, lambda task: start <= task.created_at < end),
        repaired=_tasks(listed, lambda task: task.status == "SUCCEEDED" and start <= _finished(task) < end),
        needs_review=_tasks(listed, lambda task: task.status == "NEEDS_REVIEW" and task.created_at < end),
    )


def digest_markdown(digest: ChangeDigest, *, titled: bool = True) -> str:
    """The digest as Markdown, a line per model.

    Args:
        titled: Whether to add a title and headings; without them, the text fits under another heading.
    """
    lines = [f"# Changes from {_time(digest.start)} to {_time(digest.end)}", ""] if titled else []
    if digest.is_empty:
        return "\n".join([*lines, "Nothing changed, and nothing waits for a person.", ""])
    for name, heading in _HEADINGS.items():
        value = getattr(digest, name)
        entries = value.entries if isinstance(value, Section) else value
        total = value.total if isinstance(value, Section) else len(value)
        if total:
            head = f"{heading}: {total}"
            lines += [f"## {head}" if titled else f"**{head}**", "", *(f"- {_line(entry)}" for entry in entries)]
            lines += [f"- and {total - len(entries)} more"] if total > len(entries) else []
            lines.append("")
    return "\n".join(lines)


_HEADINGS: Mapping[str, str] = {
    "needs_review": "Waiting for a person",
    "blocked": "Blocked",
    "repaired": "Repaired",
    "added": "Added",
    "removed": "Removed",
    "renamed": "Renamed",
    "restored": "Back again",
    "repriced": "Repriced, in USD per million tokens unless stated",
    "limits": "Other limits, in tokens",
    "recapabilitied": "Other capabilities",
    "appeared": "New models, at their first provider",
    "undercut": "Cheaper than any offer before, in USD per million tokens unless stated",
    "ended": "Gone at their last provider",
    "by_rule": "Read differently by another rule",
    "by_override": "Set by people",
}
_SECTIONS = tuple(name for name in _HEADINGS if name not in {"needs_review", "blocked", "repaired"})


class _Collected:
    """Counts entries and keeps the first ones."""

    def __init__(self) -> None:
        self.total = 0
        self.entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self.total += 1
        if len(self.entries) < _MAX_ENTRIES:
            self.entries.append(entry)


def _entries(change: RecordedChange) -> Iterator[tuple[str, Entry]]:
    """The change's sections, each with its entry."""
    slug, model, changed = change.slug, change.model_id, change.changed
    if change.cause != "provider":
        yield f"by_{change.cause}", Entry(slug, model)
        return
    if change.kind in {"added", "removed", "restored"}:
        yield change.kind, Entry(slug, model)
    if change.kind == "renamed":
        yield "renamed", Renamed(slug, model, was=changed["model_id"][0])
    prices = [move for field, pair in changed.items() if is_price(field) for move in _price_moves(field, *pair)]
    limits = [_limit_move(field, *changed[field]) for field in LIMIT_COLUMNS if field in changed]
    for name, moves in (("repriced", prices), ("limits", limits)):
        if moves:
            yield name, Moved(slug, model, tuple(moves))
    before, after = changed.get("capabilities", ({}, {}))
    old, new = _held(before), _held(after)
    if old != new:
        yield "recapabilitied", Recapabilitied(slug, model, tuple(sorted(new - old)), tuple(sorted(old - new)))


def _of_event(event: canonical.CanonicalEvent) -> OfferEntry:
    if event.kind != "undercut":
        return OfferEntry(event.slug, event.model_id, event.canonical_id)
    moves = []
    for component, price in event.detail.items():
        old, new = ({**price, "amount": price[moment]} for moment in ("was", "now"))
        moves.append(Move(part_name(component, 0), old["amount"], new["amount"], percent(old, new), unit_text(new)))
    return Undercut(event.slug, event.model_id, event.canonical_id, tuple(moves))


def _held(capabilities: Mapping[str, bool]) -> set[str]:
    return {name for name, has in capabilities.items() if has}


def _limit_move(field: str, old: float | None, new: float | None) -> Move:
    return Move(field, old, new, (new - old) / old * 100 if old and new is not None else None, "tokens")


def _price_moves(field: str, old: Any, new: Any) -> list[Move]:
    """The change of a price: one move, or one per unit if the unit or currency changed."""
    before, after = (
        {} if value is None else {unit_text(as_price(value)): as_price(value)["amount"]} for value in (old, new)
    )
    return [
        Move(field, before.get(unit), after.get(unit), percent(old, new), unit)
        for unit in dict.fromkeys([*before, *after])
    ]


def _tasks(tasks: Iterable[Task], belongs: Callable[[Task], bool]) -> tuple[TaskEntry, ...]:
    return tuple(TaskEntry(task.slug, task.id, task.first_error) for task in tasks if belongs(task))


def _finished(task: Task) -> datetime:
    return task.finished_at or task.created_at


def _line(entry: Entry | TaskEntry) -> str:
    if isinstance(entry, TaskEntry):
        return f"{entry.provider}: task {entry.task}" + (f", {_plain(entry.failed)}" if entry.failed else "")
    said = f"{entry.provider}: {_code(entry.model)}"
    if isinstance(entry, Renamed):
        said += f", was {_code(entry.was)}"
    elif isinstance(entry, OfferEntry):
        said += f", {_code(entry.canonical_id)}"
    if isinstance(entry, (Moved, Undercut)):
        said += "".join(f", {_moved(move)}" for move in entry.moves)
    elif isinstance(entry, Recapabilitied):
        said += "".join(
            f", {word} {', '.join(map(_plain, names))}"
            for word, names in (("gained", entry.gained), ("lost", entry.lost))
            if names
        )
    return said


def _moved(move: Move) -> str:
    said = f"{_label(move.field)} {_number(move.old)} → {_number(move.new)}"
    if move.unit not in (_USUAL_UNIT, "tokens"):
        said += f" {move.unit}"
    return said + (f" ({move.percent:+.1f}%)" if move.percent is not None else "")


def _label(field: str) -> str:
    component, _, above = field.removeprefix("prices.").partition(".above_")
    label = component.replace("_", " ")
    if field.startswith("prices."):
        label += " price"
    return _plain(label) + (f" above {int(above):,} tokens" if above else "")


def _number(value: float | None) -> str:
    return "unknown" if value is None else amount_text(value)


def _code(text: str) -> str:
    """Inline code; a backtick in a model's id, which is untrusted, cannot close it."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`"


def _plain(text: str) -> str:
    return " ".join("".join(f"\\{char}" if char in "\\`*_[]<>#|" else char for char in text).split())


def _time(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")
