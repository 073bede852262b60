"""How old a provider's last successful sync may be; its own module because Dagster's definitions import it."""

from datetime import timedelta
from typing import Final

MAX_AGE: Final = timedelta(hours=26)
"""A daily sync, and two hours of delay."""

FAILURES_TO_ERROR: Final = 3
"""Failed syncs in a row that make a provider's failure an error; fewer are a warning."""
