"""The catalogue as one HTML page: `files` writes it, `contents` collects its data."""

from typing import TYPE_CHECKING

from provider_pipeline.lazy import lazy_submodules

if TYPE_CHECKING:
    from provider_pipeline.report import charts as charts, contents as contents, files as files, page as page
else:
    __getattr__ = lazy_submodules(__name__)
