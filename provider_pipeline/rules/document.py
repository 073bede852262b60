"""The extraction rule as a document: its model, its two written forms, and the checks that make it safe to run.

Here: parsing, limits and conversion. Not here: running a rule (`extraction.py`, `matching.py`) or making one
(`generation/`). Both forms are explained in docs/rules.md.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.language import compile_expression
from provider_pipeline.rules.limits import (
    MAX_CAPABILITIES,
    MAX_ENDPOINTS,
    MAX_FIELDS,
    MAX_LOOKUPS,
    MAX_PATTERNS,
    MAX_PREDICATES,
    members,
    require_little_text,
    require_small_patterns,
    require_small_tables,
)
from provider_pipeline.rules.pagination import NoPagination, parse_pagination
from provider_pipeline.rules.paths import EndpointPath, checked_path
from provider_pipeline.rules.rows import digest_of
from provider_pipeline.rules.serialization import (
    ANALYSIS_KEYS,
    PROVENANCE,
    analysis_parts,
    merged_capability_rules,
    stored_parts,
)
from provider_pipeline.rules.values import Unit, parse_unit

MAX_DEPTH: Final = 100
"""Nesting of what a rule says about how it came to be, beyond which it could not be written down again."""

_NESTS: Final = (dict, list, tuple)
_MODEL = ConfigDict(frozen=True, extra="forbid")


def _expression(text: str) -> str:
    try:
        compile_expression(text)
    except InvalidRuleError as error:
        raise ValueError(error.message) from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
ID_PLACEHOLDER: Final = "{id}"
DEFAULT_ID: Final = "id || model_id || modelId || name || model || slug"


class Patterns(BaseModel):
    """What tells that a model has a capability.

    `evidence` and `counter_evidence` are JMESPath predicates on the raw model object; `lookup_table` gives a model id
    its capabilities; `regex` holds RE2 patterns in order, of which the first that matches decides: that the model has
    the capability, with a leading `!` that it does not, and with a leading `?` that it stays unknown.
    """

    model_config = _MODEL

    regex: tuple[str, ...] = Field((), max_length=MAX_PATTERNS)
    lookup_table: dict[str, tuple[Name, ...]] = Field(default_factory=dict, max_length=MAX_LOOKUPS)
    evidence: tuple[Expression, ...] = Field((), max_length=MAX_PREDICATES)
    counter_evidence: tuple[Expression, ...] = Field((), max_length=MAX_PREDICATES)

    @field_validator("lookup_table", mode="before")
    @classmethod
    def _one_or_many(cls, table: Any) -> Any:
        if isinstance(table, Mapping):
            return {key: [value] if isinstance(value, str) else value for key, value in table.items()}
        return table


class CapabilityRule(BaseModel):
    """One capability and its patterns."""

    model_config = _MODEL

    capability: Name
    patterns: Patterns


def _few_predicates(rules: Any) -> Any:
    """Refuse more text than is read, before any of it is."""
    found = [rule.get("patterns") for rule in rules if isinstance(rule, Mapping)]
    texts = [each.get(kind) for each in found if isinstance(each, Mapping) for kind in ("evidence", "counter_evidence")]
    require_little_text(texts, "the predicates")
    return rules


def _bounded_together(rules: tuple[CapabilityRule, ...]) -> tuple[CapabilityRule, ...]:
    require_small_patterns(tuple(rule.patterns.regex for rule in rules))
    require_small_tables([rule.patterns.lookup_table for rule in rules])
    return rules


CapabilityRules = Annotated[
    tuple[CapabilityRule, ...],
    Field(max_length=MAX_CAPABILITIES),
    BeforeValidator(_few_predicates),
    AfterValidator(_bounded_together),
]
_CAPABILITY_RULES: Final[TypeAdapter[tuple[CapabilityRule, ...]]] = TypeAdapter(CapabilityRules)


def parse_capability_rules(rules: Any) -> tuple[CapabilityRule, ...]:
    """Capability rules of either written form, which many rules may share.

    Raises:
        InvalidRuleError: One line that says which part cannot be understood, and why.
    """
    try:
        return _CAPABILITY_RULES.validate_python(merged_capability_rules(rules))
    except ValidationError as error:
        raise InvalidRuleError(first_reason(error, "capability_rules")) from error
    except UnicodeEncodeError as error:
        raise InvalidRuleError("capability_rules: a text holds half of a surrogate pair") from error


class Expectation(BaseModel):
    """What the rule's own sample looked like, where a later listing is held against it."""

    model_config = _MODEL

    id_type: str = Field("string", pattern="^(string|integer)$")
    rejected_share: float = Field(0.0, ge=0, le=1)
    duplicate_share: float = Field(0.0, ge=0, le=1)
    violations_share: float = Field(0.0, ge=0, le=1)
    unreadable: tuple[Name, ...] = Field((), max_length=64)
    """Columns of which the sample itself held values that cannot be read: there such a value is no value."""


class Detail(BaseModel):
    """Where the answer about one model of a listing is: one request for each listed model.

    Attributes:
        path: The path with `{id}` where the model's id goes, percent-encoded as a whole: a slash in it becomes `%2F`.
        concurrency: Requests at a time.
    """

    model_config = _MODEL

    path: str = Field(max_length=2_000)
    concurrency: int = Field(4, ge=1, le=16)

    @classmethod
    def at(cls, path: str) -> Self:
        """The answers at a path that somebody typed.

        Raises:
            InvalidRuleError: It is no such path.
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


class Endpoint(BaseModel):
    """Where one listing endpoint is, where its models are in the answer, and what their fields mean."""

    model_config = _MODEL

    path: EndpointPath | None = None
    selector: Expression
    fields: dict[Name, Expression] = Field(
        default_factory=lambda: {"id": DEFAULT_ID, "name": "name"}, max_length=MAX_FIELDS
    )
    units: dict[Name, Unit] = Field(default_factory=dict, max_length=MAX_FIELDS)
    pagination: dict[str, Any] | None = None
    detail: Detail | None = None
    expect: Expectation = Expectation()

    @field_validator("fields")
    @classmethod
    def _fields_name_an_id(cls, fields: dict[str, str]) -> dict[str, str]:
        if "id" not in fields:
            raise ValueError("the field map must say where the id is (key 'id')")
        return fields

    @field_validator("units", mode="before")
    @classmethod
    def _known_units(cls, units: Any) -> Any:
        if not isinstance(units, Mapping):
            return units
        try:
            return {name: parse_unit(unit) for name, unit in units.items()}
        except InvalidRuleError as error:
            raise ValueError(error.message) from error

    @property
    def is_paged(self) -> bool:
        """Whether further pages are looked for."""
        return not isinstance(parse_pagination(self.pagination), NoPagination)

    @field_validator("pagination")
    @classmethod
    def _known_pagination(cls, document: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            parse_pagination(document)
        except InvalidRuleError as error:
            raise ValueError(error.message) from error
        return document


class StoredRule(NamedTuple):
    """The two JSON documents of a stored rule."""

    model_list_config: dict[str, Any]
    endpoints_config: dict[str, Any]


class ExtractionRule(BaseModel):
    """An extraction rule: endpoints with their field maps, capability rules, and how the rule came to be."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))

    endpoints: tuple[Endpoint, ...] = Field(min_length=1, max_length=MAX_ENDPOINTS)
    capability_rules: CapabilityRules = ()
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
    def parse(cls, document: "Mapping[str, Any] | ExtractionRule") -> "ExtractionRule":
        """The rule a document states, in either written form.

        Args:
            document: What `RuleGenerator.analyze_sample` returns, or
                `{"model_list_config": {...}, "endpoints_config": {...}}`.

        Raises:
            InvalidRuleError: One line that says which part cannot be understood, and why.
        """
        if isinstance(document, ExtractionRule):
            return document
        if not isinstance(document, Mapping):
            raise InvalidRuleError(f"expected a rule document, got {type(document).__name__}")
        return cls._validated(stored_parts(document) if "model_list_config" in document else analysis_parts(document))

    @classmethod
    def parse_stored(
        cls, model_list_config: Mapping[str, Any], capability_rules: tuple[CapabilityRule, ...]
    ) -> "ExtractionRule":
        """The rule of a stored document and capability rules that were parsed before.

        Raises:
            InvalidRuleError: As in `parse`.
        """
        parts = stored_parts({"model_list_config": model_list_config})
        return cls._validated({**parts, "capability_rules": capability_rules})

    @classmethod
    def _validated(cls, parts: Mapping[str, Any]) -> "ExtractionRule":
        try:
            return cls.model_validate(parts)
        except ValidationError as error:
            raise InvalidRuleError(first_reason(error, "rule")) from error
        except RecursionError as error:
            raise InvalidRuleError("the rule document is nested too deeply") from error
        except UnicodeEncodeError as error:
            raise InvalidRuleError("the rule document holds half of a surrogate pair") from error

    def to_analysis(self) -> dict[str, Any]:
        """The form `RuleGenerator.analyze_sample` returns."""
        first = self.endpoints[0]
        document: dict[str, Any] = {"jmespath_rule": first.selector}
        if len(self.endpoints) == 1:
            dumped = _dump(first)
            document |= {key: dumped[name] for name, key in ANALYSIS_KEYS.items() if name in dumped}
        else:
            document["endpoints"] = [_dump(endpoint) for endpoint in self.endpoints]
        document["capability_rules"] = [_dump(rule) for rule in self.capability_rules]
        return document | _provenance(self)

    def to_stored(self) -> StoredRule:
        """The form of the two stored JSON columns."""
        listed = [_stored_endpoint(endpoint) for endpoint in self.endpoints]
        config: dict[str, Any] = dict(listed[0]) if len(listed) == 1 else {"endpoint": listed}
        config |= _provenance(self)
        return StoredRule(
            config, {rule.capability: {"patterns": _dump(rule.patterns)} for rule in self.capability_rules}
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the rule does: the stored form without how it came to be."""
        config, capabilities = self.to_stored()
        return digest_of([{key: config[key] for key in config if key not in PROVENANCE}, capabilities])


def _dump(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_unset=True)


def _provenance(rule: ExtractionRule) -> dict[str, Any]:
    dumped = _dump(rule)
    return {key: dumped[key] for key in PROVENANCE if key in dumped}


def _stored_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {("endpoint" if key == "path" else key): value for key, value in _dump(endpoint).items()}


def first_reason(error: ValidationError, what: str) -> str:
    """The first thing that is wrong with a document, in one printable line; `what` names the document itself."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or what
    text = f"{where}: {first['msg'].removeprefix('Value error, ')}"
    return " ".join(text.encode("utf-8", "backslashreplace").decode("utf-8").split())
