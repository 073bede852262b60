"""The extraction rule as a document: its model, its two written forms, and the checks that make it safe to run.

Both forms are explained in docs/rules.md. `extraction.py` and `matching.py` run a rule; `generation/` writes one.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    field_validator,
    model_validator,
)

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.capability_rules import (
    CapabilityRules,
    PatternSet,
    SetName,
    first_reason,
    merged_capability_rules,
    shipped,
)
from provider_pipeline.rules.limits import (
    MAX_ENDPOINTS,
    MAX_FIELDS,
    EndpointPath,
    checked_path,
    members,
    require_little_text,
)
from provider_pipeline.rules.pagination import Expression, NoPagination, parse_pagination
from provider_pipeline.rules.prices import PRICE_FIELD, parse_currency
from provider_pipeline.rules.rows import digest_of
from provider_pipeline.rules.values import Unit, parse_unit
from provider_pipeline.rules.variants import BUILT_WHEN_USED

_ANALYSIS_KEYS: Final = {
    "path": "endpoint",
    "fields": "fields",
    "units": "units",
    "pagination": "pagination",
    "currency": "currency",
    "detail": "detail",
    "expect": "expect",
}
_PATTERN_SET: Final = "pattern_set"
_PROVENANCE: Final = ("metadata", "evidence", "confidence", "issues")
_STORED_ENDPOINT: Final = ("endpoint", "selector", "fields", "units", "currency", "pagination", "detail", "expect")
MAX_DEPTH: Final = 100
"""Maximum nesting of a rule's provenance, so that it can be serialized again."""

_NESTS: Final = (dict, list, tuple)

FieldName = Annotated[str, Field(min_length=1, max_length=100, pattern=rf"^(?:[a-z][a-z0-9_]{{0,63}}|{PRICE_FIELD})$")]
"""A column, a key of `metadata_json`, `currency`, or a price: `price.cache_read`, `price.input.above_200000`."""
ID_PLACEHOLDER: Final = "{id}"
DEFAULT_ID: Final = "id || model_id || modelId || name || model || slug"


class Expectation(BaseModel):
    """Properties of the rule's own sample that later listings are compared with."""

    model_config = BUILT_WHEN_USED

    id_type: str = Field("string", pattern="^(string|integer)$")
    rejected_share: float = Field(0.0, ge=0, le=1)
    duplicate_share: float = Field(0.0, ge=0, le=1)
    violations_share: float = Field(0.0, ge=0, le=1)
    set_aside_share: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _without_unreadable(cls, document: Any) -> Any:
        # Stored rules of earlier builds name the columns with unreadable values, which are now always set aside.
        return (
            {key: document[key] for key in document if key != "unreadable"}
            if isinstance(document, Mapping)
            else document
        )


class Detail(BaseModel):
    """Requests for details, one per listed model.

    Attributes:
        path: A path with `{id}` in place of the model's id, percent-encoded as a whole: a slash in it becomes `%2F`.
        concurrency: Requests at a time.
    """

    model_config = BUILT_WHEN_USED

    path: str = Field(max_length=2_000)
    concurrency: int = Field(4, ge=1, le=16)

    @classmethod
    def at(cls, path: str) -> Self:
        """Details at a path that a user typed.

        Raises:
            InvalidRuleError: The path is not valid.
        """
        try:
            return cls(path=path)
        except ValidationError as error:
            raise InvalidRuleError(first_reason(error, "detail")) from error

    @field_validator("path")
    @classmethod
    def _names_the_id_once(cls, path: str) -> str:
        if path.count(ID_PLACEHOLDER) != 1 or any(brace in path.replace(ID_PLACEHOLDER, "") for brace in "{}"):
            raise ValueError(f"the path must hold {ID_PLACEHOLDER} exactly once, and no other braces")
        checked_path(path.replace(ID_PLACEHOLDER, "id"))
        return path


def read_units(units: Any, read: Callable[[Any], Unit | None]) -> Any:
    """The units of a document, by field, for a validator of pydantic: an unknown one is a ValueError."""
    if not isinstance(units, Mapping):
        return units
    try:
        return {name: read(unit) for name, unit in units.items()}
    except InvalidRuleError as error:
        raise ValueError(error.message) from error


class Endpoint(BaseModel):
    """One listing endpoint: its path, where its models are in the answer, and what their fields mean."""

    model_config = BUILT_WHEN_USED

    path: EndpointPath | None = None
    selector: Expression
    fields: dict[FieldName, Expression] = Field(
        default_factory=lambda: {"id": DEFAULT_ID, "name": "name"}, max_length=MAX_FIELDS
    )
    units: dict[FieldName, Unit] = Field(default_factory=dict, max_length=MAX_FIELDS)
    currency: str | None = None
    pagination: dict[str, Any] | None = None
    detail: Detail | None = None
    expect: Expectation = Field(default_factory=Expectation)

    @field_validator("fields")
    @classmethod
    def _fields_name_an_id(cls, fields: dict[str, str]) -> dict[str, str]:
        if "id" not in fields:
            raise ValueError("the field map must say where the id is (key 'id')")
        return fields

    @field_validator("units", mode="before")
    @classmethod
    def _known_units(cls, units: Any) -> Any:
        return read_units(units, parse_unit)

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, currency: str | None) -> str | None:
        try:
            return None if currency is None else parse_currency(currency)
        except InvalidRuleError as error:
            raise ValueError(error.message) from error

    @property
    def is_paged(self) -> bool:
        """Whether the endpoint may have further pages."""
        return not isinstance(parse_pagination(self.pagination), NoPagination)

    @property
    def is_called_whole(self) -> bool:
        """Whether the rule declares one page to be the whole listing, even if the page announces more."""
        pagination = parse_pagination(self.pagination)
        return isinstance(pagination, NoPagination) and pagination.whole

    @field_validator("pagination")
    @classmethod
    def _known_pagination(cls, document: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            parse_pagination(document)
        except InvalidRuleError as error:
            raise ValueError(error.message) from error
        return document


class StoredRule(NamedTuple):
    """The two JSON columns of a stored rule."""

    model_list_config: dict[str, Any]
    endpoints_config: dict[str, Any]


class ExtractionRule(BaseModel):
    """An extraction rule: endpoints with their field maps, capability rules, and provenance.

    Attributes:
        pattern_set: The pattern set that decides about names after the rule's own patterns, if any.
        shared_patterns: The set's content when the rule was read; not part of the document.
    """

    model_config = ConfigDict(**BUILT_WHEN_USED, ignored_types=(cached_property,))

    endpoints: tuple[Endpoint, ...] = Field(min_length=1, max_length=MAX_ENDPOINTS)
    capability_rules: CapabilityRules = ()
    pattern_set: SetName | None = None
    shared_patterns: InstanceOf[PatternSet] | None = Field(None, exclude=True, repr=False)
    metadata: dict[str, Any] = Field(default_factory=dict)
    evidence: dict[str, Any] = Field(default_factory=dict)
    confidence: float | None = None
    issues: tuple[dict[str, Any], ...] = ()

    @field_validator("endpoints", mode="before")
    @classmethod
    def _little_text(cls, endpoints: Any) -> Any:
        require_little_text(endpoints, "the endpoints")
        return endpoints

    @field_validator("metadata", "evidence", "issues")
    @classmethod
    def _can_be_written(cls, provenance: Any) -> Any:
        level: list[Any] = [provenance]
        for _ in range(MAX_DEPTH):
            texts = [value for value in level if isinstance(value, str)]
            if not "".join(texts).isascii():
                for text in texts:
                    text.encode("utf-8")
            level = [inner for value in level if isinstance(value, _NESTS) for inner in members(value)]
            if not level:
                return provenance
        raise ValueError(f"nested too deeply; at most {MAX_DEPTH} levels are read")

    @classmethod
    def parse(
        cls, document: "Mapping[str, Any] | ExtractionRule", *, patterns: PatternSet | None = None
    ) -> "ExtractionRule":
        """The rule in a document.

        Args:
            document: What `RuleGenerator.analyze_sample` returns, or
                `{"model_list_config": {...}, "endpoints_config": {...}}`.
            patterns: The content of the pattern set that the rule names, if it names one; by default this package's.

        Raises:
            InvalidRuleError: One line naming the part that is wrong, and why.
        """
        if isinstance(document, ExtractionRule):
            return document
        if not isinstance(document, Mapping):
            raise InvalidRuleError(f"expected a rule document, got {type(document).__name__}")
        parts = stored_parts(document) if "model_list_config" in document else _analysis_parts(document)
        return cls._validated(parts, patterns)

    @classmethod
    def _validated(cls, parts: Mapping[str, Any], patterns: PatternSet | None) -> "ExtractionRule":
        named = parts.get("pattern_set") is not None
        try:
            return cls.model_validate({**parts, "shared_patterns": (patterns or shipped()) if named else None})
        except ValidationError as error:
            raise InvalidRuleError(first_reason(error, "rule")) from error
        except RecursionError as error:
            raise InvalidRuleError("the rule document is nested too deeply") from error
        except UnicodeEncodeError as error:
            raise InvalidRuleError("the rule document holds half of a surrogate pair") from error

    def to_analysis(self) -> dict[str, Any]:
        """The rule as `RuleGenerator.analyze_sample` returns it."""
        first = self.endpoints[0]
        document: dict[str, Any] = {"jmespath_rule": first.selector}
        if len(self.endpoints) == 1:
            dumped = _dump(first)
            document |= {key: dumped[name] for name, key in _ANALYSIS_KEYS.items() if name in dumped}
        else:
            document["endpoints"] = [_dump(endpoint) for endpoint in self.endpoints]
        document |= self._named_set()
        document["capability_rules"] = [_dump(rule) for rule in self.capability_rules]
        return document | _provenance(self)

    def to_stored(self) -> StoredRule:
        """The rule as stored in the database."""
        listed = [_stored_endpoint(endpoint) for endpoint in self.endpoints]
        config: dict[str, Any] = dict(listed[0]) if len(listed) == 1 else {"endpoint": listed}
        config |= self._named_set() | _provenance(self)
        return StoredRule(
            config, {rule.capability: {"patterns": _dump(rule.patterns)} for rule in self.capability_rules}
        )

    def _named_set(self) -> dict[str, Any]:
        return {} if self.pattern_set is None else {"pattern_set": self.pattern_set}

    def own_capabilities(self) -> dict[str, dict[str, Any]]:
        """Each capability's patterns as a document, without those that are shown from the pattern set."""
        found = {rule.capability: _dump(rule.patterns) for rule in self.capability_rules}
        if self.shared_patterns is None:
            return found
        for capability, patterns in found.items():
            if own := self.shared_patterns.own(capability, patterns.pop("regex", ())):
                patterns["regex"] = list(own)
        return {capability: patterns for capability, patterns in found.items() if patterns}

    def __hash__(self) -> int:
        return hash(self.digest)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """See `pydantic.BaseModel.model_copy`; the copy does not keep the original's cached digest."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("digest", None)
        return copy

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the stored form, without its provenance and the patterns that it shows from its pattern set."""
        config, _ = self.to_stored()
        capabilities = {name: {"patterns": patterns} for name, patterns in self.own_capabilities().items()}
        return digest_of([{key: config[key] for key in config if key not in _PROVENANCE}, capabilities])


def _analysis_parts(document: Mapping[str, Any]) -> dict[str, Any]:
    known = {"jmespath_rule", "endpoints", "capability_rules", _PATTERN_SET, *_ANALYSIS_KEYS.values(), *_PROVENANCE}
    _no_others(document, known)
    if "endpoints" in document:
        endpoints = document["endpoints"]
    else:
        if "jmespath_rule" not in document:
            raise InvalidRuleError("expected a rule with 'jmespath_rule' or 'model_list_config'")
        endpoint = {name: document[key] for name, key in _ANALYSIS_KEYS.items() if key in document}
        endpoints = [{"selector": document["jmespath_rule"], **endpoint}]
    return {
        "endpoints": endpoints,
        "capability_rules": merged_capability_rules(document.get("capability_rules", [])),
        **{key: document[key] for key in (_PATTERN_SET, *_PROVENANCE) if key in document},
    }


def stored_parts(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `ExtractionRule` from a document with `model_list_config` and `endpoints_config`."""
    _no_others(document, {"model_list_config", "endpoints_config", "metadata"})
    config = document["model_list_config"]
    if not isinstance(config, Mapping):
        raise InvalidRuleError(f"model_list_config: expected an object, got {type(config).__name__}")
    _no_others(config, {*_STORED_ENDPOINT, _PATTERN_SET, *_PROVENANCE})
    listed = config.get("endpoint")
    if not isinstance(listed, list):
        listed = [{key: config[key] for key in _STORED_ENDPOINT if key in config}]
    if not all(isinstance(entry, Mapping) for entry in listed):
        raise InvalidRuleError("model_list_config: every entry of endpoint must be an object")
    provenance = {key: config[key] for key in (_PATTERN_SET, *_PROVENANCE) if key in config}
    if "metadata" in document and "metadata" not in provenance:
        provenance["metadata"] = document["metadata"]
    return {
        "endpoints": [{("path" if key == "endpoint" else key): entry[key] for key in entry} for entry in listed],
        "capability_rules": merged_capability_rules(document.get("endpoints_config") or {}),
        **provenance,
    }


def _no_others(document: Mapping[str, Any], known: set[str]) -> None:
    others = sorted(str(key) for key in document if key not in known)
    if others:
        raise InvalidRuleError(f"unknown key {others[0]!r} in the rule; known keys: {', '.join(sorted(known))}")


def _dump(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_unset=True)


def _provenance(rule: ExtractionRule) -> dict[str, Any]:
    dumped = _dump(rule)
    return {key: dumped[key] for key in _PROVENANCE if key in dumped}


def _stored_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {("endpoint" if key == "path" else key): value for key, value in _dump(endpoint).items()}
