"""A name of `library` as the command line still calls it."""

from provider_pipeline.presets.library import provider_file_text

__all__ = ["provider_file_text"]
