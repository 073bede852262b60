"""The models, now or at a past moment, as one thing to select from.

Here: its columns, and where they come from. Not here: what is selected (`history.py`, `model_search.py`). How the past
is told is explained at the function `provider_models_as_of`, in `sql/`.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import DateTime, Text, cast, column, func, select, table

from provider_pipeline.catalog.tables import provider_model
from provider_pipeline.rules import ROW_COLUMNS

MODEL_COLUMNS: Final = (
    *(name for name in ROW_COLUMNS if name != "meta_hash"),
    "status",
    "first_seen_at",
    "missing_since",
    "removed_at",
    "rule_version",
    "renamed_from",
    "renamed_to",
    "overridden_fields",
)
"""What is known of a model at any moment, the present one included."""


def models_at(moment: datetime | None, slug: str | None) -> Any:
    """Columns `slug`, `provider_id`, those of `MODEL_COLUMNS`, and `last_seen_at`, which is None in the past.

    Args:
        moment: The moment; None for now.
        slug: The only provider that will be asked for: the past of the others is not worked out. None for all.
    """
    columns = [
        column("slug", Text()),
        *(column(name, provider_model.c[name].type) for name in ("provider_id", *MODEL_COLUMNS)),
    ]
    seen = DateTime(timezone=True)
    if moment is None:
        return table("provider_model_current", *columns, column("last_seen_at", seen))
    past = func.provider_models_as_of(moment, cast(slug, Text)).table_valued(*columns, name="past")
    return select(past, cast(None, seen).label("last_seen_at")).subquery("past_models")
