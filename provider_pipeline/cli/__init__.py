"""The command line, `provider-pipeline`: arguments, tables, progress and exit codes (`console.EXIT_CODES`)."""

from provider_pipeline.cli.app import main

__all__ = ["main"]
