"""The guards that hold a listing back for a person to look at.

Here: their names, and the issue types that each raises. Not here: the comparisons themselves (`plausibility.py`). They
are explained in docs/rules.md.
"""

from collections.abc import Mapping
from typing import Final

GUARDS: Final[Mapping[str, frozenset[str]]] = {
    "shrink": frozenset({"listing_shrunk"}),
    "turnover": frozenset({"listing_turned_over", "id_form_changed"}),
    "prices": frozenset({"prices_jumped"}),
    "limits": frozenset({"limits_shrank"}),
    "fields": frozenset({"field_vanished", "one_value_for_all"}),
}
"""The guards by the names under which a person accepts what they hold, and the issue types that each raises."""

PLAUSIBILITY_ISSUES: Final = frozenset().union(*GUARDS.values())
"""The issue types that only a comparison with the last accepted listing raises."""
