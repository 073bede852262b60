"""Packages whose public names load the module they come from when they are first used.

Here: the `__getattr__` of such a package. Not here: its names; each package states their imports where type checkers,
editors and the check of the layers read them, under `TYPE_CHECKING`. The concept: Dagster loads every definition, and
the command line every command, to describe them; the database and HTTP libraries are needed by the one that then runs.
"""

import ast
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def submodules_on_use(package: str) -> Callable[[str], ModuleType]:
    """The `__getattr__` of a package (PEP 562) whose modules are imported when they are first named.

    Example:
        >>> from provider_pipeline import catalog
        >>> catalog.tasks.get_task(session, 7)
    """

    def load(name: str) -> ModuleType:
        try:
            return import_module(f"{package}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{package}.{name}":
                raise
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None

    return load


def loaded_on_use(package: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562), which imports a name from where the package says that it is.

    A name cannot be that of one of the package's own modules: Python sets those as attributes when they are loaded.

    Example:
        >>> if TYPE_CHECKING:
        ...     from package.module import Name
        ... else:
        ...     __getattr__ = loaded_on_use(__name__)
    """

    @functools.cache
    def origins() -> Mapping[str, str]:
        statements = ast.walk(ast.parse(inspect.getsource(sys.modules[package])))
        return {
            alias.name: str(statement.module)
            for statement in statements
            if isinstance(statement, ast.ImportFrom)
            for alias in statement.names
        }

    def load(name: str) -> Any:
        if name not in sys.modules[package].__all__:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(origins()[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return load
