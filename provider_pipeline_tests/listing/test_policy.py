"""A provider's stored request policy, and the addresses it allows.

None in the private network, and no plain http to public ones, unless configured.
"""

import tomllib
from collections.abc import Sequence
from importlib import resources
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pytest_httpserver import HTTPServer

from provider_pipeline.errors import ConfigurationError, ListingUnreachableError
from provider_pipeline.listing.endpoints import ListingSource
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.listing.policy import RequestPolicy, literal_address, special_use, url_refusal
from provider_pipeline_tests.listing.conftest import LOOPBACK, QUICK, Fetch
from provider_pipeline_tests.listing.hostile.names import Resolver, Unrouted


def test_by_default_nothing_special_is_allowed() -> None:
    assert RequestPolicy.parse({}) == RequestPolicy(allow_private=False, allow_http=False)
    assert RequestPolicy().limits(FetchLimits()) == FetchLimits()


def test_a_provider_has_limits_of_its_own() -> None:
    policy = RequestPolicy.parse({"deadline": 5, "max_pages": 3, "max_total_bytes": 1000})
    limits = policy.limits(FetchLimits(retries=7))
    assert (limits.deadline, limits.max_pages, limits.max_total_bytes, limits.retries) == (5, 3, 1000, 7)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"allow_privat": True}, "allow_privat"),
        ({"requests_per_second": 0}, "requests_per_second"),
        ({"concurrency": "many"}, "concurrency"),
        ({"deadline": float("inf")}, "deadline"),
    ],
)
def test_a_setting_that_is_not_understood_is_named_in_one_line(document: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"acme: request_config is not understood: {says}") as caught:
        RequestPolicy.parse(document, slug="acme")
    assert "\n" not in str(caught.value)


STRICT = RequestPolicy()
PLAIN = RequestPolicy(allow_http=True)
ELSEWHERE = "8.8.8.8"
"""Nothing is sent there: see `Unrouted`."""


@pytest.fixture(autouse=True)
def unrouted(monkeypatch: pytest.MonkeyPatch) -> Unrouted:
    """No test sends a packet to another machine."""
    return Unrouted(monkeypatch)


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
        ("2001:0:7f00:1::", "loopback address (127.0.0.1)"),
        ("2001:0:808:808::80ff:fffe", "loopback address (127.0.0.1)"),
        ("2001:0:808:808::f7f7:f7f7", "reserved"),
        ("2606:4700::5efe:127.0.0.1", "loopback address (127.0.0.1)"),
        ("192.0.0.8", "reserved"),
        ("192.88.99.2", "reserved"),
        ("64:ff9b:1::808:808", "reserved"),
        ("100:0:0:1::1", "reserved"),
        ("5f00::1", "reserved"),
    ],
)
def test_a_non_public_address_is_refused_with_its_kind(address: str, kind: str) -> None:
    assert kind in (special_use(ip_address(address)) or "")


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::", "192.0.0.9", "2001:20::1"],
)
def test_a_public_address_is_allowed(address: str) -> None:
    assert special_use(ip_address(address)) is None


# Python's table, and so this list, differs from version to version; ours does not.
STRICTER_THAN_PYTHON = {
    "192.0.0.0/24",
    "192.0.0.8/32",
    "192.88.99.0/24",
    "192.88.99.2/32",
    "64:ff9b:1::/48",
    "100:0:0:1::/64",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "::/0",
    "224.0.0.0/4",
    "ff00::/8",
}
LOOSER_THAN_PYTHON = {
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:20::/28",
    "2001:30::/28",
}


def registry_rows() -> list[dict[str, Any]]:
    """The rows of all registries."""
    data = resources.files("provider_pipeline.listing") / "data" / "special_addresses.toml"
    return [row for registry in tomllib.loads(data.read_text())["registry"] for row in registry["blocks"]]


def inside(block: Any, *, but: Sequence[Any]) -> Any:
    """An address of a block that is not in a smaller block within it."""
    smaller = [each for each in but if each.version == block.version and each != block and each.subnet_of(block)]
    # In 997 even steps: every block that smaller ones do not fill has a place among them.
    places = (block[step * (block.num_addresses - 1) // 996] for step in range(997))
    return next(place for place in places if not any(place in each for each in smaller))


def test_every_block_of_the_registries_is_judged_as_its_row_says():
    rows = registry_rows()
    blocks = [ip_network(row["block"]) for row in rows]
    assert len(set(blocks)) == len(blocks) > 50
    for row, block in zip(rows, blocks, strict=True):
        if row["block"] not in ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16"):  # judged by the address they hold
            assert (special_use(inside(block, but=blocks)) is None) is row["reachable"], row


def test_the_registries_differ_from_this_pythons_table_where_that_is_known():
    blocks = [ip_network(row["block"]) for row in registry_rows()]
    samples = {str(block): inside(block, but=blocks) for block in blocks}
    public = {block for block, address in samples.items() if special_use(address) is None}
    by_python = {block for block, address in samples.items() if address.is_global}
    holding_v4 = {"::ffff:0:0/96", "64:ff9b::/96"}
    assert by_python - public - holding_v4 <= STRICTER_THAN_PYTHON
    assert public - by_python - holding_v4 <= LOOSER_THAN_PYTHON


@given(st.ip_addresses(v=4))
def test_an_embedded_v4_address_is_judged_like_the_bare_one(address) -> None:
    dressed = [
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        f"2002:{address.packed[:2].hex()}:{address.packed[2:].hex()}::",
    ]
    assert {special_use(ip_address(text)) is None for text in dressed} == {special_use(address) is None}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "127.0.0.1."])
def test_every_spelling_of_an_address_is_recognised(host: str) -> None:
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
def test_a_forbidden_base_url_is_refused_with_the_flag_that_would_allow_it(
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
def test_the_policy_allows_what_it_says(url: str, policy: RequestPolicy) -> None:
    assert ListingSource(slug="acme", base_url=url, policy=policy).base_url == url


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [ELSEWHERE, "127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1"]])
def test_a_name_that_resolves_to_a_private_address_is_refused_before_anything_is_sent(
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
    httpserver: HTTPServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, unrouted: Unrouted
) -> None:
    resolver = Resolver(monkeypatch, {"rebinding.example": [[ELSEWHERE], ["127.0.0.1"]]})
    with pytest.raises(ListingUnreachableError, match="connection"):
        fetch(f"http://rebinding.example:{httpserver.port}", policy=PLAIN, limits=FetchLimits(retries=0))
    assert resolver.asked == ["rebinding.example"]
    assert unrouted.wanted == [ELSEWHERE]
    assert httpserver.log == []


def test_the_next_address_of_a_host_is_tried_and_the_host_keeps_its_name(
    httpserver: HTTPServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/models").respond_with_json([])
    Resolver(monkeypatch, {"twofold.example": [["127.0.0.2", "127.0.0.1"]]})
    fetch(f"http://twofold.example:{httpserver.port}", policy=LOOPBACK)
    assert httpserver.log[0][0].headers["Host"] == f"twofold.example:{httpserver.port}"


def test_plain_http_to_a_public_address_behind_a_name_is_refused(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    Resolver(monkeypatch, {"public.example": [[ELSEWHERE]]})
    with pytest.raises(ListingUnreachableError, match=rf"plain http to {ELSEWHERE} .*--allow-http"):
        fetch("http://public.example", policy=LOOPBACK)


@pytest.mark.parametrize("variable", ["http_proxy", "Http_Proxy", "ALL_PROXY"])
def test_a_proxy_may_be_private_but_literal_private_targets_are_refused(
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
