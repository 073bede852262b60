"""The guards that hold a listing back for a person to look at.

Here: their names, the issue types that each raises, and how a person lets a listing pass one. Not here: the comparisons
themselves (`plausibility.py`, `succession.py`). They are explained in docs/rules.md.
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
"""The guards by the names under which a person accepts what they hold, and the issue types that each raises."""

PLAUSIBILITY_ISSUES: Final = frozenset().union(*GUARDS.values())
"""The issue types that only a comparison with earlier accepted listings raises."""


def remedy(guard: str, threshold: str) -> str:
    """How a person lets a listing pass a guard, once or always."""
    return f"accept it once (--accept {guard} --reason WHY), or set the provider's threshold {threshold}"


def holding_guards(issues: Iterable[Mapping[str, Any]]) -> list[str]:
    """The guards without which the listing would be valid; none where it is held for another reason as well."""
    errors = {issue["type"] for issue in issues if issue["severity"] == "error"}
    return [name for name, kinds in GUARDS.items() if kinds & errors] if errors <= PLAUSIBILITY_ISSUES else []


def accepted_by_hand(issues: Iterable[dict[str, Any]], guards: Collection[str]) -> list[dict[str, Any]]:
    """The issues, with those that a person accepted as warnings that say so."""
    taken = frozenset().union(*(GUARDS[guard] for guard in guards))
    return [
        {**entry, "severity": "warning", "recovery": "Accepted by hand."}
        if entry["type"] in taken and entry["severity"] == "error"
        else entry
        for entry in issues
    ]
