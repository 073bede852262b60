"""What models are called elsewhere, where their ids say nothing: deployments, adapters, opaque ids.

Here: finding the field that names the model behind an id. Not here: what names say (`../families.py`), and applying it
to a row (`../extraction.py`). The names are data (`data/fields.toml`).
"""

from typing import Final

from provider_pipeline.rules.families import family_of
from provider_pipeline.rules.generation.identifiers import IdChoice
from provider_pipeline.rules.generation.shape import Column, Shape
from provider_pipeline.rules.knowledge import read_table

_SAMPLE: Final = 2_000
_TELLING: Final = 0.5
_DEPTH: Final = 3


def base_model(shape: Shape, identity: IdChoice) -> str | None:
    """The field whose texts are of known families for most items whose ids are of none; None where ids say enough."""
    own = next((column for column in shape.columns.values() if column.expression == identity.expression), None)
    if own is None:
        return None
    silent = {
        owner
        for owner, text in list(zip(own.owners, own.values, strict=True))[:_SAMPLE]
        if family_of(str(text)) is None
    }
    if not silent:
        return None
    found = [
        (share, -len(column.path), column.expression)
        for column in shape.columns.values()
        if column is not own and _may_name(column) and (share := _telling(column, silent)) >= _TELLING
    ]
    return max(found)[2] if found else None


def _may_name(column: Column) -> bool:
    table = read_table("fields.toml")["base_model"]
    if column.lookup or len(column.path) > _DEPTH or column.share(str) < 0.9:
        return False
    parent = column.parent
    return column.leaf in table["aliases"] or (parent in table["parents"] and column.leaf in table["keys"])


def _telling(column: Column, silent: set[int]) -> float:
    """The share of the silent items with a text there whose text is of a known family."""
    texts = [str(value) for owner, value in zip(column.owners, column.values, strict=True) if owner in silent]
    return sum(family_of(text) is not None for text in texts) / len(texts) if texts else 0.0
