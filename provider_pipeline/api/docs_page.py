"""`/docs`: the API for people, drawn by Swagger UI from files of this package.

Nothing on the page comes from elsewhere, and nothing on it may ask elsewhere: people paste tokens into it, and it works
without the internet.
"""

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles

_FILES: Final = Path(__file__).with_name("docs_files")
_HEADERS: Final = {
    # Swagger UI's icons are data: URLs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def install(app: FastAPI) -> None:
    """Adds the page and its files to an application."""
    page = (_FILES / "index.html").read_bytes()

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(page, headers=_HEADERS, media_type="text/html")

    app.mount("/docs", StaticFiles(directory=_FILES))
