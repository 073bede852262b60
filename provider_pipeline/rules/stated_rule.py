"""The parts of a rule stated by a person, in a short form; the other parts are generated.

`rules edit` and provider files (under `rule`) use this form; it is stored with the provider.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.capability_rules import first_reason
from provider_pipeline.rules.document import Endpoint, ExtractionRule, FieldName, read_units
from provider_pipeline.rules.extraction import FIELD_COLUMNS
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.limits import MAX_ENDPOINTS, MAX_FIELDS
from provider_pipeline.rules.pagination import Expression, parse_pagination
from provider_pipeline.rules.prices import CURRENCY_FIELD, price_field
from provider_pipeline.rules.values import Unit, parse_unit

PARTS: Final = ("selector", "fields", "units", "pagination")
_OTHER_FIELDS: Final = ("base_model", CURRENCY_FIELD)
_MODEL = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class MissingPart(NamedTuple):
    """A stated part that differs in the rule; `found` is None if the rule lacks it."""

    part: str
    stated: Any
    found: Any

    def __str__(self) -> str:
        stated = f"is stated as {self.stated}" if self.stated is not None else "is stated to be left out"
        return f"{self.part} {stated}, and {'is missing' if self.found is None else f'would be {self.found}'}"


class StatedParts(BaseModel):
    """The stated parts of one endpoint; a field or a unit of None is removed from the rule."""

    model_config = _MODEL

    selector: Expression | None = None
    fields: Annotated[dict[FieldName, Expression | None], Field(max_length=MAX_FIELDS)] = {}
    units: Annotated[dict[FieldName, Unit | None], Field(max_length=MAX_FIELDS)] = {}
    pagination: dict[str, Any] | None = None

    @field_validator("fields")
    @classmethod
    def _keeps_the_id(cls, fields: dict[str, str | None]) -> dict[str, str | None]:
        if fields.get("id", "") is None:
            raise ValueError("the id cannot be left out")
        return fields

    @field_validator("units", mode="before")
    @classmethod
    def _known_units(cls, units: Any) -> Any:
        return read_units(units, lambda unit: None if unit is None else parse_unit(unit))

    @field_validator("pagination")
    @classmethod
    def _known_pagination(cls, document: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            parse_pagination(document)
        except InvalidRuleError as error:
            raise ValueError(error.message.removeprefix("pagination: ")) from error
        return document

    def applied(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint with these parts; a field that is left out takes its unit with it."""
        fields = _overlaid(endpoint.fields, self.fields)
        gone = endpoint.fields.keys() - fields.keys()
        units = _overlaid({name: unit for name, unit in endpoint.units.items() if name not in gone}, self.units)
        update: dict[str, Any] = {"selector": self.selector} if self.selector is not None else {}
        update |= {"fields": fields} if self.fields else {}
        update |= {"units": units} if units != endpoint.units else {}
        update |= {"pagination": self.pagination} if self.pagination is not None else {}
        return endpoint.model_copy(update=update)

    def missing(self, endpoint: Endpoint) -> Iterator[MissingPart]:
        """The parts that differ in the endpoint."""
        if self.selector not in (None, endpoint.selector):
            yield MissingPart("selector", self.selector, endpoint.selector)
        for part in ("fields", "units"):
            found = getattr(endpoint, part)
            for name, value in getattr(self, part).items():
                if value != found.get(name):
                    yield MissingPart(f"{part}.{name}", _plain(value), _plain(found.get(name)))
        if self.pagination is not None and parse_pagination(self.pagination) != parse_pagination(endpoint.pagination):
            yield MissingPart("pagination", self.pagination, endpoint.pagination)

    def without(self, parts: set[str]) -> Self:
        """The same without some parts, named as in `MissingPart`."""
        kept: dict[str, Any] = {
            part: {name: value for name, value in getattr(self, part).items() if f"{part}.{name}" not in parts}
            for part in ("fields", "units")
        }
        return self.model_copy(update=kept | {part: None for part in ("selector", "pagination") if part in parts})

    def names(self) -> set[str]:
        """The stated parts, named as in `MissingPart`."""
        named = {f"{part}.{name}" for part in ("fields", "units") for name in getattr(self, part)}
        return named | {part for part in ("selector", "pagination") if getattr(self, part) is not None}

    def merged(self, changes: "StatedParts") -> "StatedParts":
        """These parts and the changes, which win."""
        return StatedParts(
            selector=changes.selector or self.selector,
            fields={**self.fields, **changes.fields},
            units={**self.units, **changes.units},
            pagination=self.pagination if changes.pagination is None else changes.pagination,
        )


NOTHING: Final = StatedParts()


class StatedRule(StatedParts):
    """The stated parts of a rule: of its only endpoint, or under `endpoints` by path."""

    endpoints: Annotated[dict[str, StatedParts], Field(max_length=MAX_ENDPOINTS)] = {}

    @model_validator(mode="after")
    def _is_of_one_or_of_several(self) -> Self:
        if self.endpoints and any(getattr(self, part) for part in PARTS):
            raise ValueError("state the parts of each endpoint under 'endpoints', and none beside it")
        return self

    @classmethod
    def parse(cls, document: Any) -> "StatedRule":
        """The stated rule in a document.

        Raises:
            InvalidRuleError: One line naming the part that is wrong, and why.
        """
        if not isinstance(document, Mapping):
            raise InvalidRuleError(f"expected the parts of a rule: {', '.join(PARTS)}; got {type(document).__name__}")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            unknown = first["type"] == "extra_forbidden"
            known = PARTS if len(first["loc"]) > 1 else (*PARTS, "endpoints")
            raise InvalidRuleError(
                f"{'.'.join(map(str, first['loc']))}: not a part of a rule" if unknown else first_reason(error, "rule"),
                hint=f"the parts are {', '.join(known)}" if unknown else None,
            ) from error

    @classmethod
    def of(cls, rule: ExtractionRule) -> "StatedRule":
        """All of a rule's parts in this form, stated by a person or not."""
        parts = [
            StatedParts(
                selector=endpoint.selector,
                fields=dict(endpoint.fields),
                units=dict(endpoint.units),
                pagination=endpoint.pagination,
            )
            for endpoint in rule.endpoints
        ]
        if len(parts) == 1:
            return cls(**dict(parts[0]))
        return cls(endpoints={endpoint.path or "": each for endpoint, each in zip(rule.endpoints, parts, strict=True)})

    def to_json(self) -> dict[str, Any]:
        """As plain JSON, without the parts that are not stated."""
        if self.endpoints:
            return {"endpoints": {path: _written(parts) for path, parts in self.endpoints.items()}}
        return _written(self)

    def at(self, path: str | None, *, alone: bool) -> StatedParts:
        """The stated parts of the endpoint at a path; `alone` if it is the rule's only one."""
        if self.endpoints:
            return self.endpoints.get(path or "", NOTHING)
        return StatedParts(**{part: getattr(self, part) for part in PARTS}) if alone else NOTHING

    def stated_fields(self) -> set[str]:
        """The fields that are stated, or whose unit is."""
        parts = (self, *self.endpoints.values())
        return {name for each in parts for name in (*each.fields, *each.units)}

    def by_place(self, rule: ExtractionRule) -> dict[int, StatedParts]:
        """The stated parts of each endpoint, by its position in the rule.

        Raises:
            InvalidRuleError: The rule has several endpoints and none is named, or it lacks one that is.
        """
        paths = [endpoint.path or "" for endpoint in rule.endpoints]
        if not self.endpoints:
            if len(paths) > 1 and self.to_json():
                raise InvalidRuleError(
                    f"the rule has {len(paths)} endpoints: say which one", hint=f"they are {', '.join(paths)}"
                )
            return {0: self}
        for path in self.endpoints:
            if path not in paths:
                raise InvalidRuleError(f"the rule has no endpoint {path}", hint=f"it has {', '.join(paths)}")
        return {paths.index(path): parts for path, parts in self.endpoints.items()}

    def apply_to(self, rule: ExtractionRule) -> ExtractionRule:
        """The rule with these parts.

        Raises:
            InvalidRuleError: The result is not a valid rule, or the endpoints do not match.
        """
        endpoints = list(rule.endpoints)
        for place, parts in self.by_place(rule).items():
            endpoints[place] = parts.applied(endpoints[place])
        return with_endpoints(rule, endpoints)

    def missing_from(self, rule: ExtractionRule) -> list[MissingPart]:
        """The parts that differ in a rule; named with the path if there are several endpoints."""
        try:
            places = self.by_place(rule)
        except InvalidRuleError as error:
            return [MissingPart("endpoints", error.message, None)]
        return [
            each._replace(part=f"{rule.endpoints[place].path}: {each.part}") if self.endpoints else each
            for place, parts in places.items()
            for each in parts.missing(rule.endpoints[place])
        ]

    def held_by(self, rule: ExtractionRule) -> "StatedRule":
        """The parts that a rule has as stated; the others were dropped when it was activated."""
        try:
            places = self.by_place(rule)
        except InvalidRuleError:
            return StatedRule()
        return self._rebuilt(
            rule,
            {
                place: parts.without({each.part for each in parts.missing(rule.endpoints[place])})
                for place, parts in places.items()
            },
        )

    def dropped_by(self, later: "StatedRule", rule: ExtractionRule) -> "StatedRule":
        """The parts that a rule has as stated here and that a later statement omits."""
        held, alone = self.held_by(rule), len(rule.endpoints) == 1
        return self._rebuilt(
            rule,
            {
                place: held.at(endpoint.path, alone=alone).without(later.at(endpoint.path, alone=alone).names())
                for place, endpoint in enumerate(rule.endpoints)
            },
        )

    def merged_with(self, changes: "StatedRule", rule: ExtractionRule) -> "StatedRule":
        """This and the changes, which win; of the endpoints that the rule has.

        Raises:
            InvalidRuleError: The endpoints of the changes do not match the rule.
        """
        places, changed = self.held_by(rule).by_place(rule), changes.by_place(rule)
        return self._rebuilt(
            rule,
            {
                place: places.get(place, NOTHING).merged(changed.get(place, NOTHING))
                for place in sorted({*places, *changed})
            },
        )

    def _rebuilt(self, rule: ExtractionRule, places: Mapping[int, StatedParts]) -> "StatedRule":
        if len(rule.endpoints) == 1:
            return StatedRule(**{part: getattr(places[0], part) for part in PARTS})
        return StatedRule(
            endpoints={rule.endpoints[place].path or "": parts for place, parts in places.items() if _written(parts)}
        )


def with_endpoints(rule: ExtractionRule, endpoints: Sequence[Endpoint]) -> ExtractionRule:
    """The rule with other endpoints."""
    changed = rule.model_copy(update={"endpoints": tuple(endpoints)})
    # Parsed again, because a copy is not checked against the limits of a rule.
    return ExtractionRule.parse(changed.to_stored()._asdict(), patterns=rule.shared_patterns)


def kept_as_metadata(names: Iterable[str]) -> list[str]:
    """The fields that are no columns, prices or known facts: their values are kept under custom names."""
    known = {*FIELD_COLUMNS, *_OTHER_FIELDS, *read_table("fields.toml")["metadata"]}
    return sorted(name for name in names if name not in known and price_field(name) is None)


def stated_changes(before: StatedRule, after: StatedRule) -> StatedRule:
    """The statements that turn the first form into the second; both are complete, with the same endpoints.

    Raises:
        InvalidRuleError: The second lacks a part that every rule has, or has other endpoints.
    """
    if before.endpoints.keys() != after.endpoints.keys():
        raise InvalidRuleError(
            f"the endpoints must stay {', '.join(before.endpoints)}",
            hint="add or remove one with: provider-pipeline rules generate SLUG --endpoint PATH --endpoint PATH",
        )
    if before.endpoints:
        pairs = {path: _changes(parts, after.endpoints[path], path) for path, parts in before.endpoints.items()}
        return StatedRule(endpoints={path: parts for path, parts in pairs.items() if _written(parts)})
    return StatedRule(**dict(_changes(before, after, "")))


def _changes(before: StatedParts, after: StatedParts, path: str) -> StatedParts:
    where = f"{path}: " if path else ""
    if after.selector is None:
        raise InvalidRuleError(f"{where}selector: missing", hint=f"it was {before.selector}")
    if "id" not in after.fields:
        raise InvalidRuleError(f"{where}fields: the id is missing", hint=f"it was {before.fields['id']}")
    parts: dict[str, Any] = {}
    gone = before.fields.keys() - after.fields.keys()  # their units go with them, unless stated
    for part in ("fields", "units"):
        old, new = getattr(before, part), getattr(after, part)
        parts[part] = {name: value for name, value in new.items() if value != old.get(name) or name in gone}
        parts[part] |= dict.fromkeys(name for name in old if name not in new)
    if parse_pagination(before.pagination) != parse_pagination(after.pagination):
        parts["pagination"] = after.pagination or {"type": "none"}
    return StatedParts(selector=None if after.selector == before.selector else after.selector, **parts)


def _overlaid(known: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**known, **stated}.items() if value is not None}


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _written(parts: StatedParts) -> dict[str, Any]:
    document = parts.model_dump(mode="json", include=set(PARTS))
    return {part: document[part] for part in PARTS if document[part]}
