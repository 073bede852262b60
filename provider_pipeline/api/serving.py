"""The application behind a socket, until it is told to end.

Here: the HTTP server and its settings. Not here: the application (`app.py`).
"""

import uvicorn

from provider_pipeline import catalog
from provider_pipeline.api.app import create_app
from provider_pipeline.api.connections import bounded_protocol
from provider_pipeline.api.settings import ApiSettings


def serve(database: catalog.database.Database, settings: ApiSettings, *, host: str, port: int) -> None:
    """Serves the API in the foreground.

    Args:
        database: The catalogue.
        settings: What the operator decided.
        host: Address to listen on.
        port: Port to listen on; 0 for any.
    """
    uvicorn.run(
        create_app(database, settings),
        host=host,
        port=port,
        http=bounded_protocol(settings),
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=30,
    )
