"""The API's settings. A separate module, so that the command line reads the defaults without loading FastAPI."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

DAGSTER_URL_VARIABLE: Final = "PROVIDER_PIPELINE_DAGSTER_URL"
MAX_SYNCS_AT_ONCE: Final = 20
"""Each sync holds a thread and a database connection, and other requests need some too."""


@dataclass(frozen=True)
class ApiSettings:
    """What the operator chose. Times are in seconds.

    Attributes:
        needs_token: Whether requests need a token.
        public_listing: Whether `/v1/models` and exports need none even so.
        report_folder: Where the report is; None for its folder of the home.
        dagster_url: Dagster's webserver, for syncs launched there; None if there is none.
        most_bytes: Largest body with a sample, a rule or a set of overrides.
        requests_per_second: Average rate per token, or per address without a known token.
        burst: Requests at once, after a pause.
        syncs_at_once: Concurrent syncs, here or launched in Dagster.
        computations_at_once: Concurrent long computations.
        head_seconds: Time a connection has to send a request's head.
        body_seconds: Time a request has to send its body.
        unread_seconds: Time a response may wait for a client that does not read it.
    """

    needs_token: bool = True
    public_listing: bool = False
    report_folder: Path | None = None
    dagster_url: str | None = None
    most_bytes: int = 8 * 2**20
    requests_per_second: float = 50
    burst: int = 200
    syncs_at_once: int = 8
    computations_at_once: int = 2
    head_seconds: float = 10
    body_seconds: float = 30
    unread_seconds: float = 60
