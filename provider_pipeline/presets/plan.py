"""Register providers from files: choose them, plan what would change field by field, and carry the plan out.

A plan is made before anything is written and is applied whole, in the caller's transaction; applying the same files
again changes nothing.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NoReturn

from pydantic import ValidationError
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import (
    ConfigurationError,
    MissingCredentialError,
    RuleMissingError,
    RuleValidationError,
    UnknownProviderError,
)
from provider_pipeline.listing.auth.credentials import TokenCache
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.presets.file_rules import (
    first_rule,
    generated_again,
    stated_endpoints,
    store_stated,
    try_file_rule,
    with_stated,
)
from provider_pipeline.presets.library import preset_sample, presets
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import CONFIDENT
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline.sync.config import store_rule, stored_rule
from provider_pipeline.sync.key_hosts import NewHost, new_hosts, refuse_new_hosts
from provider_pipeline.sync.provider import SAMPLE_ORIGIN
from provider_pipeline.sync.repair.edit import newest_response
from provider_pipeline.sync.repair.generate import (
    GeneratedRule,
    ListingPlace,
    fetch_sample,
    generate_rule,
    store_sample,
)

_KEEPS_STATED: Final = "keeps_stated_parts"
"""The gate that a first rule fails if its sample has nothing where the file says."""

Action = Literal["add", "change", "unchanged", "not in the folder", "disable"]


@dataclass(frozen=True)
class RequestedProvider:
    """A provider to register: its file with placeholders filled in, and the first page of its listing, if known."""

    file: ProviderFile
    sample: Any = field(default=None, repr=False)
    shipped: bool = False


def requested_provider(
    file: ProviderFile, environ: Mapping[str, str], values: Mapping[str, str] | None = None
) -> RequestedProvider:
    """The provider of a file, its placeholders filled in, with the preset's sample if it has a preset's slug.

    Raises:
        ConfigurationError: A placeholder has no value.
    """
    shipped = presets().get(file.slug) == file
    return RequestedProvider(file.filled(values, environ), preset_sample(file.slug), shipped)


def with_slug(requested: RequestedProvider, slug: str) -> RequestedProvider:
    """The same provider under another slug.

    Raises:
        ConfigurationError: The slug is malformed.
    """
    document = requested.file.model_dump(mode="json", exclude_unset=True) | {"slug": slug}
    try:
        return replace(requested, file=ProviderFile.model_validate(document))
    except ValueError as error:
        raise ConfigurationError(
            f"{slug!r} cannot be a slug", hint="expected lower-case letters and digits, joined by '-', '_' or '.'"
        ) from error


def at_base_url(file: ProviderFile, base_url: str, overrides: Mapping[str, Any]) -> ProviderFile:
    """A preset's file for the same kind of API at another address; `overrides` replace its fields.

    Raises:
        ConfigurationError: The result is not a valid provider file.
    """
    document = file.model_dump(mode="json", exclude_unset=True) | {"base_url": base_url, **overrides}
    document.pop("ids", None)  # peers know the preset's own address by them
    kept = json.dumps([document.get(part) for part in ("auth", "endpoints")])
    document["variables"] = {
        name: variable for name, variable in document.get("variables", {}).items() if f"{{{name}}}" in kept
    }
    try:
        return ProviderFile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigurationError(f"{file.slug}: {where}: {first['msg'].removeprefix('Value error, ')}") from error


def presets_with_keys(environ: Mapping[str, str]) -> tuple[list[RequestedProvider], list[ConfigurationError]]:
    """The presets whose key is in the environment, and an error for each that lacks the value of a placeholder."""
    requested, incomplete = [], []
    for preset in presets().values():
        example = preset.filled({name: variable.example for name, variable in preset.variables.items()})
        if preset.auth["type"] == "none" or _missing_key(example, environ) is not None:
            continue
        try:
            requested.append(requested_provider(preset, environ))
        except ConfigurationError as error:
            incomplete.append(error)
    return requested, incomplete


def _missing_key(file: ProviderFile, environ: Mapping[str, str]) -> MissingCredentialError | None:
    """Which key a provider lacks; sends no request."""
    try:
        AuthConfig.parse(file.auth, slug=file.slug).authorizer(file.slug, environ, TokenCache(), _request_no_token)
    except MissingCredentialError as error:
        return error
    return None


def _request_no_token(*_: object) -> NoReturn:
    raise AssertionError("looking up a key must not request a token")


@dataclass(frozen=True)
class FieldChange:
    """One field of a provider, before and after."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class PlannedProvider:
    """The plan for one provider.

    Attributes:
        slug: The provider.
        action: What applying the plan does.
        changes: The fields that change; all fields of a new provider.
        requested: What to register; None for a provider that no file describes.
        auth: The `auth_config` to store.
        rule: The rule to activate; None keeps the active one.
        has_rule: Whether it has a rule afterwards.
        needs_review: Whether its first rule is stored but not activated: the generator was not sure of it.
        enabled: Whether scheduled syncs include it.
        missing: Which key is missing and how to provide it.
        new_hosts: New hosts for known keys, which a person has to confirm.
        is_elsewhere: Whether it moves to other addresses, about which its stored responses say nothing.
        dropped: Fields of the active rule that the file no longer states: they are generated again.
    """

    slug: str
    action: Action
    changes: tuple[FieldChange, ...] = ()
    requested: RequestedProvider | None = None
    auth: Mapping[str, Any] = field(default_factory=dict)
    rule: ExtractionRule | None = None
    has_rule: bool = False
    needs_review: bool = False
    enabled: bool = True
    missing: str | None = None
    new_hosts: tuple[NewHost, ...] = ()
    is_elsewhere: bool = False
    dropped: tuple[str, ...] = ()

    @property
    def next_step(self) -> str | None:
        """The command to run before it can be synced; None if it is ready."""
        if self.requested is None or (self.has_rule and self.enabled):
            return None
        if self.needs_review:
            return (
                f"its rule needs review: provider-pipeline rules versions {self.slug}, then "
                f"provider-pipeline rules activate {self.slug} VERSION --reason WHY"
            )
        if self.has_rule:
            return f"provider-pipeline providers enable {self.slug}"
        places = [
            f" --endpoint '{each.path}'" + (f" --detail '{each.detail.path}'" if each.detail else "")
            for each in self.requested.file.endpoints
        ]
        return f"provider-pipeline rules generate {self.slug}{''.join(places)}"

    def to_json(self) -> dict[str, Any]:
        """The plan of one provider as plain JSON."""
        return {
            "provider": self.slug,
            "action": self.action,
            "changes": {each.field: {"old": each.old, "new": each.new} for each in self.changes},
            "missing": self.missing,
            "new_hosts": [{"key": each.key, "host": each.host, "known": [*each.known]} for each in self.new_hosts],
            "next": self.next_step,
        }


@dataclass(frozen=True)
class Plan:
    """The plan for all providers, by slug."""

    providers: tuple[PlannedProvider, ...]

    @property
    def new_hosts(self) -> tuple[tuple[str, NewHost], ...]:
        """New hosts for known keys, each with its provider."""
        return tuple((each.slug, host) for each in self.providers for host in each.new_hosts)

    @property
    def without_rule(self) -> tuple[RequestedProvider, ...]:
        """The providers that could not be synced, for want of a rule."""
        return tuple(each.requested for each in self.providers if each.requested and each.enabled and not each.has_rule)

    @property
    def changes_anything(self) -> bool:
        """Whether applying it would write anything."""
        return any(each.action in ("add", "change", "disable") for each in self.providers)


def plan_providers(
    session: Session,
    requested: Iterable[RequestedProvider],
    *,
    environ: Mapping[str, str],
    whole: bool = False,
    prune: bool = False,
) -> Plan:
    """What registering these providers would change; writes nothing.

    Args:
        session: To read with.
        requested: The providers.
        environ: Where keys are looked up, to report missing ones.
        whole: These are all providers there should be: the plan lists the others too.
        prune: Disable the others.

    Raises:
        ConfigurationError: A stored rule or an authorisation is unusable.
    """
    planned = {each.file.slug: _planned(session, each, environ) for each in requested}
    others = catalog.providers.list_providers(session, enabled_only=False) if whole else []
    for other in others:
        if other.slug not in planned:
            action: Action = "disable" if prune and other.enabled else "not in the folder"
            changes = (FieldChange("enabled", True, False),) if action == "disable" else ()
            planned[other.slug] = PlannedProvider(other.slug, action, changes, enabled=other.enabled)
    return Plan(tuple(planned[slug] for slug in sorted(planned)))


def apply_plan(session: Session, plan: Plan, *, new_hosts: Collection[str] = ()) -> None:
    """Carry out a plan, given the confirmed new hosts for known keys. Commits nothing.

    Raises:
        ConfigurationError: A provider is invalid, or a new host is not confirmed; the caller must roll back.
    """
    for each in plan.providers:
        refuse_new_hosts(each.slug, each.new_hosts, new_hosts)
        if each.action == "disable":
            catalog.providers.set_enabled(session, each.slug, False)
        elif each.requested is not None and each.action in ("add", "change"):
            _register(session, each, each.requested)


def write_first_rules(session: Session, plan: Plan, *, client: ListingClient) -> Plan:
    """Fetch the first page of each registered provider that has no rule, and activate a rule written from it.

    The rule has the endpoints that the file states. Commits nothing.

    Returns:
        The plan, with these providers ready.

    Raises:
        ProviderPipelineError: A page cannot be fetched, or no valid rule can be written from it; the caller must roll
            back.
    """
    ready = set()
    for requested in plan.without_rule:
        file = requested.file
        places = [ListingPlace(each.path, each.detail) for each in file.endpoints]
        samples, sample_id = fetch_sample(session, file.slug, places, client=client)
        generated = generate_rule(session, file.slug, samples, sample_id=sample_id, activate=True)
        if unkept := next((gate for gate in generated.gates if gate.name == _KEEPS_STATED and not gate.passed), None):
            raise RuleValidationError(
                f"{file.slug}: {unkept.actual}: the first page of its listing has nothing there",
                [],
                hint="correct the rule in its file",
            )
        rule = with_stated(generated.rule, file)
        is_stated = rule.digest != generated.rule.digest
        if generated.analysis["confidence"] < CONFIDENT or not (generated.fits or is_stated):
            raise _not_certain(file.slug, generated)
        if is_stated:
            store_stated(session, catalog.providers.get(session, file.slug).id, rule)
        ready.add(file.slug)
    return Plan(tuple(replace(each, has_rule=each.has_rule or each.slug in ready) for each in plan.providers))


def _not_certain(slug: str, generated: GeneratedRule) -> RuleValidationError:
    """The error for a first rule that a person must look at: a doubtful list or id, or a part of the listing."""
    issues = [each for each in generated.analysis["issues"] if each["severity"] != "info"]
    return RuleValidationError(
        f"{slug}: its rule needs a person's review: {issues[0]['message'] if issues else generated.reason}",
        issues,
        hint=f"see it with: provider-pipeline rules generate {slug}, once it is added with: providers add --file",
    )


def _planned(session: Session, requested: RequestedProvider, environ: Mapping[str, str]) -> PlannedProvider:
    file = requested.file
    missing = _missing_key(file, environ)
    unneeded = missing is not None and file.works_without_key
    auth = AuthConfig.parse({"type": "none"} if unneeded else file.auth, slug=file.slug)
    stored_auth = {"type": auth.type, **auth.model_dump(mode="json", exclude_defaults=True)}
    stored = _stored(session, file.slug)
    active = None if stored is None else _active_rule(session, stored.id)
    is_elsewhere = stored is not None and (stored.base_url != file.base_url or not _has_paths(active, file))
    kept = StatedRule.parse({} if stored is None else catalog.providers.stated_rule(session, stored.id))
    dropped = StatedRule()
    if active is None:
        rule = first_rule(file, requested.sample)
    else:
        if file.rule is not None and not is_elsewhere:
            dropped = kept.dropped_by(file.rule, active)
        rule = with_stated(generated_again(session, file, active) if dropped.to_json() else active, file)
        if rule.digest == active.digest:
            rule = None
    changes = [*_changes(file, stored_auth, stored, active, rule)]
    if file.rule is not None:
        changes += _rule_changes(file.rule, kept, active)
        changes += [] if rule is None else _dropped_changes(dropped, rule)
    # The samples of presets are known to be listings.
    unsure = active is None and not requested.shipped and rule is not None and (rule.confidence or 0) < CONFIDENT
    return PlannedProvider(
        slug=file.slug,
        action="add" if stored is None else "change" if changes else "unchanged",
        changes=tuple(changes),
        requested=requested,
        auth=stored_auth,
        rule=rule,
        has_rule=(active is not None or rule is not None) and not unsure,
        needs_review=unsure,
        enabled=stored is None or stored.enabled,
        missing=None if missing is None or unneeded else _how_to_provide(file, missing),
        # A new preset's host is trusted: it ships with the package, together with its source.
        is_elsewhere=is_elsewhere,
        dropped=tuple(sorted(dropped.stated_fields())),
        new_hosts=() if requested.shipped and stored is None else new_hosts(session, file.base_url, auth),
    )


def _changes(
    file: ProviderFile,
    auth: Mapping[str, Any],
    stored: catalog.providers.Provider | None,
    active: ExtractionRule | None,
    rule: ExtractionRule | None,
) -> Iterator[FieldChange]:
    # An interval, thresholds or names at peers that a file leaves out stay as they are.
    every = file.check_every
    new: dict[str, Any] = {"name": file.name, "base_url": file.base_url, "auth": auth, "request": _policy(file)}
    new |= {"check_every": str(every)} if every is not None else {}
    new |= {"thresholds": file.thresholds} if file.thresholds else {}
    new |= {"ids": _peer_ids(file)} if _peer_ids(file) else {}
    old: dict[str, Any] = {}
    if stored is not None:
        old = {
            "name": stored.name,
            "base_url": stored.base_url,
            "auth": {"type": "none", **stored.auth_config},
            "request": stored.request_config,
            "check_every": None if stored.check_every is None else str(stored.check_every),
            "thresholds": stored.thresholds,
            "ids": stored.peer_ids,
        }
    if rule is not None:
        new["endpoints"], old["endpoints"] = (
            stated_endpoints(rule),
            None if active is None else stated_endpoints(active),
        )
    for name, value in new.items():
        if value != old.get(name):
            yield FieldChange(name, old.get(name), value)


def _rule_changes(stated: StatedRule, kept: StatedRule, active: ExtractionRule | None) -> Iterator[FieldChange]:
    """The parts of the rule that a file states and the active rule has otherwise; else, what is kept otherwise."""
    missing = [] if active is None else stated.missing_from(active)
    for each in missing:
        yield FieldChange(f"rule: {each.part}", each.found, each.stated)
    if not missing and stated.to_json() != kept.to_json():
        yield FieldChange("rule", kept.to_json() or None, stated.to_json())


def _dropped_changes(dropped: StatedRule, rule: ExtractionRule) -> Iterator[FieldChange]:
    """The parts that a file no longer states, and what is generated in their place."""
    for each in dropped.missing_from(rule):
        yield FieldChange(f"rule: {each.part}", each.stated, each.found)


def _has_paths(rule: ExtractionRule | None, file: ProviderFile) -> bool:
    return rule is not None and [each.path for each in rule.endpoints] == [each.path for each in file.endpoints]


def _register(session: Session, planned: PlannedProvider, requested: RequestedProvider) -> None:
    file = requested.file
    provider = catalog.providers.add(
        session,
        slug=file.slug,
        name=file.name,
        base_url=file.base_url,
        auth_config=planned.auth,
        request_config=_policy(file),
        check_every=file.check_every,
        thresholds=file.thresholds or None,
        peer_ids=_peer_ids(file) or None,
    )
    rule = planned.rule
    if file.rule is not None:
        catalog.providers.state_rule(session, provider.id, file.rule.to_json())
    if rule is None:
        return
    if provider.active_rule_version is not None:
        if file.rule is None or planned.is_elsewhere or newest_response(session, provider.id) is None:
            store_stated(session, provider.id, rule)
        else:
            try_file_rule(session, file, rule, dropped=planned.dropped)
        return
    content = json.dumps(requested.sample).encode()
    version = store_rule(
        session,
        provider.id,
        rule,
        origin=SAMPLE_ORIGIN,
        activate=not planned.needs_review,
        sample_id=store_sample(session, file.slug, content, url=f"sample:{file.slug}"),
        reason="written from a sample, before the first listing",
    )
    if planned.needs_review:
        doubt = next((each["message"] for each in rule.issues if each["type"] == "ambiguous"), "of low confidence")
        catalog.rule_decisions.set_status(session, provider.id, version, "needs_review", reason=doubt)


def _policy(file: ProviderFile) -> dict[str, Any]:
    return file.request.model_dump(mode="json", exclude_defaults=True)


def _peer_ids(file: ProviderFile) -> dict[str, Any]:
    return file.ids.model_dump(mode="json", exclude_none=True)


def _how_to_provide(file: ProviderFile, missing: MissingCredentialError) -> str:
    parts = [missing.message, missing.hint]
    parts += [f"get a key at {file.key_page}" if file.key_page else None]
    parts += [f"documentation: {file.docs}" if file.docs else None]
    return "; ".join(part for part in parts if part)


def _stored(session: Session, slug: str) -> catalog.providers.Provider | None:
    try:
        return catalog.providers.get(session, slug)
    except UnknownProviderError:
        return None


def _active_rule(session: Session, provider_id: int) -> ExtractionRule | None:
    try:
        return stored_rule(session, catalog.rule_versions.active(session, provider_id))
    except RuleMissingError:
        return None
