"""A bar on a terminal that shows how many providers are synced."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from provider_pipeline.sync.outcome import SyncOutcome


def with_progress(outcomes: Iterable[SyncOutcome], total: int, console: Console) -> Iterator[SyncOutcome]:
    """Passes outcomes on; the bar is erased after the last."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("syncing", total=total)
        for outcome in outcomes:
            progress.update(task, advance=1, description=f"syncing, last: {outcome.slug}")
            yield outcome
