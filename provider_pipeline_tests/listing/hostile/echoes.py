"""Behaviours that repeat our key, in every place and every encoding a server can use."""

import base64
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, quote_plus

from provider_pipeline.errors import ListingRefusedError, ListingUnreadableError
from provider_pipeline_tests.listing.hostile.behaviour import (
    KEY,
    KEY_VARIABLE,
    MODELS,
    QUERY,
    USER,
    Behaviour,
    encoded,
    item,
    sends,
    whole,
)
from provider_pipeline_tests.listing.hostile.server import Conversation, Script, answer

BASIC: Final = {"type": "basic", "username": {"value": USER}, "password": {"env": KEY_VARIABLE}}


def _named(display_name: str) -> dict[str, Any]:
    return whole(data=[item(MODELS[0], display_name=display_name), *whole()["data"][1:]])


def _spelt(spell: Callable[[str], str]) -> Script:
    """Sends the listing with the key as a model's name, encoded in the server's own way."""
    return sends(answer(encoded(_named("KEY")).replace(b'"KEY"', f'"{spell(KEY)}"'.encode())))


def _sent_back(conversation: Conversation) -> str:
    return conversation.header("Authorization").partition(" ")[2]


def _echoes_authorization(status: str) -> Script:
    def script(conversation: Conversation) -> None:
        text = f"you sent {_sent_back(conversation)}"
        body = encoded(_named(text) if status.startswith("200") else {"error": {"message": text}})
        conversation.send(answer(body, status=status))

    return script


def _next_page(conversation: Conversation) -> None:
    if "page=2" in conversation.target:
        conversation.send(answer(encoded({"data": whole()["data"][5:]})))
    else:
        page = {"data": whole()["data"][:5], "next": f"{conversation.target}&page=2&again={quote(KEY, safe='')}"}
        conversation.send(answer(encoded(page)))


REFUSED: Final = (
    Behaviour(
        "key-in-an-error",
        "Refuses the key and quotes it.",
        sends(answer(encoded({"error": {"message": f"{KEY} is not valid"}}), status="401 Unauthorized")),
        ListingRefusedError,
        "*** is not valid",
    ),
    Behaviour(
        "key-starred-out",
        "Refuses the key and quotes its ends.",
        sends(
            answer(encoded({"error": {"message": f"{KEY[:8]}****{KEY[-4:]} is not valid"}}), status="401 Unauthorized")
        ),
        ListingRefusedError,
        "*** is not valid",
    ),
    Behaviour(
        "key-in-an-error-object",
        "Answers 200 with an error that quotes the key.",
        sends(answer(encoded({"error": {"message": f"{KEY} is not valid"}}))),
        ListingRefusedError,
        "*** is not valid",
    ),
    Behaviour(
        "key-in-the-reason",
        "Refuses the key in the status line.",
        sends(answer(b"", status=f"403 {KEY}")),
        ListingRefusedError,
        "answered 403 ***",
    ),
    Behaviour(
        "key-in-the-content-type",
        "Refuses, with the key as the content type.",
        sends(answer(b"", status="400 Bad Request", kind=KEY)),
        ListingRefusedError,
        "answered 400",
    ),
    Behaviour(
        "key-in-an-encoding",
        "Names the key as the encoding of its body.",
        sends(answer(b"{}", f"Content-Encoding: {KEY}")),
        ListingUnreadableError,
        "answered in content encoding",
    ),
    Behaviour(
        "key-in-a-title",
        "Answers with a web page that has the key in its title.",
        sends(answer(f"<html><title>Welcome {KEY}</title></html>".encode(), kind="text/html")),
        ListingUnreadableError,
        "titled 'Welcome ***'",
    ),
    Behaviour(
        "key-in-broken-json",
        "Sends the key as a token of malformed JSON.",
        sends(answer(f"{{{KEY}".encode())),
        ListingUnreadableError,
        "malformed JSON",
    ),
    Behaviour(
        "key-in-a-redirect",
        "Redirects to another port with the key in the URL.",
        lambda conversation: conversation.send(
            answer(b"", f"Location: {conversation.elsewhere}/{quote(KEY, safe='')}?k={KEY}", status="302 Found")
        ),
        ListingRefusedError,
        "which is not followed",
        auth=QUERY,
    ),
    Behaviour(
        "login-in-an-error",
        "Refuses a login and quotes it as it was sent, in Base64.",
        _echoes_authorization("401 Unauthorized"),
        ListingRefusedError,
        "you sent ***",
        auth=BASIC,
    ),
)

ACCEPTED: Final = (
    Behaviour(
        "key-in-a-header",
        "Repeats the key in headers, the ETag among them.",
        sends(answer(encoded(whole()), f'ETag: "{KEY}"', f"X-Request-Id: {KEY}", f"Last-Modified: {KEY}")),
        "synced",
    ),
    Behaviour("key-in-a-name", "Uses the key as a model's name.", _spelt(lambda key: key), "synced"),
    Behaviour(
        "key-quoted",
        "Uses the key, percent-encoded, as a model's name.",
        _spelt(lambda key: quote(key, safe="")),
        "synced",
    ),
    Behaviour("key-quoted-plus", "Uses the key, form-encoded, as a model's name.", _spelt(quote_plus), "synced"),
    Behaviour(
        "key-with-escaped-slashes",
        "Uses the key as a model's name, with slashes escaped as in PHP's JSON.",
        _spelt(lambda key: key.replace("/", "\\/")),
        "synced",
    ),
    Behaviour(
        "key-in-unicode-escapes",
        "Uses the key as a model's name, each character escaped.",
        _spelt(lambda key: "".join(f"\\u{ord(char):04x}" for char in key)),
        "synced",
    ),
    Behaviour(
        "key-in-utf-16",
        "Uses the key as a model's name, in UTF-16.",
        sends(answer(encoded(_named(KEY)).decode().encode("utf-16"))),
        "synced",
    ),
    Behaviour(
        "key-in-a-member-name",
        "Uses the key as the name of a member.",
        sends(answer(encoded(whole(**{KEY: 1})))),
        "synced",
    ),
    Behaviour(
        "key-in-a-model-id",
        "Lists the key as a model.",
        sends(answer(encoded(whole(data=[*whole()["data"], item(KEY)])))),
        "synced",
    ),
    Behaviour(
        "key-in-base64",
        "Uses the key in Base64 as a model's name.",
        _spelt(lambda key: base64.b64encode(key.encode()).decode()),
        "synced",
    ),
    Behaviour(
        "login-in-a-name",
        "Uses the login as it was sent, in Base64, as a model's name.",
        _echoes_authorization("200 OK"),
        "synced",
        auth=BASIC,
    ),
    Behaviour(
        "key-in-the-next-url",
        "Repeats the query's key in the URL of the next page.",
        _next_page,
        "synced",
        asked=2,
        auth=QUERY,
        pagination={"type": "next_url", "token": "next"},
    ),
)
