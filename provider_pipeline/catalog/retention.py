"""Which stored listings are kept, and for how long.

Here: forgetting the others. Not here: storing them (`raw_responses`). The concept: a provider's settings bound them by
number and by age; what something still refers to stays whatever they say.
"""

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from provider_pipeline.catalog.tables import (
    agent_task,
    provider,
    provider_sync,
    raw_response,
    rule_trial,
    rule_trial_result,
    rule_version,
)


def prune_raw_responses(session: Session, provider_id: int) -> int:
    """Forget a provider's listings beyond `raw_keep_count`, and those that last came longer than `raw_keep_for` ago.

    A rule's sample, a task's listing, a running trial's listings and the last accepted one stay, however old. A sync
    that stores new content calls this, so an age limit takes effect then; between two such syncs, `raw prune` does.

    Returns:
        How many were deleted.
    """
    # The syncs that could begin to refer to one of them hold this lock too.
    limits = session.execute(
        select(provider.c.raw_keep_count, provider.c.raw_keep_for)
        .where(provider.c.id == provider_id)
        .with_for_update(key_share=True)
    ).one()
    newest = (
        select(raw_response.c.id)
        .where(raw_response.c.provider_id == provider_id)
        .order_by(raw_response.c.last_fetched_at.desc(), raw_response.c.id.desc())
        .limit(limits.raw_keep_count)
    )
    beyond = [raw_response.c.id.not_in(newest)]
    if limits.raw_keep_for is not None:
        beyond.append(raw_response.c.last_fetched_at < func.now() - limits.raw_keep_for)
    forgettable = select(raw_response.c.id).where(
        raw_response.c.provider_id == provider_id,
        or_(*beyond),
        ~select(rule_version.c.version).where(rule_version.c.sample_id == raw_response.c.id).exists(),
        ~select(agent_task.c.id).where(agent_task.c.raw_response_id == raw_response.c.id).exists(),
        ~select(provider_sync.c.provider_id).where(provider_sync.c.raw_response_id == raw_response.c.id).exists(),
        ~select(rule_trial_result.c.id)
        .join(rule_trial, rule_trial.c.id == rule_trial_result.c.trial_id)
        .where(rule_trial_result.c.raw_response_id == raw_response.c.id, rule_trial.c.status == "running")
        .exists(),
    )
    # One that is stored once more right now is not old; waiting for that could end in a deadlock besides.
    free = forgettable.with_for_update(skip_locked=True).cte("free")
    deleted = delete(raw_response).where(raw_response.c.id == free.c.id).returning(raw_response.c.id).cte("deleted")
    return session.scalars(select(func.count()).select_from(deleted)).one()
