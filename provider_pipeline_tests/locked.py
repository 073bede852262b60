"""What the lock files pin, and which of it a requirement needs."""

from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def entries(lock: str) -> list[str]:
    """Each requirement of a lock with its options, on one line."""
    return (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", "").splitlines()


def requirement(entry: str) -> Requirement:
    """The requirement of an entry, without its hashes."""
    return Requirement(entry.partition("--hash=")[0].strip())


def needed_by(requirements: Iterable[str]) -> set[str]:
    """The names of these distributions and all they depend on here, from the metadata of what is installed."""
    needed: set[str] = set()
    waiting = {(each, extra) for each in map(Requirement, requirements) for extra in ("", *each.extras)}
    seen = set()
    while waiting:
        wanted, extra = waiting.pop()
        needed.add(canonicalize_name(wanted.name))
        for each in map(Requirement, distribution(wanted.name).requires or ()):
            applies = each.marker is None or each.marker.evaluate({"extra": extra})
            further = {(each, name) for name in ("", *each.extras)} if applies else set()
            waiting |= further - seen
            seen |= further
    return needed
