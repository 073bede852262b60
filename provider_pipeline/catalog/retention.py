"""Which stored listings are kept, and for how long.

Here: forgetting the others. Not here: storing them (`raw_responses`). The concept: a provider's settings bound them by
number and by age; what something still refers to stays whatever they say.
"""

from sqlalchemy.orm import Session

from provider_pipeline.catalog.statements import statement


def prune_raw_responses(session: Session, *provider_ids: int) -> int:
    """Forget providers' listings beyond `raw_keep_count`, and those that last came longer than `raw_keep_for` ago.

    A rule's sample, a task's listing, a running trial's listings and the last accepted one stay, however old. A sync
    that stores new content calls this, so an age limit takes effect then; between two such syncs, `raw prune` does.

    The caller has locked the providers (`lock_provider`), as the syncs do that could begin to refer to one of them.

    Returns:
        How many were deleted.
    """
    if not provider_ids:
        return 0
    return int(session.scalars(statement("forget_raw_responses"), {"provider_ids": list(provider_ids)}).one())
