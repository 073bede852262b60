"""Defaults of `mining.py`, kept apart because the command line's help needs them alone."""

from typing import Final

MIN_SUPPORT: Final = 5
MIN_PRECISION: Final = 0.97
