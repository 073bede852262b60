"""The command line, `provider-pipeline`.

Here: arguments, tables, progress, exit codes (0 all synced, 1 something blocked or failed, 2 usage). Not here: what the
commands do; each is a call into `sync`, `catalog` or a child process.
"""

from provider_pipeline.cli.app import main

__all__ = ["main"]
