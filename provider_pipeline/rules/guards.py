"""The guards that block an implausible listing until a person accepts it: names and issue types.

`plausibility.py` does the comparing; this module stays separate because the command line's help needs it alone.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

GUARDS: Final[Mapping[str, frozenset[str]]] = {
    "shrink": frozenset({"listing_shrunk"}),
    "growth": frozenset({"listing_grew"}),
    "turnover": frozenset({"listing_turned_over", "id_form_changed"}),
    "prices": frozenset({"prices_jumped", "prices_moved"}),
    "limits": frozenset({"limits_shrank", "limits_moved"}),
    "fields": frozenset({"field_vanished", "one_value_for_all"}),
}
"""Guards by the name a person accepts them under, each with the issue types it raises."""

PLAUSIBILITY_ISSUES: Final = frozenset().union(*GUARDS.values())
"""Issue types that only a comparison with accepted listings raises."""


def remedy(guard: str, threshold: str) -> str:
    """How a person lets listings pass a guard, once or always."""
    return f"accept it once (--accept {guard} --reason WHY), or set the provider's threshold {threshold}"


def blocking_guards(issues: Iterable[Mapping[str, Any]]) -> list[str]:
    """The guards that alone block the listing; empty if another error would block it too."""
    errors = {issue["type"] for issue in issues if issue["severity"] == "error"}
    return [name for name, kinds in GUARDS.items() if kinds & errors] if errors <= PLAUSIBILITY_ISSUES else []


def accepted_by_hand(issues: Iterable[dict[str, Any]], guards: Collection[str]) -> list[dict[str, Any]]:
    """The issues, with the errors of accepted guards turned into warnings that say so."""
    taken = frozenset().union(*(GUARDS[guard] for guard in guards))
    return [
        {**entry, "severity": "warning", "recovery": "Accepted by hand."}
        if entry["type"] in taken and entry["severity"] == "error"
        else entry
        for entry in issues
    ]
