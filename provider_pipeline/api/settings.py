"""What an operator decides about the API.

Here: the settings and their defaults. Not here: what keeps to them (`service.py`, `limits.py`).
"""

from dataclasses import dataclass
from typing import Final

DAGSTER_URL_VARIABLE: Final = "PROVIDER_PIPELINE_DAGSTER_URL"


@dataclass(frozen=True)
class ApiSettings:
    """What an operator decides about the API.

    Attributes:
        needs_token: Whether a request needs a token.
        dagster_url: Where Dagster's webserver is, for syncs launched through it; None for nowhere.
        most_bytes: Largest body.
        requests_per_second: How often a token may ask in the long run.
        burst: How often at once.
    """

    needs_token: bool = True
    dagster_url: str | None = None
    most_bytes: int = 8 * 2**20
    requests_per_second: float = 50
    burst: int = 200
