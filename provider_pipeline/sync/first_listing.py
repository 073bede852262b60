"""The first listing of a provider whose rule was written before any came.

Here: when to look for a better rule than one from a documented sample. Not here: writing it, and whether it is better
(`repair.py`). The concept: a shape that was read in a documentation is a good start, and the provider's own answer is a
better sample.
"""

from typing import Final

from sqlalchemy.orm import Session

from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.repair import Repair, improve_rule

SAMPLE_ORIGIN: Final = "sample"
"""What made a rule that was written before anything was fetched."""


def improve_on_sample(session: Session, outcome: SyncOutcome, *, origin: str) -> Repair | None:
    """Looks for a better rule than the one from a sample, once, and commits; None where there is nothing to look for.

    Args:
        session: A session without pending changes.
        outcome: The provider's first sync that succeeded, committed.
        origin: What made the rule that it used.
    """
    return improve_rule(session, outcome.slug) if origin == SAMPLE_ORIGIN else None
