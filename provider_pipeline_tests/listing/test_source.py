"""What a source refuses on construction, and the URL of an endpoint."""

import pytest

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.source import ListingEndpoint, ListingSource


@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://example.org",
        "example.org",
        "https://",
        "https://user:hunter2@example.org",
        "https://example.org/?api_key=hunter2",
        "https://exa mple.org",
        "https://[::1",
        "https://example.org:99999",
    ],
)
def test_an_unusable_base_url_or_one_with_a_secret_is_refused(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ListingSource(slug="acme", base_url=base_url)
    assert str(caught.value).startswith("acme: ")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["https://elsewhere.org/models", "//elsewhere.org/models", "/../models", "/%2e%2e/keys"]
)
def test_an_endpoint_stays_below_its_base_url(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^acme: endpoint .* (is not a path below|may)"):
        ListingSource(slug="acme", base_url="https://example.org", endpoints=(ListingEndpoint(path=path),))


def test_a_source_without_an_endpoint_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^acme: it has no listing endpoint"):
        ListingSource(slug="acme", base_url="https://example.org", endpoints=())


def test_the_url_of_an_endpoint_joins_base_url_path_and_parameters() -> None:
    endpoint = ListingEndpoint(path="/models?type=chat", params={"limit": "5"})
    source = ListingSource(slug="acme", base_url="https://example.org/v1/", endpoints=(endpoint,))
    assert source.url(endpoint) == "https://example.org/v1/models?type=chat&limit=5"
