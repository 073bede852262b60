"""Plans what registering provider files would change, field by field, before anything is written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import MissingCredentialError, RuleMissingError, UnknownProviderError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.presets.file_rules import first_rule, generated_again, stated_endpoints, with_stated
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline.presets.requested import RequestedProvider, missing_key
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import CONFIDENT
from provider_pipeline.rules.stated_rule import StatedRule
from provider_pipeline.sync.key_hosts import NewHost, new_hosts
from provider_pipeline.sync.plan import stored_rule

Action = Literal["add", "change", "unchanged", "not in the folder", "disable"]


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


def _planned(session: Session, requested: RequestedProvider, environ: Mapping[str, str]) -> PlannedProvider:
    file = requested.file
    missing = missing_key(file, environ)
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
    new: dict[str, Any] = {"name": file.name, "base_url": file.base_url, "auth": auth, "request": request_config(file)}
    new |= {"check_every": str(every)} if every is not None else {}
    new |= {"thresholds": file.thresholds} if file.thresholds else {}
    new |= {"ids": peer_ids(file)} if peer_ids(file) else {}
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
    """The stated parts of a file's rule that differ from the active rule; else, the stated parts that are kept."""
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


def request_config(file: ProviderFile) -> dict[str, Any]:
    """The settings of its requests, as stored."""
    return file.request.model_dump(mode="json", exclude_defaults=True)


def peer_ids(file: ProviderFile) -> dict[str, Any]:
    """Its names at peers, as stored."""
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
