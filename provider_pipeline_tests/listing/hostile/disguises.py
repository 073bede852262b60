"""Behaviours that disguise a secret from a simple search, or show other people's."""

import html
from typing import Any, Final
from urllib.parse import quote

from provider_pipeline.errors import ListingRefusedError, ListingUnreadableError
from provider_pipeline_tests.listing.hostile.behaviour import (
    KEY,
    MODELS,
    QUERY,
    Behaviour,
    encoded,
    item,
    sends,
    well_behaved,
    whole,
)
from provider_pipeline_tests.listing.hostile.server import Conversation, answer

TWICE: Final = quote(quote(KEY, safe=""), safe="")
THRICE: Final = quote(TWICE, safe="")
CUT: Final = KEY[:20]
ESCAPED: Final = "".join(f"\\u{ord(char):04x}" for char in KEY)
OTHERS: Final = (
    "sk-proj-Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN",
    "ghp_R7tY9zB4cD6fG1hJ0kNVq3nX8mK2pL5wA1b2",
    "hunter2 is my password",
    "d41c8f2b9a7e6035",
)
"""Keys that are not ours."""


def _named(display_name: str) -> dict[str, Any]:
    return whole(data=[item(MODELS[0], display_name=display_name), *whole()["data"][1:]])


def _login_wall(conversation: Conversation) -> None:
    asked = quote(quote(conversation.target, safe=""), safe="")
    location = f"Location: {conversation.elsewhere}/login?next={asked}#token={KEY}"
    conversation.send(answer(b"", location, status="302 Found"))


def _moves(conversation: Conversation) -> None:
    if conversation.target.startswith("/v1/"):
        conversation.send(answer(b"", f"Location: /v2/models?was={THRICE}", status="307 Temporary Redirect"))
    else:
        well_behaved(conversation)


def _next_page_fails(conversation: Conversation) -> None:
    if "page=2" in conversation.target:
        conversation.send(answer(b"", status="404 Not Found"))
    else:
        page = {"data": whole()["data"][:5], "next": f"/v1/models?page=2&was={TWICE}"}
        conversation.send(answer(encoded(page)))


def _agent_listing() -> dict[str, Any]:
    openai, github, password, plain = OTHERS
    return whole(
        providers=[
            {"name": "openai", "apiKey": openai, "apiKeyRequired": True},
            {"name": "github", "note": f"asked with {github}"},
            {"name": "own", "basic": {"username": "me", "password": password}, "client_secret": [plain]},
        ]
    )


DISGUISES: Final = (
    Behaviour(
        "login-wall",
        "Redirects to a login, with the requested URL, key included, percent-encoded twice more.",
        _login_wall,
        ListingRefusedError,
        "/login, which is not followed",
        auth=QUERY,
    ),
    Behaviour(
        "moved-with-the-key",
        "Redirects within its origin to a URL with the key percent-encoded three times.",
        _moves,
        "synced",
        asked=2,
        auth=QUERY,
    ),
    Behaviour(
        "next-url-with-the-key",
        "Names a next page whose URL has the key percent-encoded twice, and answers 404 there.",
        _next_page_fails,
        ListingRefusedError,
        "/v1/models answered 404",
        asked=2,
        pagination={"type": "next_url", "token": "next"},
        auth=QUERY,
    ),
    Behaviour(
        "login-page-with-the-key",
        "Answers with a login page whose title has the requested URL, percent-encoded twice more.",
        sends(answer(f"<title>Sign in to https://models.example/v1?k={TWICE} now</title>".encode(), kind="text/html")),
        ListingUnreadableError,
        "titled 'Sign in to https://models.example/v1 now'",
    ),
    Behaviour(
        "key-cut-short",
        "Refuses the key and quotes most of it.",
        sends(
            answer(
                encoded({"error": {"message": f"Incorrect API key provided: {CUT}. Find yours at home."}}),
                status="401 Unauthorized",
            )
        ),
        ListingRefusedError,
        "Incorrect API key provided: ***",
    ),
    Behaviour(
        "key-as-html",
        "Refuses the key and quotes it escaped as in HTML, in JSON.",
        sends(
            answer(
                encoded({"error": {"message": f"{html.escape(KEY).replace('/', '&#x2F;')} is not valid"}}),
                status="401 Unauthorized",
            )
        ),
        ListingRefusedError,
        "*** is not valid",
    ),
    Behaviour(
        "key-in-capitals",
        "Uses the key in capitals as a model's name.",
        sends(answer(encoded(_named(KEY.upper())))),
        "synced",
    ),
    Behaviour(
        "key-quoted-thrice",
        "Uses the key, percent-encoded three times, as a model's name.",
        sends(answer(encoded(_named(THRICE)))),
        "synced",
    ),
    Behaviour(
        "key-in-json-in-json",
        "Sends the key in a JSON text inside another JSON text.",
        sends(answer(encoded(whole(config=encoded({"again": encoded({"key": KEY}).decode()}).decode())))),
        "synced",
    ),
    Behaviour(
        "key-in-letters-escaped-twice",
        "Sends the key in a JSON text inside another JSON text, each character escaped.",
        sends(answer(encoded(whole(config=f'{{"key": "{ESCAPED}"}}')))),
        "synced",
    ),
    Behaviour(
        "key-in-html-in-a-url",
        "Uses the key as a model's name, each character escaped as in HTML, then percent-encoded.",
        sends(answer(encoded(_named("".join(f"%26%23x{ord(char):x}%3B" for char in KEY))))),
        "synced",
    ),
    Behaviour(
        "most-of-the-key",
        "Uses most of the key as a model's name.",
        sends(answer(encoded(_named(f"{CUT}…")))),
        "synced",
    ),
    Behaviour(
        "keys-of-others",
        "Lists the keys and passwords of other providers beside its models.",
        sends(answer(encoded(_agent_listing()))),
        "synced",
    ),
    Behaviour(
        "key-of-others-in-an-error",
        "Answers with an error that quotes somebody else's key.",
        sends(answer(encoded({"error": {"message": f"{OTHERS[0]} is over its limit"}}), status="402 Payment Required")),
        ListingRefusedError,
        "*** is over its limit",
    ),
    Behaviour(
        "letters-hidden-in-escapes",
        "Writes hundreds of thousands of letters as escapes.",
        sends(answer(encoded(whole(blob="%41x" * 300_000)))),
        ListingUnreadableError,
        "letters hidden in escapes",
    ),
)
