"""The expected rows, computed without the code under test: JMESPath, a table of units, and a few lines."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jmespath

from provider_pipeline.rules.model_columns import ROW_COLUMNS

UNITS = {"usd_per_token": 1e6, "usd_per_thousand_tokens": 1e3, "usd_per_million_tokens": 1.0}
COMPARED = (
    *(name for name in ROW_COLUMNS if name not in {"model_id", "meta_hash"}),
    "status",
    "overridden_fields",
    "renamed_to",
)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """The expected extraction: core columns by id, and ids of invalid items."""

    rows: Mapping[str, Row]
    refused: frozenset[str]

    @property
    def ids(self) -> set[str]:
        return {*self.rows, *self.refused}


def reading(model_list_config: Mapping[str, Any], document: Any) -> Reading:
    """Applies the rule to the document."""
    fields, units = model_list_config["fields"], model_list_config.get("units", {})
    rows: dict[str, Row] = {}
    refused = set()
    for item in jmespath.search(model_list_config["selector"], document):
        said = {name: jmespath.search(text, item) for name, text in fields.items()}
        row = {
            "display_name": said.get("name"),
            "context_length": said.get("context_length"),
            "input_price": _price(said, units, "input_price"),
            "output_price": _price(said, units, "output_price"),
        }
        if row["context_length"] is not None and row["context_length"] <= 0:
            refused.add(said["id"])
        elif _filled(row) > _filled(rows.get(said["id"], {})):
            rows[said["id"]] = row
    return Reading(rows, frozenset(refused - rows.keys()))


def replayed(before: Mapping[str, Row], changes: Iterable[Row], after: Mapping[str, Row]) -> dict[str, dict[str, Any]]:
    """A snapshot with changes applied; the rows of added models are taken from `after`."""
    rows = {model_id: {name: row[name] for name in COMPARED} for model_id, row in before.items()}
    for change in changes:
        model_id, changed = change["model_id"], dict(change["changed"])
        if change["kind"] == "added":
            assert model_id not in rows
            rows[model_id] = {name: after[model_id][name] for name in COMPARED}
            continue
        if change["kind"] == "renamed":
            assert model_id not in rows
            old_id, new_id = changed.pop("model_id")
            assert new_id == model_id
            rows[model_id] = copy.deepcopy(rows[old_id]) | {"status": "active", "renamed_to": None}
        for name, (was, now) in changed.items():
            assert rows[model_id][name] == was
            rows[model_id][name] = now
    return rows


def _price(said: Row, units: Mapping[str, str], name: str) -> float | None:
    value = said.get(name)
    return None if value is None else round(float(value) * UNITS[units.get(name, "usd_per_million_tokens")], 9)


def _filled(row: Row) -> int:
    return sum(value is not None for value in row.values())
