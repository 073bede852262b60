"""A person's word that a listing which was held is right.

Here: what such a word says. Not here: what each guard holds (`rules.GUARDS`) and where the word is kept
(`catalog.acceptances`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.rules import GUARDS

ALL_GUARDS = "all"


@dataclass(frozen=True)
class AcceptedGuards:
    """Guards that need not hold the next listing, by whom and why.

    Attributes:
        guards: Names from `rules.GUARDS`.
        reason: Why the listing is right.
        author: Who says so, by name.
        created_by_id: Who says so, in the operator's own numbering.
    """

    guards: frozenset[str]
    reason: str
    author: str | None = None
    created_by_id: int | None = None


def accept_guards(
    names: Iterable[str], reason: str | None, *, author: str | None = None, created_by_id: int | None = None
) -> AcceptedGuards | None:
    """What a person accepts; None when no guard is named.

    Args:
        names: Guards by name; `all` stands for every one.
        reason: Why; needed with any name.
        author: Who, by name.
        created_by_id: Who, in the operator's own numbering.

    Raises:
        ConfigurationError: A name is no guard's, or the reason is missing.
    """
    wanted = list(names)
    unknown = sorted(set(wanted) - GUARDS.keys() - {ALL_GUARDS})
    if unknown:
        raise ConfigurationError(
            f"{unknown[0]!r} is not a guard that can be accepted", hint=f"one of {', '.join([*GUARDS, ALL_GUARDS])}"
        )
    if not wanted:
        return None
    if not (reason or "").strip():
        raise ConfigurationError("accepting what a guard holds needs a reason", hint="it is recorded with who gave it")
    guards = frozenset(GUARDS) if ALL_GUARDS in wanted else frozenset(wanted)
    return AcceptedGuards(guards, str(reason).strip(), author, created_by_id)
