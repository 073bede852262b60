"""Behaviours that send us elsewhere: redirects, next pages, and names that resolve to forbidden addresses."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from provider_pipeline.errors import ListingRefusedError, ListingUnreachableError, RuleValidationError
from provider_pipeline_tests.listing.hostile.behaviour import KEY, QUERY, Behaviour, encoded, items, well_behaved
from provider_pipeline_tests.listing.hostile.server import Conversation, Script, answer

NOT_FOLLOWED: Final = "which is not followed"
NAMED: Final = "http://{name}.example:{port}"
PUBLIC: Final = MappingProxyType({"allow_http": True})
ELSEWHERE: Final = "8.8.8.8"
"""Nothing is sent there: see `Unrouted`."""


def _redirects(location: str | Callable[[Conversation], str], status: str = "302 Found") -> Script:
    def script(conversation: Conversation) -> None:
        target = location if isinstance(location, str) else location(conversation)
        conversation.send(answer(b"", f"Location: {target}", status=status))

    return script


def _moves_within(conversation: Conversation) -> None:
    if conversation.target.startswith("/v1/"):
        # The body of a redirect is not read, so it may be endless.
        conversation.flood(b"HTTP/1.1 308 Permanent Redirect\r\nLocation: /v2/models\r\n\r\n", b" " * 4096)
    if conversation.header("Authorization") == f"Bearer {KEY}":
        well_behaved(conversation)
    else:
        conversation.send(answer(b"", status="401 Unauthorized"))


def _goes_on_elsewhere(*, link: bool = False) -> Script:
    def script(conversation: Conversation) -> None:
        target = f"{conversation.elsewhere}/v1/models?page=2"
        page: dict[str, Any] = {"data": items("gpt-4.1-0"), "next": target}
        headers = (f'Link: <{target}>; rel="next"',) if link else ()
        conversation.send(answer(encoded(page), *headers))

    return script


def _refused(name: str, does: str, script: Script, **more: Any) -> Behaviour:
    return Behaviour(name, does, script, ListingRefusedError, NOT_FOLLOWED, **more)


REDIRECTS: Final = (
    *(
        _refused(
            f"redirect-{status[:3]}-to-another-origin",
            f"Redirects to another port with `{status}`.",
            _redirects(lambda conversation: f"{conversation.elsewhere}/v1/models", status),
        )
        for status in (
            "301 Moved Permanently",
            "302 Found",
            "303 See Other",
            "307 Temporary Redirect",
            "308 Permanent Redirect",
        )
    ),
    _refused(
        "redirect-with-key-in-query",
        "Redirects a request with the key in its query to another port.",
        _redirects(lambda conversation: f"{conversation.elsewhere}{conversation.target}"),
        auth=QUERY,
    ),
    _refused(
        "redirect-to-loopback",
        "Redirects to another name of this machine.",
        _redirects(lambda conversation: conversation.elsewhere.replace("127.0.0.1", "localhost")),
    ),
    _refused(
        "redirect-to-metadata",
        "Redirects to the metadata address of clouds.",
        _redirects("http://169.254.169.254/latest/meta-data/iam/security-credentials/"),
    ),
    _refused("redirect-to-file", "Redirects to a `file:` URL.", _redirects("file:///etc/passwd")),
    _refused("redirect-to-script", "Redirects to a `javascript:` URL.", _redirects("javascript:alert(1)")),
    _refused("redirect-with-login", "Redirects to a URL with a login.", _redirects("http://user:pw@127.0.0.1/x")),
    _refused("redirect-without-scheme", "Redirects to `//` and another host.", _redirects("//127.0.0.1:1/x")),
    _refused("redirect-to-no-url", "Redirects to something that is not a URL.", _redirects("http://[::1")),
    Behaviour(
        "redirect-in-a-loop",
        "Redirects between two of its own pages.",
        _redirects(lambda conversation: "/a" if conversation.target == "/b" else "/b"),
        ListingRefusedError,
        "more than 3 redirects",
        asked=4,
    ),
    Behaviour(
        "redirect-to-itself",
        "Redirects to the requested page itself.",
        _redirects(lambda conversation: conversation.target),
        ListingRefusedError,
        "more than 3 redirects",
        asked=4,
    ),
    Behaviour(
        "redirect-without-location",
        "Redirects without saying where.",
        lambda conversation: conversation.send(answer(b"", status="302 Found")),
        ListingRefusedError,
        "answered 302 Found",
    ),
    Behaviour(
        "redirect-within-its-origin",
        "Redirects to another of its own pages, which wants the key, with a body without end.",
        _moves_within,
        "synced",
        asked=2,
    ),
)

NAMES: Final = (
    Behaviour(
        "name-of-this-machine",
        "Has a name that resolves to a loopback address.",
        well_behaved,
        ListingUnreachableError,
        "is not sent: name-of-this-machine.example is 127.0.0.1, a loopback address",
        asked=0,
        base_url=NAMED,
        policy=PUBLIC,
        addresses=("127.0.0.1",),
    ),
    Behaviour(
        "name-of-metadata",
        "Has a name that resolves to the metadata address of clouds.",
        well_behaved,
        ListingUnreachableError,
        "is not sent: name-of-metadata.example is 169.254.169.254, a cloud's metadata address",
        asked=0,
        base_url=NAMED,
        policy=PUBLIC,
        addresses=("169.254.169.254",),
    ),
    Behaviour(
        "name-that-rebinds",
        "Has a name that resolves to a public address when it is checked, and to this machine a moment later.",
        well_behaved,
        ListingUnreachableError,
        "name-that-rebinds.example",
        asked=0,
        base_url=NAMED,
        policy={**PUBLIC, "deadline": 0.5},
        addresses=(ELSEWHERE, "127.0.0.1"),
    ),
    Behaviour(
        "plain-http-in-public",
        "Has a public address and a plain http URL.",
        well_behaved,
        ListingUnreachableError,
        f"is not sent: plain http to {ELSEWHERE} shows the key to everybody on the way",
        asked=0,
        base_url=NAMED,
        addresses=(ELSEWHERE,),
    ),
)

NEXT_PAGES: Final = (
    Behaviour(
        "next-url-elsewhere",
        "Names a next page on another port, in the body.",
        _goes_on_elsewhere(),
        RuleValidationError,
        "on another host, which is not followed",
        pagination={"type": "next_url", "token": "next"},
    ),
    Behaviour(
        "link-header-elsewhere",
        "Names a next page on another port, in the Link header.",
        _goes_on_elsewhere(link=True),
        RuleValidationError,
        "on another host, which is not followed",
        pagination={"type": "link_header"},
    ),
    Behaviour(
        "link-header-unexpected",
        "Names a next page on another port, in the Link header of a listing of one page.",
        _goes_on_elsewhere(link=True),
        RuleValidationError,
        "next in the answer says that there is more than the 1 read",
    ),
)
