"""Behaviours of a whole body: web pages, broken JSON, odd JSON, and JSON that is not a listing."""

from typing import Any, Final

from provider_pipeline.errors import (
    ListingRefusedError,
    ListingUnreadableError,
    RuleValidationError,
)
from provider_pipeline_tests.listing.hostile.behaviour import (
    GOOD,
    MODELS,
    Behaviour,
    Outcome,
    item,
    items,
    says,
    sends,
    whole,
)
from provider_pipeline_tests.listing.hostile.server import answer


def _body(
    name: str, does: str, body: bytes, outcome: Outcome, words: str = "", *, kind: str = "application/json", **more: Any
) -> Behaviour:
    return Behaviour(name, does, sends(answer(body, kind=kind)), outcome, words, **more)


def _with(text: str) -> bytes:
    """The listing with one more field in its first model, written as given."""
    return GOOD.replace(b'{"id": "gpt-4.1-0",', b'{"id": "gpt-4.1-0", ' + text.encode() + b",", 1)


NOT_JSON: Final = (
    _body("empty-body", "Answers 200 with nothing.", b"", ListingUnreadableError, "an empty body"),
    _body("blank-body", "Answers 200 with white space.", b" \r\n\t", ListingUnreadableError, "an empty body"),
    _body(
        "html",
        "Answers 200 with a web page.",
        b"<!DOCTYPE html><html><body>Welcome</body></html>",
        ListingUnreadableError,
        "a web page instead of JSON",
        kind="text/html",
    ),
    _body(
        "login-page",
        "Answers 200 with the login page of a proxy, called JSON.",
        b"\n<html><head><title>Log in to\n Corporate Proxy</title></head></html>",
        ListingUnreadableError,
        "a login page titled 'Log in to Corporate Proxy'",
    ),
    _body("plain-text", "Answers 200 with a word.", b"ok", ListingUnreadableError, "malformed JSON", kind="text/plain"),
    _body(
        "truncated-json",
        "Sends half of the listing as if it were whole.",
        GOOD[: len(GOOD) // 2],
        ListingUnreadableError,
        "JSON that ends too early",
    ),
    _body(
        "two-documents",
        "Sends two documents, one after the other.",
        GOOD + b"\n" + GOOD,
        ListingUnreadableError,
        "malformed JSON: Extra data",
    ),
    _body(
        "python-quotes",
        "Sends JSON in single quotes.",
        b"{'data': []}",
        ListingUnreadableError,
        "malformed JSON",
    ),
    _body(
        "not-utf-8", "Sends bytes that are not text.", GOOD[:-1] + b'"\xff\xfe"}', ListingUnreadableError, "not utf-8"
    ),
    _body("nul-byte", "Sends a NUL byte in a text.", _with('"x": "a\0b"'), ListingUnreadableError, "malformed JSON"),
)

ODD_JSON: Final = (
    _body("byte-order-mark", "Begins with a byte-order mark.", b"\xef\xbb\xbf" + GOOD, "synced"),
    _body("utf-16", "Sends UTF-16.", GOOD.decode().encode("utf-16"), "synced"),
    _body("wrong-content-type", "Sends JSON with the content type of an image.", GOOD, "synced", kind="image/png"),
    _body(
        "no-content-type",
        "Sends no content type.",
        GOOD,
        "synced",
        kind="",
    ),
    _body("nan", "Sends the token NaN.", _with('"x": NaN'), ListingUnreadableError, "the token NaN"),
    _body(
        "infinity",
        "Sends the token -Infinity.",
        _with('"x": -Infinity'),
        ListingUnreadableError,
        "the token -Infinity",
    ),
    _body(
        "infinite-number",
        "Sends a number beyond a double's range.",
        _with('"x": 1e999'),
        ListingUnreadableError,
        "the number 1e999, which is out of range",
    ),
    _body(
        "huge-integer",
        "Sends an integer of 10,000 digits.",
        _with(f'"x": {"9" * 10_000}'),
        ListingUnreadableError,
        "number",
    ),
    _body(
        "deep-nesting",
        "Nests lists 30,000 levels deep.",
        b"[" * 30_000 + b"]" * 30_000,
        ListingUnreadableError,
        "nested",
    ),
    _body(
        "deep-nesting-in-a-model",
        "Nests objects 200 levels deep in one model.",
        _with('"x": ' + '{"a":' * 200 + "1" + "}" * 200),
        ListingUnreadableError,
        "nested",
    ),
    _body(
        "duplicate-keys",
        "Sends a model with two ids.",
        _with('"id": "gpt-4.1-other"'),
        ListingUnreadableError,
        "the key 'id' more than once in one object",
    ),
    _body(
        "lone-surrogate",
        "Sends a lone surrogate in the name of one model of ten.",
        _with('"display_name": "half \\ud800"'),
        "synced",
    ),
    _body(
        "lone-surrogate-in-an-id",
        "Sends a lone surrogate in the id of one model of ten.",
        GOOD.replace(b"gpt-4.1-0", b"gpt-4.1-\\ud800"),
        RuleValidationError,
        "cannot be stored",
    ),
    _body(
        "lone-surrogate-in-an-unread-field",
        "Sends a lone surrogate in a field that no rule reads.",
        _with('"description": "half \\ud800"'),
        "synced",
    ),
    _body(
        "nul-in-an-id",
        "Sends an escaped NUL in the id of one model of ten.",
        GOOD.replace(b"gpt-4.1-0", b"gpt-4.1-\\u0000"),
        RuleValidationError,
        "cannot be stored",
    ),
    _body(
        "nul-in-a-name",
        "Sends an escaped NUL in the name of one model of ten.",
        _with('"display_name": "a\\u0000b"'),
        "synced",
    ),
    _body(
        "nul-in-an-unread-field",
        "Sends an escaped NUL in a field that no rule reads.",
        _with('"description": "a\\u0000b"'),
        "synced",
    ),
)


NO_LISTING: Final = (
    Behaviour(
        "error-object",
        "Answers 200 with an error.",
        says({"error": {"message": "The model service is overloaded", "code": 503}}),
        ListingRefusedError,
        "The model service is overloaded",
    ),
    Behaviour(
        "error-list",
        "Answers 200 with a list of errors beside an empty listing.",
        says({"data": [], "errors": [{"message": "tenant is suspended"}]}),
        ListingRefusedError,
        "tenant is suspended",
    ),
    Behaviour(
        "success-is-false",
        "Answers 200 with `success: false`.",
        says({"success": False, "message": "quota exceeded"}),
        ListingRefusedError,
        "quota exceeded",
    ),
    Behaviour(
        "empty-list", "Lists no model.", says(whole(data=[], total=0)), RuleValidationError, "the listing is empty"
    ),
    Behaviour("null", "Answers 200 with null.", says(None), RuleValidationError, "finds no list"),
    Behaviour("empty-object", "Answers 200 with an empty object.", says({}), RuleValidationError, "finds no list"),
    Behaviour("number", "Answers 200 with a number.", says(7), RuleValidationError, "finds no list"),
    Behaviour(
        "another-shape",
        "Lists the same models in another shape.",
        says({"result": {"models": [{"model": model_id} for model_id in MODELS]}}),
        RuleValidationError,
        "finds no list",
    ),
    Behaviour(
        "ids-are-null",
        "Lists models whose ids are null.",
        says(whole(data=items(*[None] * 10))),
        RuleValidationError,
        "0 models out of 10 items",
    ),
    Behaviour(
        "ids-are-numbers",
        "Lists models whose ids are numbers.",
        says(whole(data=items(*range(10)))),
        RuleValidationError,
        "0 models out of 10 items",
    ),
    Behaviour(
        "ids-are-objects",
        "Lists models whose ids are objects.",
        says(whole(data=items(*({"name": model_id} for model_id in MODELS)))),
        RuleValidationError,
        "0 models out of 10 items",
    ),
    Behaviour(
        "ids-are-endless",
        "Lists models whose ids are 100,000 characters long.",
        says(whole(data=items(*(f"gpt-{number}" + "x" * 50_000 for number in range(10))))),
        RuleValidationError,
        "0 models out of 10 items",
    ),
    Behaviour(
        "all-ids-the-same",
        "Lists one model ten times.",
        says(whole(data=items(*["gpt-4.1-0"] * 10))),
        RuleValidationError,
        "9 items repeat an id",
    ),
    Behaviour(
        "all-other-models",
        "Lists none of the models that it listed before.",
        says(whole(data=items(*(f"llama-{number}" for number in range(10))))),
        RuleValidationError,
        "0 of the 10 models of the last accepted listing are still listed, 10 are new",
    ),
    Behaviour(
        "hundreds-of-new-models",
        "Lists hundreds of new models, and all that it listed before.",
        says(whole(data=items(*MODELS, *(f"llama-{number}" for number in range(400))))),
        RuleValidationError,
        "the listing has 410 models, the last accepted listing had 10",
    ),
    Behaviour(
        "half-of-the-models",
        "Lists fewer than half of the models it listed before, as if they were all.",
        says(whole(data=items(*MODELS[:4]))),
        RuleValidationError,
        "the listing has 4 models, the last accepted listing had 10",
    ),
    Behaviour(
        "prose-in-numbers",
        "Sends prose for every context length.",
        says(whole(data=[item(model_id, context_length="as you like") for model_id in MODELS])),
        RuleValidationError,
        "10 of 10 values of context_length were set aside",
    ),
)
