"""One override as people state it, and what the catalogue stores of it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.catalog.model_overrides import StatedOverride
from provider_pipeline.errors import ConfigurationError, InvalidRuleError, UnknownProviderError, UnknownValueError
from provider_pipeline.rules.ids import MAX_ID_LENGTH
from provider_pipeline.rules.model_columns import PRICE_COLUMNS
from provider_pipeline.rules.overrides import CANONICAL_ID, Match, as_re2, check_pattern, checked_value
from provider_pipeline.rules.patterns import require_small_programs
from provider_pipeline.rules.prices import checked_price, component_of
from provider_pipeline.rules.values import converted, parse_unit, unit_scales

_RE2_PREFIX: Final = "re:"


def _moment(value: Any) -> Any:
    """A day as its first moment in UTC; a time without a zone is in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


_Text = Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
_Target = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=r"^[^\x00]+$")]
_Moment = Annotated[datetime | None, BeforeValidator(_moment)]


class OverrideEntry(BaseModel):
    """One value of one field of a model, or of all models that a pattern matches."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    provider: _Text = Field(description="The provider's slug.")
    model: _Target | None = Field(default=None, description="A model's id.")
    pattern: _Target | None = Field(
        default=None, description="Instead of a model: a glob with * and ?, or an RE2 pattern of the whole id after re:"
    )
    field: _Text = Field(description="A column, capabilities.NAME, prices.NAME, metadata_json.NAME, or canonical_id.")
    value: Any = Field(description="Null means that nothing is known.")
    unit: str | None = Field(default=None, description="The unit of a price, as in a rule; else its usual one.")
    currency: str | None = Field(default=None, description="The currency of a price: ISO 4217, USD by default.")
    reason: _Text = Field(description="Why the value is right.")
    source: _Text | None = Field(default=None, description="The address of the page that states it.")
    valid_from: _Moment = Field(default=None, description="Since when the value holds; always by default.")
    expires: _Moment = Field(default=None, description="When it ends.")
    fills_gaps: bool = Field(default=False, description="Whether it counts only where the listing says nothing.")

    @model_validator(mode="after")
    def _consistent(self) -> "OverrideEntry":
        if (self.model is None) == (self.pattern is None):
            raise ValueError("expected either a model or a pattern")
        if self.valid_from is not None and self.expires is not None and self.expires <= self.valid_from:
            raise ValueError("it expires before it is valid")
        return self

    @property
    def match(self) -> Match:
        """How the entry names its models."""
        if self.pattern is None:
            return "model"
        return "re2" if self.pattern.startswith(_RE2_PREFIX) else "glob"

    @property
    def target(self) -> str:
        """The model's id or the pattern."""
        return self.model if self.model is not None else (self.pattern or "").removeprefix(_RE2_PREFIX)

    def stated(self, provider_id: int) -> StatedOverride:
        """The entry as stored.

        Raises:
            InvalidRuleError: There is no such field, it cannot have this value, or the pattern is not one.
        """
        if self.match != "model":
            check_pattern(self.match, self.target)
        field, value = self._checked()
        return StatedOverride(
            provider_id,
            self.target,
            self.match,
            field,
            value,
            self.reason,
            source_url=self.source,
            fills_gaps=self.fills_gaps,
            valid_from=self.valid_from,
            expires_at=self.expires,
        )

    def _checked(self) -> tuple[str, Any]:
        value = self.value.isoformat() if isinstance(self.value, date) else self.value
        # A price has one name here, so that a set cannot state it twice.
        field = f"prices.{component_of(self.field)}" if self.field in PRICE_COLUMNS else self.field
        column, _, component = field.partition(".")
        if field == CANONICAL_ID and self.fills_gaps:
            raise InvalidRuleError(f"{field} fills no gap: every name says something; leave out fills_gaps")
        if column != "prices":
            if self.unit is not None or self.currency is not None:
                raise InvalidRuleError(f"{field} is no price: it has neither unit nor currency")
            return field, checked_value(field, value)
        if value is None or (self.unit is None and self.currency is None):
            return field, checked_value(field, value)
        document = dict(value) if isinstance(value, Mapping) else {"amount": value}
        if self.currency is not None:
            document.setdefault("currency", self.currency)
        price = checked_value(field, document)
        return field, price if self.unit is None else _rescaled(component, price, document, self.unit)


def _rescaled(component: str, price: dict[str, Any], document: Mapping[str, Any], unit: str) -> dict[str, Any]:
    """The price in its stored unit, from one in a unit of `data/units.toml`."""
    if "unit" in document:
        raise InvalidRuleError("the unit is given twice, inside the value and beside it")
    parse_unit(unit)
    scale = unit_scales()[unit]
    tiers = [{**tier, "amount": converted(tier["amount"], scale.factor)} for tier in price.get("tiers", ())]
    amount = converted(price["amount"], scale.factor)
    return checked_price(component, {**price, "unit": scale.per, "amount": amount, "tiers": tiers})


PlacedEntry = tuple[str, OverrideEntry]
"""An entry, and where it was stated: the prefix of an error message."""


def stated_overrides(session: Session, entries: Iterable[PlacedEntry]) -> list[StatedOverride]:
    """All entries of a set, as stored.

    Raises:
        ConfigurationError: One is wrong, or two say the same; the message names the place, and how many others are
            wrong.
    """
    providers = {each.slug: each.id for each in catalog.providers.list_providers(session, enabled_only=False)}
    found: dict[tuple[Any, ...], tuple[str, StatedOverride]] = {}
    patterns: dict[int, set[str]] = {}
    problems: list[tuple[str, str | None]] = []
    for place, entry in entries:
        try:
            if entry.provider not in providers:
                known = ", ".join(sorted(providers)) or "none"
                raise UnknownProviderError(f"no provider {entry.provider!r}", hint=f"registered: {known}")
            stated = entry.stated(providers[entry.provider])
            catalog.known_values.require_overridable(session, stated.field, stated.value)
        except (InvalidRuleError, UnknownProviderError, UnknownValueError) as error:
            problems.append((f"{place}: {error.message}", error.hint))
            continue
        key = (stated.provider_id, stated.match, stated.model_id, stated.field, stated.valid_from)
        if key in found:
            problems.append(
                (f"{place}: {stated.field} of {entry.target} is stated twice, first at {found[key][0]}", None)
            )
            continue
        found[key] = place, stated
        if stated.match != "model":
            patterns.setdefault(stated.provider_id, set()).add(as_re2(stated.match, stated.model_id))
    raise_first(problems)
    for each in patterns.values():
        require_small_programs(each)
    return [stated for _, stated in found.values()]


def raise_first(problems: list[tuple[str, str | None]]) -> None:
    """Raise the first problem, if there is any, with the number of the others.

    Raises:
        ConfigurationError: There is a problem.
    """
    if problems:
        (message, hint), *others = problems
        raise ConfigurationError(f"{message} (and {len(others)} more)" if others else message, hint=hint)
