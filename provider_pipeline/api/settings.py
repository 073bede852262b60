"""What an operator decides about the API.

Here: the settings and their defaults. Not here: what keeps to them (`access.py`, `routing.py`, `connections.py`).
"""

from dataclasses import dataclass
from typing import Final

DAGSTER_URL_VARIABLE: Final = "PROVIDER_PIPELINE_DAGSTER_URL"
MAX_SYNCS_AT_ONCE: Final = 20
"""Each has a thread and a connection to the database, of which there must be some for everything else."""


@dataclass(frozen=True)
class ApiSettings:
    """What an operator decides about the API.

    Attributes:
        needs_token: Whether a request needs a token.
        dagster_url: Where Dagster's webserver is, for syncs launched through it; None for nowhere.
        most_bytes: Largest body of a request that brings a sample or a rule.
        requests_per_second: How often a token may ask in the long run.
        burst: How often at once.
        syncs_at_once: How many requests may wait for a provider, or for Dagster, at once.
        computations_at_once: How many requests may compute for long at once.
        head_seconds: How long a connection may take to send the head of a request.
        body_seconds: How long a request's body may take to come.
        unread_seconds: How long an answer may wait for a client that does not read it.
    """

    needs_token: bool = True
    dagster_url: str | None = None
    most_bytes: int = 8 * 2**20
    requests_per_second: float = 50
    burst: int = 200
    syncs_at_once: int = 8
    computations_at_once: int = 2
    head_seconds: float = 10
    body_seconds: float = 30
    unread_seconds: float = 60
