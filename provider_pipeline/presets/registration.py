"""From provider files to registered providers: the plan, and carrying it out.

Here: what registering files would change, field by field, and doing it. Not here: reading files (`library`), asking a
person (the command line). The concept: a plan is read before anything is written, and is carried out whole, in the
caller's transaction; the same files a second time change nothing.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import MissingCredentialError, RuleMissingError, UnknownProviderError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline.presets.starting_rule import first_rule, with_stated
from provider_pipeline.presets.wanted import Wanted, missing_key
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.sync.config import store_rule, stored_rule
from provider_pipeline.sync.key_hosts import NewHost, new_hosts, refuse_new_hosts
from provider_pipeline.sync.provider import SAMPLE_ORIGIN
from provider_pipeline.sync.repair.generate import store_sample

_STATED_ORIGIN: Final = "stated"

Action = Literal["add", "change", "unchanged", "not in the folder", "disable"]


@dataclass(frozen=True)
class FieldChange:
    """One field of a provider, as it is and as it will be."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class PlannedProvider:
    """What becomes of one provider.

    Attributes:
        slug: The provider.
        action: What is done.
        changes: The fields that change; for a new one, all that it has.
        wanted: The file behind it; None for a provider that no file describes.
        auth: How its requests are authorised, as it is stored.
        rule: The rule that is activated; None to leave the rule alone.
        has_rule: Whether it can be synced afterwards.
        enabled: Whether scheduled syncs include it now; a new one's will.
        missing: What is missing for its key, and what to do about it; None if nothing is.
        new_hosts: New hosts for known keys, which a person has to confirm.
    """

    slug: str
    action: Action
    changes: tuple[FieldChange, ...] = ()
    wanted: Wanted | None = None
    auth: Mapping[str, Any] = field(default_factory=dict)
    rule: ExtractionRule | None = None
    has_rule: bool = False
    enabled: bool = True
    missing: str | None = None
    new_hosts: tuple[NewHost, ...] = ()

    @property
    def next_step(self) -> str | None:
        """The command that it takes before it can be synced; None if it can."""
        if self.wanted is None or (self.has_rule and self.enabled):
            return None
        if self.has_rule:
            return f"provider-pipeline providers enable {self.slug}"
        places = [
            f" --endpoint '{each.path}'" + (f" --detail '{each.detail.path}'" if each.detail else "")
            for each in self.wanted.file.endpoints
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
    """What becomes of all of them, by slug."""

    providers: tuple[PlannedProvider, ...]

    @property
    def new_hosts(self) -> tuple[tuple[str, NewHost], ...]:
        """New hosts for known keys, each with its provider."""
        return tuple((each.slug, host) for each in self.providers for host in each.new_hosts)

    @property
    def changes_anything(self) -> bool:
        """Whether carrying it out would write anything."""
        return any(each.action in ("add", "change", "disable") for each in self.providers)


def plan_providers(
    session: Session,
    wanted: Iterable[Wanted],
    *,
    environ: Mapping[str, str],
    whole: bool = False,
    prune: bool = False,
) -> Plan:
    """What registering these providers would change; writes nothing.

    Args:
        session: An open session.
        wanted: The providers.
        environ: Where their keys are looked up, to say which are missing.
        whole: They are all there should be: the plan names the others too.
        prune: The others are disabled.

    Raises:
        ConfigurationError: A stored rule or an authorisation is not usable.
    """
    planned = {each.file.slug: _planned(session, each, environ) for each in wanted}
    others = catalog.providers.list_providers(session, enabled_only=False) if whole else []
    for other in others:
        if other.slug not in planned:
            action: Action = "disable" if prune and other.enabled else "not in the folder"
            changes = (FieldChange("enabled", True, False),) if action == "disable" else ()
            planned[other.slug] = PlannedProvider(other.slug, action, changes, enabled=other.enabled)
    return Plan(tuple(planned[slug] for slug in sorted(planned)))


def apply_plan(session: Session, plan: Plan, *, new_hosts: Collection[str] = ()) -> None:
    """Carries out a plan. Commits nothing.

    Args:
        session: An open session.
        plan: The plan.
        new_hosts: Confirmed new hosts for known keys.

    Raises:
        ConfigurationError: A provider is not acceptable, or a new host is not confirmed; the caller must roll back.
    """
    for each in plan.providers:
        refuse_new_hosts(each.slug, each.new_hosts, new_hosts)
        if each.action == "disable":
            catalog.providers.set_enabled(session, each.slug, False)
        elif each.wanted is not None and each.action in ("add", "change"):
            _register(session, each, each.wanted)


def _planned(session: Session, wanted: Wanted, environ: Mapping[str, str]) -> PlannedProvider:
    file = wanted.file
    missing = missing_key(file, environ)
    unneeded = missing is not None and file.works_without_key
    auth = AuthConfig.parse({"type": "none"} if unneeded else file.auth, slug=file.slug)
    stored_auth = {"type": auth.type, **auth.model_dump(mode="json", exclude_defaults=True)}
    stored = _stored(session, file.slug)
    active = None if stored is None else _active_rule(session, stored.id)
    rule = first_rule(file, wanted.sample) if active is None else with_stated(active, file)
    if active is not None and rule is not None and rule.digest == active.digest:
        rule = None
    changes = tuple(_changes(file, stored_auth, stored, active, rule))
    return PlannedProvider(
        slug=file.slug,
        action="add" if stored is None else "change" if changes else "unchanged",
        changes=changes,
        wanted=wanted,
        auth=stored_auth,
        rule=rule,
        has_rule=active is not None or rule is not None,
        enabled=stored is None or stored.enabled,
        missing=None if missing is None or unneeded else _what_to_do(file, missing),
        # A preset's host comes with the package, together with its source.
        new_hosts=() if wanted.shipped and stored is None else new_hosts(session, file.base_url, auth),
    )


def _changes(
    file: ProviderFile,
    auth: Mapping[str, Any],
    stored: catalog.providers.Provider | None,
    active: ExtractionRule | None,
    rule: ExtractionRule | None,
) -> Iterable[FieldChange]:
    # An interval or thresholds that a file leaves out stay as they are.
    every = file.check_every
    new: dict[str, Any] = {"name": file.name, "base_url": file.base_url, "auth": auth, "request": _policy(file)}
    new |= {"check_every": str(every)} if every is not None else {}
    new |= {"thresholds": file.thresholds} if file.thresholds else {}
    old: dict[str, Any] = {}
    if stored is not None:
        old = {
            "name": stored.name,
            "base_url": stored.base_url,
            "auth": {"type": "none", **stored.auth_config},
            "request": stored.request_config,
            "check_every": None if stored.check_every is None else str(stored.check_every),
            "thresholds": stored.thresholds,
        }
    if rule is not None:
        new["endpoints"], old["endpoints"] = _endpoints(rule), None if active is None else _endpoints(active)
    for name, value in new.items():
        if value != old.get(name):
            yield FieldChange(name, old.get(name), value)


def _endpoints(rule: ExtractionRule) -> list[dict[str, Any]]:
    """What a provider file can say of a rule's endpoints."""
    return [
        each.model_dump(mode="json", include={"path", "pagination", "detail"}, exclude_none=True)
        for each in rule.endpoints
    ]


def _register(session: Session, planned: PlannedProvider, wanted: Wanted) -> None:
    file = wanted.file
    provider = catalog.providers.add(
        session,
        slug=file.slug,
        name=file.name,
        base_url=file.base_url,
        auth_config=planned.auth,
        request_config=_policy(file),
        check_every=file.check_every,
        thresholds=file.thresholds or None,
    )
    rule = planned.rule
    if rule is None:
        return
    is_first = provider.active_rule_version is None
    sample_id = None
    if is_first:
        content = json.dumps(wanted.sample).encode()
        sample_id = store_sample(session, file.slug, content, url=f"sample:{file.slug}")
    store_rule(
        session,
        provider.id,
        rule,
        origin=SAMPLE_ORIGIN if is_first else _STATED_ORIGIN,
        activate=True,
        sample_id=sample_id,
        author="generator" if is_first else "person",
        reason="written from a sample, before the first listing" if is_first else "the provider's file says so",
    )


def _policy(file: ProviderFile) -> dict[str, Any]:
    return file.request.model_dump(mode="json", exclude_defaults=True)


def _what_to_do(file: ProviderFile, missing: MissingCredentialError) -> str:
    where = [f"a key is to be had at {file.key_page}"] if file.key_page else []
    where += [f"documentation: {file.docs}"] if file.docs else []
    return "; ".join([missing.message, *([missing.hint] if missing.hint else []), *where])


def _stored(session: Session, slug: str) -> catalog.providers.Provider | None:
    try:
        return catalog.providers.get(session, slug)
    except UnknownProviderError:
        return None


def _active_rule(session: Session, provider_id: int) -> ExtractionRule | None:
    try:
        return stored_rule(catalog.rule_versions.active(session, provider_id))
    except RuleMissingError:
        return None
