"""Providers and their settings."""

from datetime import timedelta
from typing import Any

from fastapi import Response

from provider_pipeline import catalog
from provider_pipeline.api.access import Admin, Reader, RequestContext
from provider_pipeline.api.problems import ProblemError, responses
from provider_pipeline.api.request_models import Json, NewProvider, ProviderUpdate, Slug
from provider_pipeline.api.response_models import ProviderResponse
from provider_pipeline.api.routing import router
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.endpoints import ListingEndpoint
from provider_pipeline.listing.policy import RequestPolicy
from provider_pipeline.sync.key_hosts import new_hosts, unconfirmed
from provider_pipeline.sync.plan import listing_source, parse_thresholds

routes = router("providers")


@routes.get("/providers", response_model=list[ProviderResponse])
def list_providers(context: Reader) -> Any:
    """All providers, disabled ones included."""
    return [_overview(context, each) for each in catalog.providers.list_providers(context.session, enabled_only=False)]


@routes.get("/providers/{slug}", response_model=ProviderResponse)
def show_provider(context: Reader, slug: Slug) -> Any:
    """A provider, and how its last sync went."""
    return _overview(context, context.provider(slug))


@routes.post("/providers", status_code=201, response_model=ProviderResponse, responses=responses(409))
def add_provider(context: Admin, body: NewProvider) -> Any:
    """Adds a provider. `auth` names the environment variable or file that holds its key."""
    if catalog.providers.find_id(context.session, body.slug) is not None:
        raise ProblemError(
            409, "provider-exists", f"there is already a provider {body.slug!r}", hint="use PATCH to change it"
        )
    return _store(
        context, body.slug, body, name=body.name or body.slug, base_url=body.base_url, auth=body.auth, is_sample=False
    )


@routes.patch("/providers/{slug}", response_model=ProviderResponse, responses=responses(409))
def change_provider(context: Admin, slug: Slug, body: ProviderUpdate) -> Any:
    """Changes a provider's settings, or enables it again."""
    current = context.provider(slug)
    if body.enabled is not None:
        catalog.providers.set_enabled(context.session, slug, body.enabled)
    return _store(
        context,
        slug,
        body,
        name=body.name or current.name,
        base_url=body.base_url or current.base_url,
        auth=current.auth_config if body.auth is None else body.auth,
        is_sample=current.is_sample,
    )


@routes.delete("/providers/{slug}", status_code=204, response_class=Response)
def disable_provider(context: Admin, slug: Slug) -> None:
    """Stops syncing a provider. Its rows stay, and PATCH can enable it again."""
    catalog.providers.set_enabled(context.session, slug, False)
    context.session.commit()


def _store(
    context: RequestContext,
    slug: str,
    body: NewProvider | ProviderUpdate,
    *,
    name: str,
    base_url: str,
    auth: Json,
    is_sample: bool,
) -> Json:
    if body.thresholds is not None:
        parse_thresholds(slug, body.thresholds)
    policy = None if body.requests is None else RequestPolicy.parse(body.requests, slug=slug)
    auth_config = AuthConfig.parse(auth, slug=slug)
    for each in unconfirmed(new_hosts(context.session, base_url, auth_config), body.new_hosts):
        raise ProblemError(409, "new-host", f"{slug}: {each}", hint=f"if you mean that, name {each.host} in new_hosts")
    provider = catalog.providers.add(
        context.session,
        slug=slug,
        name=name,
        base_url=base_url,
        auth_config=auth_config.model_dump(mode="json", exclude_defaults=True),
        request_config=None if policy is None else policy.model_dump(mode="json", exclude_defaults=True),
        check_every=None if body.check_every_seconds is None else timedelta(seconds=body.check_every_seconds),
        thresholds=body.thresholds,
        is_sample=is_sample,
    )
    listing_source(provider, [ListingEndpoint()])  # raises if no sync could use these settings
    context.session.commit()
    return _overview(context, provider)


def _overview(context: RequestContext, provider: catalog.providers.Provider) -> Json:
    every = provider.check_every
    (overview,) = catalog.health.provider_overviews(context.session, [provider])
    return overview | {"check_every_seconds": None if every is None else every.total_seconds()}
