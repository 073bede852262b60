"""Every error as problem+json (RFC 9457), with the status of each kind. Details name no secrets and no internals."""

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
_CONTENT_TOO_LARGE: Final = "content-too-large"  # the phrase for 413 differs between Python versions
_RETRY_SECONDS: Final = 5

# The first match counts: subclasses stand before their bases.
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
        "type": {"type": "string", "description": "The kind of problem, for programs."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What went wrong this time."},
        "hint": {"type": "string", "description": "What to do about it."},
        "issues": {"type": "array", "items": {"type": "object"}, "description": "A verdict's issues."},
        "errors": {"type": "array", "items": {"type": "object"}, "description": "What is wrong with the request."},
        "holder": {"type": ["string", "null"], "description": "Which process is syncing the provider."},
        "since": {"type": ["string", "null"], "description": "Since when."},
        "until": {"type": ["string", "null"], "description": "When its lease ends if that process is gone."},
    },
}


class ProblemError(Exception):
    """The API refuses a request; `kind` names the problem, in kebab case."""

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
        """The response."""
        return problem(self.status, self.kind, self.detail, hint=self.hint, headers=self.headers)


def problem(
    status: int, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """A problem as a response; `members` are added to the document unless they are None."""
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
    """The problems that an endpoint may answer with, for OpenAPI."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Makes an application answer every error with a problem."""
    app.add_exception_handler(ProblemError, _api_problem)
    app.add_exception_handler(errors.ProviderPipelineError, _pipeline_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(PoolTimeoutError, _pool_exhausted)
    app.add_exception_handler(Exception, _defect)


def status_of(error: errors.ProviderPipelineError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, errors.ListingRefusedError) and error.transient:
        return 503
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def _api_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - for the type checker
    return error.response()


def _pipeline_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, errors.ProviderPipelineError)  # noqa: S101
    status = status_of(error)
    members: dict[str, Any] = {"hint": error.hint}
    if isinstance(error, errors.RuleValidationError):
        members["issues"] = error.issues
    if isinstance(error, errors.SyncInProgressError):
        members |= {"holder": error.holder, "since": error.since, "until": error.until}
    headers = {"Retry-After": str(_RETRY_SECONDS)} if status == 503 else {}
    return problem(status, _kind(error), error.message, headers=headers, **members)


def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    # Without the input, which may hold a secret.
    found = [{"at": list(each["loc"]), "message": each["msg"], "type": each["type"]} for each in error.errors()]
    where = ".".join(str(part) for part in found[0]["at"])
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return problem(422, "invalid-request", f"{where}: {found[0]['message']}{more}", errors=found)


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    phrase = HTTPStatus(error.status_code).phrase
    kind = _CONTENT_TOO_LARGE if error.status_code == 413 else phrase.lower().replace(" ", "-")
    return problem(error.status_code, kind, str(error.detail or phrase), headers=error.headers)


def _pool_exhausted(_request: Request, _error: Exception) -> Response:
    headers = {"Retry-After": str(_RETRY_SECONDS)}
    return problem(503, "busy", "every database connection of this process is in use", headers=headers)


def _defect(_request: Request, _error: Exception) -> Response:
    # Starlette raises the error again once this is sent, so the server logs the traceback.
    return problem(500, "defect", "the request failed because of a bug; the server's log has the details")


def _kind(error: errors.ProviderPipelineError) -> str:
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")
