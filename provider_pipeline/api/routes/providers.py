"""Providers: who is asked for models."""

from datetime import timedelta
from typing import Any

from fastapi import Response

from provider_pipeline import catalog
from provider_pipeline.api.problems import ProblemError, responses
from provider_pipeline.api.request_models import Json, NewProvider, ProviderSettings
from provider_pipeline.api.response_models import ProviderDocument
from provider_pipeline.api.routes.common import Slug, router
from provider_pipeline.api.service import Admin, Call, Reader
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.listing.source import ListingEndpoint
from provider_pipeline.sync.config import listing_source, parse_thresholds
from provider_pipeline.sync.key_hosts import new_hosts, unconfirmed

routes = router("providers")


@routes.get("/providers", response_model=list[ProviderDocument])
def list_providers(call: Reader) -> Any:
    """Every provider, disabled ones too."""
    return [_document(call, each) for each in catalog.providers.list_providers(call.session, enabled_only=False)]


@routes.get("/providers/{slug}", response_model=ProviderDocument)
def show_provider(call: Reader, slug: Slug) -> Any:
    """A provider, and how its last sync went."""
    return _document(call, call.provider(slug))


@routes.post("/providers", status_code=201, response_model=ProviderDocument, responses=responses(409))
def add_provider(call: Admin, body: NewProvider) -> Any:
    """Adds a provider. Its keys stay where they are: it names an environment variable or a file."""
    if catalog.providers.find_id(call.session, body.slug) is not None:
        raise ProblemError(
            409, "provider-exists", f"there is a provider {body.slug!r} already", hint="change it: PATCH"
        )
    return _store(
        call,
        body.slug,
        name=body.name or body.slug,
        base_url=body.base_url,
        auth=body.auth,
        requests=body.requests,
        thresholds=body.thresholds,
        check_every_seconds=body.check_every_seconds,
        confirmed=body.new_hosts,
    )


@routes.patch("/providers/{slug}", response_model=ProviderDocument, responses=responses(409))
def change_provider(call: Admin, slug: Slug, body: ProviderSettings) -> Any:
    """Changes a provider's settings, or enables it again."""
    present = call.provider(slug)
    if body.enabled is not None:
        catalog.providers.set_enabled(call.session, slug, body.enabled)
    return _store(
        call,
        slug,
        name=body.name or present.name,
        base_url=body.base_url or present.base_url,
        auth=present.auth_config if body.auth is None else body.auth,
        requests=body.requests,
        thresholds=body.thresholds,
        check_every_seconds=body.check_every_seconds,
        confirmed=body.new_hosts,
        is_sample=present.is_sample,
    )


@routes.delete("/providers/{slug}", status_code=204, response_class=Response)
def disable_provider(call: Admin, slug: Slug) -> None:
    """Stops syncing a provider. Its rows stay, and it can be enabled again."""
    catalog.providers.set_enabled(call.session, slug, False)
    call.session.commit()


def _store(
    call: Call,
    slug: str,
    *,
    name: str,
    base_url: str,
    auth: Json,
    requests: Json | None,
    thresholds: Json | None,
    check_every_seconds: int | None,
    confirmed: list[str],
    is_sample: bool = False,
) -> Json:
    if thresholds is not None:
        parse_thresholds(slug, thresholds)
    policy = None if requests is None else RequestPolicy.parse(requests, slug=slug)
    auth_config = AuthConfig.parse(auth, slug=slug)
    for each in unconfirmed(new_hosts(call.session, base_url, auth_config), confirmed):
        raise ProblemError(409, "new-host", f"{slug}: {each}", hint=f"if that is meant, name {each.host} in new_hosts")
    provider = catalog.providers.add(
        call.session,
        slug=slug,
        name=name,
        base_url=base_url,
        auth_config=auth_config.model_dump(mode="json", exclude_defaults=True),
        request_config=None if policy is None else policy.model_dump(mode="json", exclude_defaults=True),
        check_every=None if check_every_seconds is None else timedelta(seconds=check_every_seconds),
        thresholds=thresholds,
        is_sample=is_sample,
    )
    listing_source(provider, [ListingEndpoint()])  # refuses what no sync could ask
    call.session.commit()
    return _document(call, provider)


def _document(call: Call, provider: catalog.providers.Provider) -> Json:
    every = provider.check_every
    return catalog.health.provider_overview(call.session, provider) | {
        "check_every_seconds": None if every is None else every.total_seconds()
    }
