"""What a sync's outcome says in Dagster's checks."""

from datetime import UTC, datetime

from provider_pipeline.defs.checks import evaluations
from provider_pipeline.errors import ListingRefusedError, ListingUnreachableError, MissingCredentialError
from provider_pipeline.sync.outcome import SyncOutcome

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def findings(outcome: SyncOutcome) -> dict[str, object]:
    """The metadata of the check that the listing was fetched."""
    evaluation = next(iter(evaluations(outcome, NOW)))
    assert evaluation.check_name == "listing_was_fetched"
    assert evaluation.passed is (outcome.error is None)
    return {name: value.value for name, value in evaluation.metadata.items()}


def test_a_fetched_listing_says_what_it_took():
    found = findings(SyncOutcome("acme", "synced", page_count=3, byte_count=1200, seconds=0.25))
    assert {"stage": "complete", "pages": 3, "bytes": 1200, "seconds": 0.25}.items() <= found.items()
    assert "http_status" not in found


def test_one_that_was_not_says_at_which_stage_it_failed():
    def failed(error: Exception) -> SyncOutcome:
        return SyncOutcome("acme", "failed", reason=str(error), error=error)

    refused = findings(failed(ListingRefusedError("no", status=401, stage="authorised")))
    assert (refused["stage"], refused["http_status"]) == ("authorised", 401)
    assert findings(failed(ListingUnreachableError("no", stage="name")))["stage"] == "name"
    assert findings(failed(MissingCredentialError("no")))["stage"] == "key"
    assert findings(failed(ZeroDivisionError("a defect")))["stage"] == "crash"
