"""The sample providers that `demo` and `dev` serve, in the catalogue.

Here: which they are, where what they leave is kept, and how they get their first rules. Not here: serving them
(`provider_pipeline.samples`), and what the two commands do with them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from provider_pipeline import catalog, listing, rules, samples, sync
from provider_pipeline.errors import ProviderPipelineError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SAMPLE_PORT = 8377

ListingsOption = Annotated[
    Path | None,
    typer.Option(
        help="Serve every *.json of this folder as a provider, instead of the bundled samples.",
        exists=True,
        file_okay=False,
    ),
]


def sample_server(listings: Path | None) -> samples.SampleServer:
    """The server of the bundled samples, or of a folder of listings; not started yet."""
    return (
        samples.SampleServer(SAMPLE_PORT, or_any_port=True)
        if listings is None
        else samples.SampleServer.from_directory(listings)
    )


def home_for(listings: Path | None) -> Path:
    """The home folder; other listings get one of their own, so that they never mix with the bundled samples."""
    if listings is None:
        return catalog.home()
    resolved = listings.resolve()
    digest = hashlib.sha256(str(resolved).encode()).hexdigest()[:8]
    return catalog.home() / "listings" / f"{resolved.name}-{digest}"


def sample_keys(server: samples.SampleServer) -> dict[str, str]:
    """The environment in which the requests to all of them are authorised."""
    return {name: value for provider in server.providers for name, value in provider.env.items()}


def prepare_samples(
    database: catalog.Database, server: samples.SampleServer, keys: Mapping[str, str], *, whole: bool
) -> dict[str, ProviderPipelineError]:
    """Adds the sample providers, or brings their addresses up to date, and writes the rules of those that have none.

    Args:
        database: The catalogue.
        server: Where they are served.
        keys: What authorises the requests for samples that are not at hand.
        whole: Each sample is its provider's whole listing: a file of a folder has no further pages.

    Returns:
        Why no rule could be written, by the slugs of the providers that are left without one.
    """
    client = listing.ListingClient(environ=keys)
    without_rule: dict[str, ProviderPipelineError] = {}
    with database.session() as session:
        for provider in server.providers:
            try:
                _prepare(session, provider, server, client, whole=whole)
            except ProviderPipelineError as error:
                session.rollback()
                without_rule[provider.slug] = error
    return without_rule


def _prepare(
    session: Session,
    provider: samples.SampleProvider,
    server: samples.SampleServer,
    client: listing.ListingClient,
    *,
    whole: bool,
) -> None:
    catalog.add_provider(
        session,
        slug=provider.slug,
        name=provider.name,
        base_url=server.base_url(provider.slug),
        auth_config=provider.auth,
        request_config={"allow_private": True},  # it is served on this machine
    )
    session.commit()
    if sync.active_places(session, provider.slug):
        return
    given: Sequence[rules.EndpointSample] = provider.endpoints
    if any(sample.document is None for sample in given):
        places = [sync.ListingPlace(sample.path or "", sample.detail) for sample in given]
        given, sample_id = sync.fetch_sample(session, provider.slug, places, client=client)
    else:
        contents = (json.dumps(sample.document, ensure_ascii=False).encode() for sample in given)
        sample_id = sync.store_sample(session, provider.slug, *contents, url=f"sample:{provider.slug}")
    sync.generate_rule(session, provider.slug, given, sample_id=sample_id, whole=whole)
    session.commit()
