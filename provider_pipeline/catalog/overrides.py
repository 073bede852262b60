"""What people decided about a model, against its listing.

Here: the rows of `provider_model_override`. Not here: putting them over a listing's rows (`rules.apply_override`).
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import provider_model_override


def overrides(session: Session, provider_id: int) -> dict[str, dict[str, Any]]:
    """The overriding values of a provider's models, by model id."""
    query = select(provider_model_override.c.model_id, provider_model_override.c.override_values).where(
        provider_model_override.c.provider_id == provider_id
    )
    return {row.model_id: row.override_values for row in session.execute(query)}


def set_override(session: Session, provider_id: int, model_id: str, values: Mapping[str, Any], reason: str) -> None:
    """Set the values that hold for a model whatever its listing says, in place of any set before.

    They show in `provider_model` after the provider's next sync.

    Args:
        session: Session to write with.
        provider_id: The provider.
        model_id: The model; it need not be listed yet.
        values: Columns of `provider_model` to their values.
        reason: Why the listing is not right about it.
    """
    statement = insert(provider_model_override).values(
        provider_id=provider_id, model_id=model_id, override_values=dict(values), reason=reason
    )
    new, old = statement.excluded, provider_model_override.c
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["provider_id", "model_id"],
            set_={"override_values": new.override_values, "reason": new.reason, "updated_at": func.now()},
            where=or_(
                old.override_values.is_distinct_from(new.override_values), old.reason.is_distinct_from(new.reason)
            ),
        )
    )
