"""The table in the forms that people's tools read, one module per form; `forms` lists them, `files` writes them."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.exports import (
        amounts as amounts,
        arrow as arrow,
        columns as columns,
        documents as documents,
        files as files,
        forms as forms,
        genai_prices as genai_prices,
        listing as listing,
        litellm as litellm,
        litellm_proxy as litellm_proxy,
        models_dev as models_dev,
        openrouter as openrouter,
        records as records,
        report as report,
        snapshot as snapshot,
        tables as tables,
        templates as templates,
    )
else:
    __getattr__ = lazy_submodules(__name__)
