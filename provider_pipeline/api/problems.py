"""Every error as problem+json (RFC 9457): what went wrong, never how the code looks inside.

Here: which error has which status, and the document. Not here: the errors themselves (`provider_pipeline.errors`),
whose messages name no secrets.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from provider_pipeline import errors

MEDIA_TYPE: Final = "application/problem+json"
CONTENT_TOO_LARGE: Final = "content-too-large"  # which not every version of Python calls so
_TRY_AGAIN_SECONDS: Final = 5

# The first that fits counts, so the more special stand first.
_STATUSES: Final[tuple[tuple[type[errors.ProviderPipelineError], int], ...]] = (
    (errors.UnknownProviderError, 404),
    (errors.RuleMissingError, 404),
    (errors.SyncInProgressError, 409),
    (errors.ListingUnreachableError, 504),
    (errors.ListingRefusedError, 502),
    (errors.ListingUnreadableError, 502),
    (errors.ModelSyncerError, 409),
    (errors.RuleValidationError, 422),
    (errors.ConfigurationError, 422),
    (errors.DatabaseUnavailableError, 503),
    (errors.MigrationMissingError, 503),
    (errors.NoSuchEntryError, 404),
    (errors.CatalogError, 409),
)

SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Names the kind of problem; the same kind has the same name."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What went wrong this time."},
        "hint": {"type": "string", "description": "What can be done about it."},
        "issues": {"type": "array", "items": {"type": "object"}, "description": "A verdict's issues."},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "What is wrong with the request."},
        "holder": {"type": ["string", "null"], "description": "Which process is syncing the provider."},
        "since": {"type": ["string", "null"], "description": "Since when."},
        "until": {"type": ["string", "null"], "description": "Until when at the most, if that process is gone."},
    },
}


class ProblemError(Exception):
    """A request cannot be answered as asked, for a reason of the API's own.

    Args:
        status: The HTTP status.
        kind: The kind of problem, in kebab case.
        detail: What went wrong.
        hint: What can be done about it.
        headers: Headers of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.hint = hint
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer."""
        return problem(self.status, self.kind, self.detail, hint=self.hint, headers=self.headers)


def problem(
    status: int, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """An answer that says what went wrong.

    Args:
        status: The HTTP status.
        kind: The kind of problem, in kebab case.
        detail: What went wrong.
        headers: Further headers.
        members: Further members; None is left out.
    """
    document = {
        "type": f"urn:provider-pipeline:problem:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **{name: value for name, value in members.items() if value is not None},
    }
    content = orjson.dumps(document, default=str)
    return Response(content, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an endpoint may answer besides, for OpenAPI."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Answers every error of an application with a problem."""
    app.add_exception_handler(ProblemError, _of_problem)
    app.add_exception_handler(errors.ProviderPipelineError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(PoolTimeoutError, _of_pool)
    app.add_exception_handler(Exception, _of_defect)


def _of_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - for the type checker
    return error.response()


def _of_ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.ProviderPipelineError)  # noqa: S101
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
    members: dict[str, Any] = {"hint": error.hint}
    detail = error.message
    if isinstance(error, errors.RuleValidationError):
        members["issues"] = error.issues
    if isinstance(error, errors.SyncInProgressError):
        members |= {"holder": error.holder, "since": error.since, "until": error.until}
    refused_for_now = isinstance(error, errors.ListingRefusedError) and error.transient
    if refused_for_now:
        status = 503
    headers = {"Retry-After": str(_TRY_AGAIN_SECONDS)} if status == 503 else {}
    return problem(status, _kind(error), detail, headers=headers, **members)


def _of_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # Never what was sent: it may hold a secret.
    found = [{"at": list(each["loc"]), "message": each["msg"], "type": each["type"]} for each in error.errors()]
    where = ".".join(str(part) for part in found[0]["at"])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return problem(422, "invalid-request", f"{where}: {found[0]['message']}{more}", errors=found)


def _of_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    kind = CONTENT_TOO_LARGE if error.status_code == 413 else phrase.lower().replace(" ", "-")
    return problem(error.status_code, kind, str(error.detail or phrase), headers=error.headers)


def _of_pool(_request: Request, _error: Exception) -> Response:
    headers = {"Retry-After": str(_TRY_AGAIN_SECONDS)}
    return problem(503, "busy", "every connection to the database is in use", headers=headers)


def _of_defect(_request: Request, _error: Exception) -> Response:
    # The server logs the traceback: Starlette raises the error again once this is sent.
    return problem(500, "defect", "the request failed by a defect; the server's log has more")


def _kind(error: errors.ProviderPipelineError) -> str:
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
