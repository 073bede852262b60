"""The model of a provider file, shipped or a user's own, and filling in its placeholders.

Validation covers all of the file, so that a valid one can be registered once its placeholders have values.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from provider_pipeline.errors import ConfigurationError, InvalidRuleError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.endpoints import ListingEndpoint, ListingSource
from provider_pipeline.listing.key_looks import is_our_variable, is_sensitive_variable, looks_like_a_key
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.rules.document import Detail
from provider_pipeline.rules.knowledge import read_table
from provider_pipeline.rules.pagination import NoPagination, Pagination, parse_pagination
from provider_pipeline.rules.prices import parse_currency
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline.rules.thresholds import Thresholds

FACTS: Final = ("base_url", "endpoints", "auth")
"""Fields for which every shipped file must name a source."""

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_PEER_NAME: Final = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_VALUE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

_MODEL = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

Slug = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+((\.|[_-]+)[a-z0-9]+)*$")]
Link = Annotated[str, Field(max_length=500, pattern=r"^https://[^\s]+$")]
Text = Annotated[str, Field(min_length=1, max_length=300)]
VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Value = Annotated[str, Field(pattern=f"^{_VALUE.pattern}$", max_length=200)]


def _public_variable(name: str) -> str:
    if is_our_variable(name) or is_sensitive_variable(name):
        raise ValueError("this variable may hold a secret, and the values of placeholders are stored and shown")
    return name


EnvironmentName = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200), AfterValidator(_public_variable)
]


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None:
            raise ValueError("expected a number of minutes, hours or days, such as 30m, 6h or 1d")
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    if isinstance(value, timedelta):
        return value
    raise ValueError("expected a text such as 30m, 6h or 1d")


Duration = Annotated[
    timedelta, BeforeValidator(_duration), PlainSerializer(lambda value: f"{int(value.total_seconds()) // 60}m")
]
"""A duration, written as 30m, 6h or 1d."""


def _pagination(document: Any) -> Any:
    try:
        return parse_pagination(document)
    except InvalidRuleError as error:
        raise ValueError(error.message.removeprefix("pagination: ")) from error


def _currency(code: str) -> str:
    try:
        return parse_currency(code)
    except InvalidRuleError as error:
        raise ValueError(error.message) from error


class Variable(BaseModel):
    """A placeholder: what differs between accounts of a provider. `env` is a variable that usually holds its value."""

    model_config = _MODEL

    description: Text
    example: Value
    default: Value | None = None
    env: EnvironmentName | None = None


def _peer_names(names: str | dict[str, str]) -> str | dict[str, str]:
    by_purpose = {"default": names} if isinstance(names, str) else names
    known = ("default", *read_table("capabilities.toml")["purposes"])
    if "default" not in by_purpose or not all(purpose in known for purpose in by_purpose):
        raise ValueError(f"expected a name for each of some of {', '.join(known)}, and for 'default'")
    wrong = [name for name in by_purpose.values() if not _PEER_NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"expected lower-case letters and digits, joined by '-', '_' or '.', got {wrong[0]!r}")
    return names


PeerName = Annotated[str, Field(max_length=100), AfterValidator(_peer_names)]
PeerNames = Annotated[str | dict[str, str], AfterValidator(_peer_names)]
"""A name, or names by what the models are for, with one for `default`."""


class PeerIds(BaseModel):
    """What peers call the provider; None at one that does not know it.

    LiteLLM has several names for some providers, by what their models are for.
    """

    model_config = _MODEL

    litellm: PeerNames | None = None
    models_dev: PeerName | None = None
    genai_prices: PeerName | None = None
    openrouter: PeerName | None = None
    otel: PeerName | None = None


class FileEndpoint(BaseModel):
    """One endpoint that lists models; `path` may have a query and placeholders (`{id}` in `detail` is not one)."""

    model_config = _MODEL

    path: Annotated[str, Field(max_length=2_000)]
    pagination: Annotated[Pagination, BeforeValidator(_pagination)] = NoPagination()
    detail: Detail | None = None


class Source(BaseModel):
    """What states facts of the file, and when it was looked up: a page, or a package that was run or read."""

    model_config = _MODEL

    facts: Annotated[tuple[str, ...], Field(min_length=1)]
    url: Link | None = None
    sdk: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+ [0-9][0-9A-Za-z.]*$", max_length=100)] | None = None
    looked_up: date

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.url is None) == (self.sdk is None):
            raise ValueError("expected either 'url' or 'sdk', such as 'openai 3.57.0'")
        return self


class ProviderFile(BaseModel):
    """A provider: where it lists its models, and how to request them.

    docs/provider-files.md explains the fields. Their order matters: later ones are validated with the values of
    `variables` and `request`.
    """

    model_config = _MODEL

    slug: Slug
    name: Text
    kind: Literal["commercial", "gateway", "cloud", "self_hosted"] = "commercial"
    variables: dict[VariableName, Variable] = Field(default_factory=dict)
    request: RequestPolicy = RequestPolicy()
    base_url: Annotated[str, Field(min_length=1, max_length=2_000)]
    auth: dict[str, Any] = Field(default_factory=lambda: {"type": "none"})
    endpoints: Annotated[tuple[FileEndpoint, ...], Field(min_length=1, max_length=32)]
    rule: StatedRule | None = None
    currency: Annotated[str, AfterValidator(_currency)] | None = None
    check_every: Duration | None = None
    thresholds: dict[str, float] = Field(default_factory=dict)
    works_without_key: bool = False
    key_page: Link | None = None
    docs: Link | None = None
    note: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    ids: PeerIds = PeerIds()
    sources: tuple[Source, ...] = ()
    sample_rows: dict[str, dict[str, int | float | str]] = Field(default_factory=dict)

    @field_validator("base_url")
    @classmethod
    def _can_be_asked(cls, base_url: str, info: ValidationInfo) -> str:
        _source(base_url=_exemplified(base_url, info), policy=info.data.get("request", RequestPolicy()))
        return base_url

    @field_validator("auth")
    @classmethod
    def _can_be_authorised(cls, auth: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        try:
            AuthConfig.parse(_exemplified(auth, info), slug="auth")
        except ConfigurationError as error:
            raise ValueError(error.message.removeprefix("auth: auth_config is not understood: ")) from error
        return auth

    @field_validator("endpoints")
    @classmethod
    def _are_paths(cls, endpoints: tuple[FileEndpoint, ...], info: ValidationInfo) -> tuple[FileEndpoint, ...]:
        for endpoint in endpoints:
            _source(endpoints=(ListingEndpoint(path=_exemplified(endpoint.path, info)),))
        return endpoints

    @field_validator("rule")
    @classmethod
    def _is_of_its_endpoints(cls, rule: StatedRule | None, info: ValidationInfo) -> StatedRule | None:
        endpoints: tuple[FileEndpoint, ...] = info.data.get("endpoints", ())
        if rule is None or not endpoints:
            return rule
        paths = [endpoint.path for endpoint in endpoints]
        if len(paths) > 1 and not rule.endpoints and rule.to_json():
            raise ValueError(f"the file has {len(paths)} endpoints: state the parts of each under 'endpoints', by path")
        if unknown := [path for path in rule.endpoints if path not in paths]:
            raise ValueError(f"the file has no endpoint {unknown[0]}; it has {', '.join(paths)}")
        for endpoint in endpoints:
            twice = "pagination" in endpoint.model_fields_set
            if twice and rule.at(endpoint.path, alone=len(paths) == 1).pagination is not None:
                raise ValueError(f"the pagination of {endpoint.path} is stated here and under 'endpoints'")
        return rule

    @field_validator("thresholds")
    @classmethod
    def _are_thresholds(cls, thresholds: dict[str, float]) -> dict[str, float]:
        try:
            Thresholds.model_validate(thresholds)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        return thresholds

    @model_validator(mode="after")
    def _uses_its_variables(self) -> Self:
        used = set(_names((self.base_url, self.auth, [endpoint.path for endpoint in self.endpoints])))
        unused = [name for name in self.variables if name not in used]
        if unused:
            raise ValueError(f"no placeholder uses the variable {unused[0]!r}")
        return self

    @property
    def without_source(self) -> tuple[str, ...]:
        """The facts that need a source and have none."""
        stated = {fact for source in self.sources for fact in source.facts}
        claims = [
            *FACTS,
            *(["works_without_key"] if self.works_without_key else []),
            *(["key_page"] if self.key_page else []),
            *(["ids"] if self.ids != PeerIds() else []),
            *(["shape"] if self.sample_rows else []),
        ]
        return tuple(fact for fact in claims if fact not in stated)

    def filled(self, values: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None) -> Self:
        """The file without variables, its placeholders replaced.

        Args:
            values: By variable name; they take precedence.
            environ: Where a variable's `env` is looked up, before its default is used.

        Raises:
            ConfigurationError: A value is missing, belongs to no variable of the file, could redirect the request, or
                looks like a secret.
        """
        chosen = {name: self._value(name, values or {}, environ or {}) for name in self.variables}
        unknown = sorted(set(values or {}) - set(self.variables))
        if unknown:
            raise ConfigurationError(
                f"{self.slug} has no variable {unknown[0]!r}",
                hint=f"it has {', '.join(self.variables)}" if self.variables else "it has none",
            )
        if not self.variables:
            return self
        # Fields left out must stay unset: registration distinguishes them from defaults that were written.
        document = self.model_dump(mode="json", exclude={"variables"}, exclude_unset=True)
        for part in document.keys() & {"base_url", "auth"}:
            document[part] = _replaced(document[part], chosen)
        for endpoint in document["endpoints"]:
            endpoint["path"] = _replaced(endpoint["path"], chosen)
        if named := (document.get("rule") or {}).get("endpoints"):
            document["rule"]["endpoints"] = {_replaced(path, chosen): parts for path, parts in named.items()}
        return type(self).model_validate(document)

    def _value(self, name: str, values: Mapping[str, str], environ: Mapping[str, str]) -> str:
        variable = self.variables[name]
        value = values.get(name) or environ.get(variable.env or "") or variable.default
        if value is None:
            where = f", or set {variable.env}" if variable.env else ""
            raise ConfigurationError(
                f"{self.slug} needs a value for {name}: {variable.description}",
                hint=f"for example {name}={variable.example}{where}",
            )
        if not _VALUE.fullmatch(value):
            raise ConfigurationError(
                f"{self.slug}: the value of {name} may only contain letters, digits, '.', '-' and '_'",
                hint=f"for example {variable.example}",
            )
        if looks_like_a_key(value):
            raise ConfigurationError(
                f"{self.slug}: the value of {name} looks like a key; it would be stored and shown",
                hint=f"for example {variable.example}; name the variable that holds a key in auth",
            )
        return value


def _source(**parts: Any) -> None:
    """Refuse, as a ValueError for pydantic, what the listing client would refuse."""
    try:
        ListingSource(**({"slug": "it", "base_url": "https://example.com"} | parts))
    except ConfigurationError as error:
        raise ValueError(error.message.removeprefix("it: ")) from error


def _exemplified(part: Any, info: ValidationInfo) -> Any:
    """A part of the file with the variables' examples filled in."""
    variables: Mapping[str, Variable] = info.data.get("variables", {})
    unknown = [name for name in _names(part) if name not in variables]
    if unknown and "variables" in info.data:
        raise ValueError(f"the placeholder {{{unknown[0]}}} has no entry in 'variables'")
    return _replaced(part, {name: variable.example for name, variable in variables.items()})


def _names(part: Any) -> list[str]:
    match part:
        case str():
            return _PLACEHOLDER.findall(part)
        case Mapping():
            return [name for value in part.values() for name in _names(value)]
        case list() | tuple():
            return [name for value in part for name in _names(value)]
        case _:
            return []


def _replaced(part: Any, values: Mapping[str, str]) -> Any:
    match part:
        case str():
            return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), part)
        case Mapping():
            return {key: _replaced(value, values) for key, value in part.items()}
        case list() | tuple():
            return [_replaced(value, values) for value in part]
        case _:
            return part
