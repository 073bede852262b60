"""Reads the knowledge in `data/*.toml`: field aliases, units, families and the like. Each file explains itself."""

import functools
import tomllib
from importlib import resources
from typing import Any


@functools.cache
def read_table(name: str) -> dict[str, Any]:
    """A parsed data file. It is cached: callers must not change it."""
    text = resources.files("provider_pipeline.rules").joinpath("data", name).read_text(encoding="utf-8")
    return tomllib.loads(text)
