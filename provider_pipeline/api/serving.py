"""The application behind a socket, until it is told to end.

Here: the HTTP server and its settings. Not here: the application (`app.py`).
"""

import sys
from typing import Final

import uvicorn

from provider_pipeline import catalog
from provider_pipeline.api.app import create_app
from provider_pipeline.api.connections import bounded_protocol
from provider_pipeline.api.settings import ApiSettings
from provider_pipeline.sync.provider import seldom_collecting

_SWITCH_SECONDS: Final = 0.0005
"""How long one thread computes before another may. A request changes threads a dozen times: with Python's 5 ms, each
thread that works on a sample adds 60 ms to every request."""


def serve(database: catalog.database.Database, settings: ApiSettings, *, host: str, port: int) -> None:
    """Serves the API in the foreground.

    Args:
        database: The catalogue.
        settings: What the operator decided.
        host: Address to listen on.
        port: Port to listen on; 0 for any.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    with seldom_collecting():
        uvicorn.run(
            create_app(database, settings),
            host=host,
            port=port,
            http=bounded_protocol(settings),
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=30,
        )
