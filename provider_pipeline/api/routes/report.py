"""`/`: the catalogue as a page for people, whose browsers send the token as the password of basic authentication."""

import base64
import binascii
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from provider_pipeline import report
from provider_pipeline.api.access import Reader
from provider_pipeline.api.problems import ProblemError
from provider_pipeline.api.routing import GuardedRoute, costs

_HEADERS: Final = {
    # The page's own policy allows no script but its own; this one is about the page as a whole.
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
_CHALLENGE: Final = 'Basic realm="provider_pipeline: any name, and a token as the password", charset="UTF-8"'


class BrowserRoute(GuardedRoute):
    """A guarded route for browsers. The other routes take no basic authentication, which other sites could use."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, which is given the token as any other."""
        handler = super().get_route_handler()

        async def asked(request: Request) -> Response:
            try:
                return await handler(_with_bearer(request))
            except ProblemError as error:
                if error.status == 401:
                    error.headers["WWW-Authenticate"] = _CHALLENGE
                raise

        return asked


def _with_bearer(request: Request) -> Request:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return request
    try:
        _, _, token = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return request
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"authorization"]
    return Request({**request.scope, "headers": [*headers, (b"authorization", b"Bearer " + token)]}, request.receive)


routes = APIRouter(route_class=BrowserRoute, include_in_schema=False)


@routes.get("/")
@costs(slow="computation")
def show_report(context: Reader) -> Response:
    """The newest report; rendered now if it is missing or has been outdated for a while."""
    folder = context.service.settings.report_folder or report.files.default_folder()
    path = report.files.current(context.service.database, folder)
    return FileResponse(path, media_type="text/html; charset=utf-8", headers=_HEADERS)
