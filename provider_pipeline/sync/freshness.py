"""How long a provider may go without a successful sync.

Here: the number. Not here: who looks at it: a provider's health report (`health.py`) and Dagster's freshness check.
"""

from datetime import timedelta
from typing import Final

MAX_AGE: Final = timedelta(hours=26)
"""How old a last success may be: that of a daily sync, and two hours of delay."""
