"""The data files of this package: field aliases, units, capability signals, families, pagination, provider kinds.

Here: reading them. Not here: any of that knowledge; it is in `data/*.toml`, each file explained at its top.
"""

import functools
import tomllib
from importlib import resources
from typing import Any


@functools.cache
def read_table(name: str) -> dict[str, Any]:
    """One data file of the package, parsed. Callers must not change what they get."""
    text = resources.files("provider_pipeline.rules").joinpath("data", name).read_text(encoding="utf-8")
    return tomllib.loads(text)
