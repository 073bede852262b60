"""Which addresses are asked: nothing inside the own network without leave, and nothing by plain http in public."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from provider_pipeline.errors import ConfigurationError, ListingUnreachableError
from provider_pipeline.listing import FetchLimits, ListingSource, RequestPolicy
from provider_pipeline.listing.addresses import literal_address, special_use, url_refusal
from provider_pipeline_tests.listing.conftest import LOOPBACK, QUICK, Fetch
from provider_pipeline_tests.listing.hostile.names import Resolver

STRICT = RequestPolicy()
PLAIN = RequestPolicy(allow_http=True)
UNROUTED = "192.0.0.9"
"""Public by the books (RFC 7723), and nobody answers there."""


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("198.18.0.1", "private"),
        ("169.254.1.1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("fd00:ec2::254", "private"),
        ("fe80::1", "link-local"),
        ("fec0::1", "reserved"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "reserved"),
        ("3fff::1", "reserved"),
        ("2001:0:1::", "reserved"),
        ("::ffff:10.0.0.1", "private or reserved address (10.0.0.1)"),
        ("::ffff:127.0.0.1", "loopback address (127.0.0.1)"),
        ("::127.0.0.1", "loopback address (127.0.0.1)"),
        ("::ffff:0:127.0.0.1", "loopback address (127.0.0.1)"),
        ("64:ff9b::a9fe:a9fe", "metadata address (169.254.169.254)"),
        ("64:ff9b:1::7f00:1", "reserved"),
        ("2002:7f00:1::", "loopback address (127.0.0.1)"),
    ],
)
def test_an_address_that_is_not_public_is_told_by_its_kind(address: str, kind: str) -> None:
    assert kind in (special_use(ip_address(address)) or "")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::", UNROUTED]
)
def test_a_public_address_may_be_asked(address: str) -> None:
    assert special_use(ip_address(address)) is None


@given(st.ip_addresses(v=4))
def test_a_v4_address_is_judged_alike_in_every_v6_dress(address) -> None:
    dressed = [
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        f"2002:{address.packed[:2].hex()}:{address.packed[2:].hex()}::",
    ]
    assert {special_use(ip_address(text)) is None for text in dressed} == {special_use(address) is None}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "127.0.0.1."])
def test_every_spelling_of_an_address_is_known(host: str) -> None:
    assert literal_address(host.rstrip(".")) == ip_address("127.0.0.1")
    assert url_refusal(f"https://{host}/", STRICT) is not None


@pytest.mark.parametrize(
    ("url", "policy", "says"),
    [
        ("https://127.0.0.1", STRICT, "127.0.0.1 is a loopback address"),
        ("https://[::1]:8443", STRICT, "::1 is a loopback address"),
        ("https://localhost", STRICT, "localhost is 127.0.0.1, a loopback address"),
        ("https://models.localhost.", STRICT, "a loopback address"),
        ("https://169.254.169.254/latest/meta-data", STRICT, "a cloud's metadata address"),
        ("https://10.0.0.1", PLAIN, "a private or reserved address"),
        ("http://10.0.0.1", PLAIN, "a private or reserved address"),
        ("http://8.8.8.8", STRICT, "plain http to 8.8.8.8"),
        ("http://8.8.8.8", LOOPBACK, "plain http to 8.8.8.8"),
        ("http://models.example", STRICT, "plain http shows the key"),
    ],
)
def test_a_base_url_that_may_not_be_asked_is_refused_with_the_flag_that_would_allow_it(
    url: str, policy: RequestPolicy, says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ListingSource(slug="acme", base_url=url, policy=policy)
    assert says in caught.value.message
    assert "--allow-" in (caught.value.hint or "")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "policy"),
    [
        ("https://models.example", STRICT),
        ("https://8.8.8.8", STRICT),
        ("http://8.8.8.8", PLAIN),
        ("http://models.example", PLAIN),
        ("http://models.example", LOOPBACK),
        ("http://10.0.0.1", LOOPBACK),
        ("https://10.0.0.1", LOOPBACK),
        ("http://localhost", LOOPBACK),
    ],
)
def test_what_the_policy_allows_may_be_asked(url: str, policy: RequestPolicy) -> None:
    assert ListingSource(slug="acme", base_url=url, policy=policy).base_url == url


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [UNROUTED, "127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1"]])
def test_a_name_that_stands_for_an_address_inside_is_refused_before_anything_is_sent(
    httpserver: HTTPServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolver = Resolver(monkeypatch, {"inside.example": [addresses]})
    refused = r"is not sent: inside.example is \S+, a (loopback|private).*--allow-private"
    with pytest.raises(ListingUnreachableError, match=refused) as caught:
        fetch(f"http://inside.example:{httpserver.port}", policy=PLAIN)
    assert not caught.value.transient
    assert resolver.asked == ["inside.example"]
    assert httpserver.log == []


def test_a_name_that_changes_its_address_after_the_check_gains_nothing(
    httpserver: HTTPServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Resolver(monkeypatch, {"rebinding.example": [[UNROUTED], ["127.0.0.1"]]})
    limits = FetchLimits(connect_timeout=0.1, retries=0)
    with pytest.raises(ListingUnreachableError, match="connection"):
        fetch(f"http://rebinding.example:{httpserver.port}", policy=PLAIN, limits=limits)
    assert resolver.asked == ["rebinding.example"]
    assert httpserver.log == []


def test_the_next_address_of_a_host_is_tried_and_the_host_keeps_its_name(
    httpserver: HTTPServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/models").respond_with_json([])
    Resolver(monkeypatch, {"twofold.example": [["127.0.0.2", "127.0.0.1"]]})
    fetch(f"http://twofold.example:{httpserver.port}", policy=LOOPBACK)
    assert httpserver.log[0][0].headers["Host"] == f"twofold.example:{httpserver.port}"


def test_plain_http_to_a_public_address_behind_a_name_is_refused(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    Resolver(monkeypatch, {"public.example": [[UNROUTED]]})
    with pytest.raises(ListingUnreachableError, match=rf"plain http to {UNROUTED} .*--allow-http"):
        fetch("http://public.example", policy=LOOPBACK)


@pytest.mark.parametrize("variable", ["http_proxy", "Http_Proxy", "ALL_PROXY"])
def test_a_proxy_may_be_anywhere_but_literal_targets_inside_are_refused(
    httpserver: HTTPServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    httpserver.expect_request("/models").respond_with_json([])
    monkeypatch.setenv(variable, httpserver.url_for(""))
    monkeypatch.setenv("no_proxy", "")
    assert len(fetch("http://models.invalid", policy=PLAIN)) == 1
    with pytest.raises(ListingUnreachableError, match="plain http through a proxy"):
        fetch("http://models.invalid", policy=LOOPBACK, limits=QUICK)
    with pytest.raises(ConfigurationError, match="loopback"):
        fetch("http://127.0.0.1:1", policy=PLAIN)
    assert len(httpserver.log) == 1
