"""A known key goes to a new host only if a person confirms that host; a new key may go anywhere."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from provider_pipeline import catalog
from provider_pipeline.catalog.database import Database
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.auth.kinds import AuthConfig
from provider_pipeline.sync.key_hosts import NewHost, new_hosts, refuse_new_hosts, unconfirmed

BEARER = {"type": "bearer", "env": "ACME_KEY"}
MOVED = NewHost("ACME_KEY", "evil.example", ("api.acme.example",))


@pytest.fixture
def session(shared_database: Database) -> Iterator[Session]:
    """A session on a catalogue whose ACME_KEY is sent to api.acme.example."""
    with shared_database.session() as opened:
        catalog.providers.add(
            opened, slug="acme", name="Acme", base_url="https://api.acme.example/v1", auth_config=BEARER
        )
        yield opened


def hosts(session: Session, base_url: str, auth: dict = BEARER) -> list[str]:
    """The new hosts of a registration."""
    return [each.host for each in new_hosts(session, base_url, AuthConfig.parse(auth))]


@pytest.mark.parametrize("address", ["https://api.acme.example/v2", "https://API.acme.example:443"])
def test_another_path_at_the_same_host_is_not_new(session: Session, address: str):
    assert hosts(session, address) == []


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://evil.example/v1", "evil.example"),
        ("https://api.acme.example:8443", "api.acme.example:8443"),
        ("http://API.acme.example", "http://api.acme.example"),
    ],
)
def test_another_host_port_or_scheme_is_new_and_says_where_the_key_went(session: Session, address: str, host: str):
    assert new_hosts(session, address, AuthConfig.parse(BEARER)) == (NewHost("ACME_KEY", host, ("api.acme.example",)),)


def test_a_new_key_and_no_key_may_go_anywhere(session: Session):
    assert hosts(session, "https://evil.example", {"type": "bearer", "env": "OTHER_KEY"}) == []
    assert hosts(session, "https://evil.example", {"type": "none"}) == []


def test_the_address_that_gives_tokens_is_sent_the_key_too(session: Session):
    login = {
        "type": "oauth2_client_credentials",
        "token_url": "https://login.example/token",
        "client_id": {"value": "me"},
        "client_secret": {"env": "ACME_KEY"},
    }
    assert hosts(session, "https://api.acme.example", login) == ["login.example"]


def test_confirming_a_host_is_about_that_host_alone_in_any_case():
    assert unconfirmed([MOVED], ["Evil.Example"]) == ()
    for confirmed in ([], ["example"], ["evil.example:8443"], ["http://evil.example"]):
        assert unconfirmed([MOVED], confirmed) == (MOVED,)


def test_a_refusal_names_the_key_its_hosts_and_how_to_confirm():
    refuse_new_hosts("acme", [MOVED], ["evil.example"])
    with pytest.raises(ConfigurationError) as refused:
        refuse_new_hosts("acme", [MOVED], [])
    assert "acme: the key in ACME_KEY went to api.acme.example, and would go to evil.example" in str(refused.value)
    assert "--new-host evil.example" in str(refused.value)
