"""How sure a pattern must be before it is proposed, unless a person asks for other limits.

Here: the numbers. Not here: how patterns are found and what the numbers count (`mining.py`).
"""

from typing import Final

MIN_SUPPORT: Final = 5
MIN_PRECISION: Final = 0.97
