"""Cursors: where the next page of a list begins, as an opaque text.

A cursor is not signed: it only names a position in a list that its holder may read anyway. It is validated instead,
and holds a digest of its list's filters, so that another list's cursor is refused.
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

_MAX_BIGINT: Final = 2**63 - 1
_MAX_DIGITS: Final = 100
_NO_NUL: Final = r"^[^\x00]*$"


class _Position(BaseModel):
    model_config = ConfigDict(extra="forbid")

    of: str


class _ModelPosition(_Position):
    value: Annotated[str | None, Field(max_length=200, pattern=_NO_NUL)]
    provider_id: Annotated[int, Field(ge=0, le=_MAX_BIGINT, strict=True)]
    model_id: Annotated[str, Field(max_length=600, pattern=_NO_NUL)]


class _ChangePosition(_Position):
    changed_at: AwareDatetime
    id: Annotated[int, Field(ge=0, le=_MAX_BIGINT, strict=True)]


class _KeyPosition(_Position):
    key: Annotated[str, Field(max_length=1200, pattern=_NO_NUL)]


_P = TypeVar("_P", bound=_Position)


def encode_model_cursor(query: ModelQuery, key: ModelKey, *, as_of: str | None) -> str:
    """The cursor of the page after a model; `as_of` as the request writes it."""
    return _encode({"of": _digest(_filters(query, as_of)), **asdict(key)})


def decode_model_cursor(query: ModelQuery, cursor: str, *, as_of: str | None) -> ModelKey:
    """The last model of the page before; `as_of` as the request writes it.

    Raises:
        ProblemError: 400: the cursor is invalid, or another list's.
    """
    position = _decode(cursor, _ModelPosition, _filters(query, as_of))
    try:
        value = _sort_value(query, position.value)
    except (ValueError, ArithmeticError) as error:
        raise _broken() from error
    return ModelKey(value, position.provider_id, position.model_id)


def encode_change_cursor(filters: Mapping[str, Any], changed_at: datetime, change_id: int) -> str:
    """The cursor of the page after a change."""
    return _encode({"of": _digest(filters), "changed_at": changed_at.isoformat(), "id": change_id})


def decode_change_cursor(filters: Mapping[str, Any], cursor: str) -> tuple[datetime, int]:
    """Time and id of the last change of the page before.

    Raises:
        ProblemError: 400: the cursor is invalid, or another list's.
    """
    position = _decode(cursor, _ChangePosition, filters)
    return position.changed_at, position.id


def encode_key_cursor(filters: Mapping[str, Any], key: str) -> str:
    """The cursor of the page after the entry with a key."""
    return _encode({"of": _digest(filters), "key": key})


def decode_key_cursor(filters: Mapping[str, Any], cursor: str) -> str:
    """The key of the last entry of the page before.

    Raises:
        ProblemError: 400: the cursor is invalid, or another list's.
    """
    return _decode(cursor, _KeyPosition, filters).key


def _encode(position: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def _decode(cursor: str, kind: type[_P], filters: Mapping[str, Any]) -> _P:
    try:
        position = kind.model_validate_json(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
    except ValueError as error:  # bad base64 and failed validation are both ValueErrors
        raise _broken() from error
    if position.of != _digest(filters):
        raise _broken("the cursor belongs to a list with other filters, or in another order")
    return position


def _sort_value(query: ModelQuery, value: str | None) -> str | None:
    """The value in the form that PostgreSQL reads.

    Raises:
        ValueError: It is not a value of the query's sort column.
        ArithmeticError: It is a number out of range.
    """
    if value is None:
        return None
    if query.order == "first_seen_at":
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    if query.order == "context_length" and 0 <= int(value) <= _MAX_BIGINT:
        return str(int(value))
    if query.order in ("input_price", "output_price"):
        price = Decimal(value)
        if price.is_finite() and abs(price.adjusted()) <= _MAX_DIGITS:
            return str(price)
    raise ValueError(value)


def _broken(detail: str = "the cursor is not a `next_cursor` of this API") -> ProblemError:
    return ProblemError(400, "broken-cursor", detail, hint="ask for the first page, without a cursor")


def _filters(query: ModelQuery, as_of: str | None) -> Mapping[str, Any]:
    members = {name: getattr(query, name) for name in ModelQuery.__dataclass_fields__}
    return members | {"provider": query.provider.slug if query.provider else None, "as_of": as_of}


def _digest(filters: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(filters, sort_keys=True, default=str).encode()).hexdigest()[:16]
