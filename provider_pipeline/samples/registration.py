"""Register sample providers, marked as samples."""

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.samples.providers import SampleProvider


def register_sample(session: Session, provider: SampleProvider, *, base_url: str) -> catalog.providers.Provider:
    """Register a sample provider, or update its address. Commits nothing.

    Raises:
        ConfigurationError: The slug is invalid, or the catalogue has providers that are not samples.
    """
    return catalog.providers.add(
        session,
        slug=provider.slug,
        name=provider.name,
        base_url=base_url,
        auth_config=provider.auth,
        request_config={"allow_private": True},
        is_sample=True,
    )
