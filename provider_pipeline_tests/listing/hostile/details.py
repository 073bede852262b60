"""Behaviours of the details of models, where a listing has only ids."""

from typing import Any, Final
from urllib.parse import quote

from provider_pipeline.errors import ListingRefusedError, ListingUnreachableError, ListingUnreadableError
from provider_pipeline_tests.listing.hostile.behaviour import (
    HASTY,
    MODELS,
    Behaviour,
    encoded,
    item,
    says,
    sends,
    well_behaved,
    whole,
)
from provider_pipeline_tests.listing.hostile.server import Conversation, Script, answer

DETAIL: Final = {"path": "/v1/models/{id}", "concurrency": 4}
UNLUCKY: Final = MODELS[6]


def _for_one_model(script: Script) -> Script:
    return lambda conversation: (script if conversation.target.endswith(UNLUCKY) else well_behaved)(conversation)


def _lists_a_path(conversation: Conversation) -> None:
    climbing = "../../admin?key="
    if conversation.target == "/v1/models":
        conversation.send(answer(encoded(whole(data=[*whole()["data"], item(climbing)]))))
    elif conversation.target in {f"/v1/models/{quote(model_id, safe='')}" for model_id in (*MODELS, climbing)}:
        conversation.send(answer(encoded(item("asked as it should be"))))
    else:
        conversation.send(answer(b"", status="400 Bad Request"))


def _behaviour(name: str, does: str, script: Script, *rest: Any, **more: Any) -> Behaviour:
    return Behaviour(name, does, _for_one_model(script), *rest, **{"detail": DETAIL, "asked": None, **more})


DETAILS: Final = (
    _behaviour(
        "detail-fails",
        "Answers `500` when asked about one of its models.",
        says({"error": "oops"}, status="500 Internal Server Error"),
        ListingRefusedError,
        f"the detail of '{UNLUCKY}'",
    ),
    _behaviour(
        "detail-not-found",
        "Does not know one of the models that it lists.",
        says({"error": "no such model"}, status="404 Not Found"),
        "synced",
        asked=11,
    ),
    _behaviour(
        "detail-html",
        "Answers with a login page when asked about one of its models.",
        sends(answer(b"<html><title>Sign in</title></html>", kind="text/html")),
        ListingUnreadableError,
        "a login page titled 'Sign in'",
    ),
    _behaviour(
        "detail-error-object",
        "Answers 200 and an error when asked about one of its models.",
        says({"error": {"message": "overloaded"}}),
        ListingRefusedError,
        "an error instead of a detail: 'overloaded'",
    ),
    _behaviour(
        "detail-elsewhere",
        "Redirects to another port when asked about one of its models.",
        lambda conversation: conversation.send(
            answer(b"", f"Location: {conversation.elsewhere}/v1/models/x", status="302 Found")
        ),
        ListingRefusedError,
        "which is not followed",
    ),
    _behaviour(
        "detail-silent",
        "Never answers when asked about one of its models.",
        lambda conversation: conversation.stay_silent(),
        ListingUnreachableError,
        "took too long",
        policy=HASTY,
    ),
    _behaviour(
        "detail-endless",
        "Sends a body without end when asked about one of its models.",
        lambda conversation: conversation.flood(b"HTTP/1.1 200 OK\r\n\r\n[", b" " * 4096),
        ListingUnreadableError,
        "bytes this page may have",
    ),
    Behaviour(
        "detail-of-a-path",
        "Lists a model whose id would lead to another place on the server.",
        _lists_a_path,
        "synced",
        asked=12,
        rows=(*MODELS, "../../admin?key="),
        detail=DETAIL,
    ),
)
