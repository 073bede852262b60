"""One model that several endpoints of a provider list, as one row.

Here: joining two rows with one id, and the last version of each row in a stream. Not here: which rows belong together
(`judge.py`). What wins is explained in docs/rules.md.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from provider_pipeline.rules.rows import meta_hash

_JOINED: Final = frozenset({"capabilities", "capability_sources", "metadata_json", "meta_hash"})
_STRENGTH: Final = ("evidence", "lookup_table", "regex")
"""What a capability can rest on, the strongest first."""


def merged_row(first: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """A new row from two with one id: the first endpoint's values, and the later one's where the first has none.

    A capability that both decide rests on the stronger source, and of equal ones on the first endpoint's.
    """
    row = {
        column: value if value is not None or column in _JOINED else later[column] for column, value in first.items()
    }
    decided = dict(first["capabilities"])
    sources = dict(first["capability_sources"])
    for capability, has in later["capabilities"].items():
        source = later["capability_sources"][capability]
        if capability not in decided or _strength(source) < _strength(sources[capability]):
            decided[capability], sources[capability] = has, source
    row["capabilities"] = dict(sorted(decided.items()))
    row["capability_sources"] = dict(sorted(sources.items()))
    row["metadata_json"] = {**later["metadata_json"], **first["metadata_json"]}
    row["meta_hash"] = meta_hash(row)
    return row


def last_of_each(rows: Iterable[dict[str, Any]], superseded: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """The rows without those that a later one in the stream replaces.

    Args:
        rows: All rows that a `ListingJudge` handed out, in order.
        superseded: Its verdict's `superseded`.
    """
    if not superseded:
        yield from rows
        return
    left = dict(superseded)
    for row in rows:
        waiting = left.get(row["model_id"], 0)
        if waiting:
            left[row["model_id"]] = waiting - 1
        else:
            yield row


def _strength(source: str) -> int:
    return _STRENGTH.index(source)
