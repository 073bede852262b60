"""Where the next page of a list begins, as a text that clients only hand back.

Here: writing and reading it. Not here: pages (`catalog.model_search`, `catalog.history`).

A cursor is not signed: it says where in a list to go on, which everybody who may read the list may choose. It is
checked instead: another list's, or one that does not hold what it must, is refused.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from provider_pipeline.api.problems import ProblemError
from provider_pipeline.catalog.model_search import ModelKey, ModelQuery

_LARGEST: Final = 2**63 - 1
_MOST_DIGITS: Final = 100
_NO_NUL: Final = r"^[^\x00]*$"


class _Place(BaseModel):
    model_config = ConfigDict(extra="forbid")

    of: str


class _ModelPlace(_Place):
    value: Annotated[str | None, Field(max_length=200, pattern=_NO_NUL)]
    provider_id: Annotated[int, Field(ge=0, le=_LARGEST, strict=True)]
    model_id: Annotated[str, Field(max_length=600, pattern=_NO_NUL)]


class _ChangePlace(_Place):
    changed_at: AwareDatetime
    id: Annotated[int, Field(ge=0, le=_LARGEST, strict=True)]


_P = TypeVar("_P", bound=_Place)


def write_model_cursor(query: ModelQuery, key: ModelKey) -> str:
    """The cursor of the page after a model."""
    return _written({"of": _digest(_named(query)), **asdict(key)})


def read_model_cursor(query: ModelQuery, cursor: str) -> ModelKey:
    """The place in a list of models that a cursor stands for.

    Raises:
        ProblemError: 400: it is none, or one of another list.
    """
    place = _read(cursor, _ModelPlace, _named(query))
    try:
        value = _normal(query, place.value)
    except (ValueError, ArithmeticError) as error:
        raise _broken() from error
    return ModelKey(value, place.provider_id, place.model_id)


def write_change_cursor(filters: Mapping[str, Any], changed_at: datetime, change_id: int) -> str:
    """The cursor of the page after a change."""
    return _written({"of": _digest(filters), "changed_at": changed_at.isoformat(), "id": change_id})


def read_change_cursor(filters: Mapping[str, Any], cursor: str) -> tuple[datetime, int]:
    """The place in a list of changes that a cursor stands for.

    Raises:
        ProblemError: 400: it is none, or one of another list.
    """
    place = _read(cursor, _ChangePlace, filters)
    return place.changed_at, place.id


def _written(place: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _read(cursor: str, kind: type[_P], of: Mapping[str, Any]) -> _P:
    try:
        place = kind.model_validate_json(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
    except ValueError as error:  # what is no base64 or no place is one too
        raise _broken() from error
    if place.of != _digest(of):
        raise _broken("the cursor is of a list with other filters, or in another order")
    return place


def _normal(query: ModelQuery, value: str | None) -> str | None:
    """The value as PostgreSQL reads it.

    Raises:
        ValueError: It is not one of the list's order.
        ArithmeticError: It is beyond all bounds.
    """
    if value is None:
        return None
    if query.order == "first_seen_at":
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    if query.order == "context_length" and 0 <= int(value) <= _LARGEST:
        return str(int(value))
    if query.order in ("input_price", "output_price"):
        price = Decimal(value)
        if price.is_finite() and abs(price.adjusted()) <= _MOST_DIGITS:
            return str(price)
    raise ValueError(value)


def _broken(detail: str = "the cursor is not one of this API's") -> ProblemError:
    return ProblemError(400, "broken-cursor", detail, hint="begin again without a cursor")


def _named(query: ModelQuery) -> Mapping[str, Any]:
    members = {name: getattr(query, name) for name in ModelQuery.__dataclass_fields__}
    return members | {"provider": query.provider.slug if query.provider else None}


def _digest(of: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(of, sort_keys=True, default=str).encode()).hexdigest()[:16]
