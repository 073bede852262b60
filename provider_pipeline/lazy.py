"""Lets a package hand out its modules without loading them all.

Dagster loads every definition, and the command line every command, to describe them; the database and HTTP libraries
are loaded only when one of them runs.
"""

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

from provider_pipeline.gc_tuning import loading_modules


def lazy_submodules(package: str) -> Callable[[str], ModuleType]:
    """A package's `__getattr__` (PEP 562), which imports a module of it when the module is first named.

    The package also states the imports under `TYPE_CHECKING`, for type checkers, editors and import-linter.

    Example:
        >>> from provider_pipeline import catalog
        >>> catalog.tasks.get(session, 7)
    """

    def load(name: str) -> ModuleType:
        try:
            with loading_modules():
                return import_module(f"{package}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.{name}":
                raise
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None

    return load
