"""Detects that a registration would send a known key to a new host, which a person has to confirm."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.listing.policy import may_follow


@dataclass(frozen=True)
class NewHost:
    """A known key and the new host it would be sent to.

    Attributes:
        key: The variable or the file that holds it.
        host: The host, with its port if it has one, and with `http://` in front if it is not asked by https.
        known: The hosts the key has been sent to.
    """

    key: str
    host: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        return f"the key in {self.key} went to {', '.join(self.known)}, and would go to {self.host}"


def new_hosts(session: Session, base_url: str, auth: AuthConfig) -> tuple[NewHost, ...]:
    """The new hosts that known keys would be sent to with this address and auth; a new key may go anywhere."""
    keys = [place.name for place in auth.places]
    known = catalog.providers.key_destinations(session, keys) if keys else {}
    return tuple(
        NewHost(key, _host(address), tuple(_host(each) for each in known[key]))
        for key in keys
        for address in (base_url, *auth.token_urls)
        if key in known and not any(may_follow(each, address) for each in known[key])
    )


def unconfirmed(found: Iterable[NewHost], confirmed: Collection[str]) -> tuple[NewHost, ...]:
    """The new hosts that are not among the confirmed ones."""
    names = {name.lower() for name in confirmed}
    return tuple(each for each in found if each.host not in names)


def refuse_new_hosts(slug: str, found: Iterable[NewHost], confirmed: Collection[str]) -> None:
    """Raises ConfigurationError for the first new host that is not among the confirmed ones."""
    for each in unconfirmed(found, confirmed):
        raise ConfigurationError(f"{slug}: {each}", hint=f"if that is meant, say so with --new-host {each.host}")


def _host(address: str) -> str:
    parts = urlsplit(address)
    return parts.netloc.lower() if parts.scheme == "https" else f"http://{parts.netloc.lower()}"
