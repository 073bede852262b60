"""The command line, `provider-pipeline`: arguments, tables, progress and exit codes (`console.EXIT_CODES`)."""

from provider_pipeline.gc_tuning import loading_modules


def main() -> None:
    """Run the command line; see `app.main`."""
    with loading_modules():
        from provider_pipeline.cli import app  # noqa: PLC0415 - it loads most of what a short command needs
    app.main()


__all__ = ["main"]
