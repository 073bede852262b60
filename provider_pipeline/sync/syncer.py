"""`ModelSyncer`: the Python API of one provider's sync.

Here: the documented result and the exceptions of `sync_provider_models`. Not here: the steps (`attempt.py`) and the
generation of rules (`regenerate.py`).
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sqlalchemy.orm import Session

from provider_pipeline.catalog import documented_errors
from provider_pipeline.errors import RuleValidationError
from provider_pipeline.listing import ListingClient
from provider_pipeline.sync.acceptance import accept_guards
from provider_pipeline.sync.attempt import attempt_sync
from provider_pipeline.sync.conclusions import Keep
from provider_pipeline.sync.outcome import SyncOutcome
from provider_pipeline.sync.tasks import open_task_for


class ModelSyncer:
    """Brings a provider's rows in line with its listing, or leaves them alone and says why.

    Args:
        session: A SQLAlchemy session on a migrated catalogue, without pending changes; each sync commits it.
        client: Fetches listings; by default one with the default limits and this process's environment.
    """

    def __init__(self, session: Session, *, client: ListingClient | None = None) -> None:
        self._session = session
        self._client = client or ListingClient()

    def sync_provider_models(
        self,
        provider_slug: str,
        created_by_id: int | None = None,
        dry_run: bool = False,
        *,
        accept: Iterable[str] = (),
        reason: str | None = None,
    ) -> dict[str, Any]:
        """Syncs one provider in one transaction.

        Args:
            provider_slug: The provider.
            created_by_id: Who asked, for the task that a blocked listing opens.
            dry_run: Do everything but keep it; the result holds the changes that would be made.
            accept: Guards that need not hold this listing, such as `shrink` or `prices`; recorded with who asked.
            reason: Why the listing is right; needed with `accept`.

        Returns:
            `success` (True), `provider`, `dry_run`, `models_synced`, `models_created`, `models_renamed`,
            `models_updated` (rows whose `meta_hash` changed), `models_unchanged`, `models_missing`, `models_removed`,
            `models_restored`, `models_rejected`, `rule_version`, `raw_response_id`, `issues` (warnings), `changes` (the
            first 50, as `model_id`, `kind`, `changed`: field to [old, new], `cause`), `seconds`.

        Raises:
            RuleValidationError: The rule does not fit the listing. Nothing was written; a RULE_GEN task is open
                (not after a dry run).
            ModelSyncerError: Unknown provider, no rule, network error or unreadable response. Nothing was written.
            ConfigurationError: The key's environment variable is not set, or `accept` names no guard or lacks a reason.
            DatabaseUnavailableError: The database does not answer, takes no writes (`DatabaseReadOnlyError`), has no
                space (`DatabaseFullError`) or no connection left. Nothing was written.
        """
        accepted = accept_guards(accept, reason, created_by_id=created_by_id)
        keep: Keep = "nothing" if dry_run else "all"
        with documented_errors(self._session):
            outcome = attempt_sync(self._session, provider_slug, client=self._client, keep=keep, accept=accepted)
            if outcome.status == "blocked" and not dry_run:
                open_task_for(self._session, outcome, created_by_id=created_by_id)
                self._session.commit()
        if outcome.status == "blocked":
            raise RuleValidationError(
                outcome.reason or provider_slug,
                outcome.issues,
                hint="nothing was written"
                + ("" if dry_run else f"; a RULE_GEN task is open: provider-pipeline rules generate {provider_slug}"),
            )
        if outcome.error is not None:
            raise outcome.error
        return _documented(outcome)


def _documented(outcome: SyncOutcome) -> dict[str, Any]:
    return {
        "success": True,
        "provider": outcome.slug,
        "dry_run": outcome.dry_run,
        "models_synced": outcome.models,
        "models_created": outcome.created,
        "models_renamed": outcome.renamed,
        "models_updated": outcome.updated,
        "models_unchanged": outcome.unchanged,
        "models_missing": outcome.missing,
        "models_removed": outcome.removed,
        "models_restored": outcome.restored,
        "models_rejected": outcome.rejected,
        "rule_version": outcome.rule_version,
        "raw_response_id": outcome.raw_response_id,
        "issues": [dict(issue) for issue in outcome.issues],
        "changes": [asdict(change) for change in outcome.changes],
        "seconds": outcome.seconds,
    }
