"""Sample providers in a catalogue.

Here: the one way to register them, which marks them as samples. Not here: serving them (`server.py`).
"""

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.samples.providers import SampleProvider


def register_sample(session: Session, provider: SampleProvider, *, base_url: str) -> catalog.providers.Provider:
    """Registers a sample provider, or brings its address up to date. Commits nothing.

    Args:
        session: Session to write with.
        provider: The provider.
        base_url: Where it is served, on this machine.

    Raises:
        ConfigurationError: Its slug cannot be one, or the catalogue has providers that are no samples.
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
