"""The listing that OpenAI's clients and gateways read, and the exports."""

from collections.abc import Iterator
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from provider_pipeline import catalog, exports
from provider_pipeline.api.access import Reader, RequestContext
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.request_models import OfProvider, PastMoment, Slug, past_moment
from provider_pipeline.api.response_models import ExportForms
from provider_pipeline.api.routes.models import MAY_BE_UNCHANGED, IfNoneMatch, is_unchanged
from provider_pipeline.api.routing import costs, router
from provider_pipeline.exports.forms import FORMS, LISTING, Form, find_form
from provider_pipeline.exports.records import ExportRequest

_CHUNK = 256 * 1024
_FILE: dict[int | str, dict[str, Any]] = {
    **MAY_BE_UNCHANGED,
    200: {**MAY_BE_UNCHANGED[200], "content": {form.media_type: {} for form in FORMS.values()}},
}
_OPENCODES: Form = find_form("models-dev")

routes = router("listing", prefix="")


@routes.get("/v1/models", response_class=Response, responses=MAY_BE_UNCHANGED)
@routes.get(
    "/api/v1/models", operation_id="list_models_as_openrouter", response_class=Response, responses=MAY_BE_UNCHANGED
)
@costs(slow="computation", listing=True)
def list_models_as_openai(context: Reader, known_etags: IfNoneMatch = None) -> Response:
    """All models that are offered, as PROVIDER/MODEL, in the form of OpenAI with the further fields of OpenRouter."""
    return _export(context, LISTING, ExportRequest(), known_etags)


@routes.get("/providers/{slug}/v1/models", response_class=Response, responses=MAY_BE_UNCHANGED)
@costs(slow="computation", listing=True)
def list_models_of_provider_as_openai(context: Reader, slug: Slug, known_etags: IfNoneMatch = None) -> Response:
    """A provider's models, by their own ids."""
    return _export(context, LISTING, ExportRequest((slug,)), known_etags)


@routes.get("/exports", response_model=ExportForms)
@costs(listing=True)
def list_forms(context: Reader) -> Any:  # noqa: ARG001 - admits the caller
    """The forms that can be exported."""
    return {
        "forms": [
            {"name": form.name, "about": form.about, "file_name": form.file_name, "media_type": form.media_type}
            for form in FORMS.values()
        ]
    }


@routes.get("/exports/api.json", response_class=Response, responses=_FILE)
@costs(slow="computation", listing=True)
def export_for_opencode(context: Reader, known_etags: IfNoneMatch = None) -> Response:
    """The form of models.dev, where opencode asks for it: OPENCODE_MODELS_URL is the address of `/exports`."""
    return _export(context, _OPENCODES, ExportRequest(), known_etags)


@routes.get("/exports/{form}", response_class=Response, responses=_FILE)
@costs(slow="computation", listing=True)
def export_models(
    context: Reader,
    form: str,
    provider: OfProvider = None,
    as_of: Annotated[PastMoment | None, Query(description="The models as they were at this moment.")] = None,
    fill: Annotated[
        Literal["canonical"] | None,
        Query(description="Fill unknown limits, modalities and capabilities from the canonical model."),
    ] = None,
    known_etags: IfNoneMatch = None,
) -> Response:
    """The models in a form that another tool reads; `X-Models-Left-Out` counts those that lack what it requires."""
    if form not in FORMS:
        raise ProblemError(404, "no-such-form", f"no form {form!r}; there are {', '.join(FORMS)}")
    request = ExportRequest(() if provider is None else (provider,), past_moment(as_of), fill is not None)
    return _export(context, FORMS[form], request, known_etags)


def _export(context: RequestContext, form: Form, request: ExportRequest, known_etags: str | None) -> Response:
    provider = context.provider(request.slugs[0]) if request.slugs else None
    # Read before the models: if a sync comes between, they are newer than their ETag, and are sent once more. The day
    # is in it because a form may say what has ended; filled values change without a sync, and have none.
    etag = f'W/"{catalog.snapshots.state(context.session, provider)}-{datetime.now(UTC):%Y%m%d}"'
    headers = {"Cache-Control": "private, no-cache", **({} if request.fill else {"ETag": etag})}
    if not request.fill and is_unchanged(known_etags, etag):
        return Response(status_code=304, headers=headers)
    aside = TemporaryFile()  # noqa: SIM115 - closed when it is sent
    try:
        report = exports.files.export(context.service.database, form, request, aside)
    except BaseException:
        aside.close()
        raise
    headers |= {
        "Content-Length": str(report.size),
        "X-Models": str(report.models),
        "X-Models-Left-Out": str(len(report.left_out)),
    }
    if form is not LISTING:
        headers["Content-Disposition"] = f'inline; filename="{form.file_name}"'
    aside.seek(0)
    return StreamingResponse(_chunks(aside), headers=headers, media_type=form.media_type)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
