"""The command line, `provider-pipeline`: arguments, tables, progress and exit codes (0, 1 trouble, 2 usage)."""

from provider_pipeline.cli.app import main

__all__ = ["main"]
