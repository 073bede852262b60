"""The forms that can be exported; each has its own module, loaded on first use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO, Final

from provider_pipeline.errors import ConfigurationError, UnknownValueError
from provider_pipeline.extras import require_extras

if TYPE_CHECKING:
    from provider_pipeline.exports.records import ExportedModels, ExportRequest
    from provider_pipeline.exports.report import ExportReport

_JSON: Final = "application/json"
_YAML: Final = "application/yaml"
_EXCEL: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class Form:
    """A form of export.

    Attributes:
        name: What people call it.
        file_name: What its tool calls the file.
        media_type: Its media type.
        module: The module that writes it, with the function `write` unless `function` names another.
        extras: The extras of this package that it needs.
        merges: Whether it can be merged into a file of the tool's own.
        about: What it is, for people.
    """

    name: str
    file_name: str
    media_type: str
    module: str
    about: str
    function: str = "write"
    extras: Sequence[str] = ()
    merges: bool = False

    def check(self, request: ExportRequest) -> None:
        """Refuses what cannot be written.

        Raises:
            ConfigurationError: A package is missing, or the form cannot be merged.
        """
        require_extras(*self.extras, purpose=f"the form {self.name}", alternative="export as csv or ndjson")
        if request.base is not None and not self.merges:
            raise ConfigurationError(f"the form {self.name} cannot be merged into a file", hint="leave out --merge")

    def write(self, snapshot: ExportedModels, out: BinaryIO, report: ExportReport) -> None:
        """Writes a snapshot's models."""
        module = import_module(f"provider_pipeline.exports.{self.module}")
        getattr(module, self.function)(snapshot, out, report)


_ALL: Final = (
    Form(
        "litellm",
        "model_prices_and_context_window.json",
        _JSON,
        "litellm",
        "LiteLLM's map of prices and limits",
        merges=True,
    ),
    Form("litellm-proxy", "config.yaml", _YAML, "litellm_proxy", "the model_list of a LiteLLM proxy"),
    Form("models-dev", "api.json", _JSON, "models_dev", "the api.json of models.dev, which opencode reads"),
    Form("openrouter", "models.json", _JSON, "openrouter", "the listing of OpenRouter"),
    Form("genai-prices", "data.json", _JSON, "genai_prices", "the data of genai-prices, with the history of prices"),
    Form("csv", "models.csv", "text/csv", "tables", "the table, for spreadsheets", function="write_csv"),
    Form(
        "ndjson",
        "models.ndjson",
        "application/x-ndjson",
        "tables",
        "the table, a JSON object per line",
        "write_ndjson",
    ),
    Form(
        "parquet",
        "models.parquet",
        "application/vnd.apache.parquet",
        "tables",
        "the table, typed, for pandas, DuckDB and warehouses",
        "write_parquet",
        ("frames",),
    ),
    Form("xlsx", "models.xlsx", _EXCEL, "tables", "the table, for Excel", "write_xlsx", ("frames",)),
    Form("librechat", "librechat.yaml", _YAML, "templates", "LibreChat's custom endpoints", "write_librechat"),
    Form("continue", "config.yaml", _YAML, "templates", "Continue's models", "write_continue"),
    Form("zed", "settings.json", _JSON, "templates", "Zed's OpenAI-compatible models", "write_zed"),
    Form("llm", "extra-openai-models.yaml", _YAML, "templates", "models of the command line tool llm", "write_llm"),
    Form("aichat", "config.yaml", _YAML, "templates", "aichat's clients", "write_aichat"),
)
LISTING: Final = Form("listing", "models.json", _JSON, "listing", "the API's own listing")
FORMS: Final[Mapping[str, Form]] = {form.name: form for form in _ALL}


def find_form(name: str) -> Form:
    """The form of that name.

    Raises:
        ConfigurationError: No form has that name.
    """
    try:
        return FORMS[name]
    except KeyError:
        raise UnknownValueError(f"no form {name!r}", hint=f"there are {', '.join(FORMS)}") from None
