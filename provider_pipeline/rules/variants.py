"""Documents told apart by their `type`: one pydantic model for each, built when the first such document is read."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, Generic, TypeVar, get_args

from pydantic import ConfigDict, GetPydanticSchema, TypeAdapter, ValidationError
from pydantic_core import core_schema

Variant = TypeVar("Variant")

BUILT_WHEN_USED: Final = ConfigDict(frozen=True, extra="forbid", defer_build=True)
"""Settings of models of which a process uses few: building one takes about a millisecond."""


class Variants(Generic[Variant]):
    """The models of a union with the discriminator `type`.

    Args:
        union: `Annotated[First | Second, Field(discriminator="type")]`.
    """

    def __init__(self, union: Any) -> None:
        self._models = {
            get_args(each.model_fields["type"].annotation)[0]: each for each in get_args(get_args(union)[0])
        }
        self._annotation = union

    def parse(self, document: Any) -> Variant:
        """The model of a document.

        Raises:
            ValidationError: As the union raises it, with the type as first part of each error's place.
        """
        kind = document.get("type") if isinstance(document, Mapping) else None
        if isinstance(kind, str) and kind in self._models:
            with suppress(ValidationError):
                found: Variant = self._models[kind].model_validate(document)
                return found
        return self._union.validate_python(document)

    def fields(self, kind: object) -> list[str]:
        """The names of the fields of a type's documents, besides `type`; none of an unknown type."""
        model = self._models.get(kind) if isinstance(kind, str) else None
        return [name for name in (model.model_fields if model else ()) if name != "type"]

    @cached_property
    def _union(self) -> TypeAdapter[Variant]:
        return TypeAdapter(self._annotation)


def parsed_by(parse: Callable[[Any], Any]) -> GetPydanticSchema:
    """For a field's annotation: a parser in place of a schema of its type, which would build all its models."""
    return GetPydanticSchema(lambda _type, _handler: core_schema.no_info_plain_validator_function(parse))
