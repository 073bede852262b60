"""The check evaluations that follow from a sync's outcome."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from provider_pipeline.defs.checks import CHECK_SPECS, evaluations, unreached
from provider_pipeline.errors import ListingRefusedError, ListingUnreachableError, MissingCredentialError
from provider_pipeline.sync.outcome import SyncOutcome

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def findings(outcome: SyncOutcome) -> dict[str, object]:
    """The metadata of `listing_was_fetched`."""
    evaluation = next(iter(evaluations(outcome, NOW)))
    assert evaluation.check_name == "listing_was_fetched"
    assert evaluation.passed is (outcome.error is None)
    return {name: value.value for name, value in evaluation.metadata.items()}


def test_a_fetched_listing_reports_its_size_and_time():
    found = findings(SyncOutcome("acme", "synced", page_count=3, byte_count=1200, seconds=0.25))
    assert {"stage": "complete", "pages": "3", "bytes": "1200", "seconds": "0.250"}.items() <= found.items()
    assert "http_status" not in found


def test_a_failed_fetch_reports_the_stage_that_failed():
    def failed(error: Exception) -> SyncOutcome:
        return SyncOutcome("acme", "failed", reason=str(error), error=error)

    refused = findings(failed(ListingRefusedError("no", status=401, stage="authorised")))
    assert (refused["stage"], refused["http_status"]) == ("authorised", "401")
    assert findings(failed(ListingUnreachableError("no", stage="name")))["stage"] == "name"
    assert findings(failed(MissingCredentialError("no")))["stage"] == "key"
    assert findings(failed(ZeroDivisionError("a defect")))["stage"] == "crash"


def test_a_failed_fetch_says_what_to_do():
    error = MissingCredentialError("acme: no key", hint="set ACME_API_KEY")
    recovery = findings(SyncOutcome("acme", "failed", reason=str(error), error=error))["recovery"]
    assert recovery == "set ACME_API_KEY; the last good rows stay, and the next run tries again"


OUTCOMES = [
    SyncOutcome(
        "acme",
        "synced",
        models=3,
        capability_coverage=0.5,
        caught_up=("a",),
        retiring=("a on 2026-12-01",),
        last_success_at=NOW,
    ),
    SyncOutcome(
        "acme", "blocked", page_count=1, issues=({"type": "x", "severity": "error", "message": "m", "recovery": "r"},)
    ),
    SyncOutcome("acme", "failed", reason="down", error=ListingUnreachableError("down", stage="name")),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.status)
def test_no_number_of_a_check_is_plotted_across_providers(outcome: SyncOutcome):
    reached = list(evaluations(outcome, NOW))
    for each in [*reached, *unreached("acme", reached, "why")]:
        assert not [name for name, value in each.metadata.items() if isinstance(value.value, int | float)]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.status)
def test_every_check_is_evaluated_once_with_what_was_expected_what_came_and_what_to_do(outcome: SyncOutcome):
    reached = list(evaluations(outcome, NOW))
    every = [*reached, *unreached("acme", reached, "why")]
    assert sorted(each.check_name for each in every) == sorted(spec.name for spec in CHECK_SPECS)
    for each in every:
        assert {"expected", "actual", "recovery"} <= each.metadata.keys()
        assert each.partition == "acme"
        assert not each.blocking  # a blocking evaluation would fail the step, and every other provider with it


def test_a_check_that_was_not_reached_is_a_warning_with_the_reason():
    (evaluation, *_) = unreached("acme", [], "acme is being synced by the CLI")
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.description == "not evaluated: acme is being synced by the CLI"


def test_a_check_without_anything_to_check_passes():
    assert all(each.passed for each in unreached("acme", [], None))


@pytest.mark.parametrize(("retiring", "passed"), [((), True), (("a on 2026-12-01",), False)])
def test_a_models_end_within_the_providers_notice_is_a_warning_that_names_it(retiring: tuple[str, ...], passed: bool):
    outcome = SyncOutcome("acme", "synced", models=1, retiring=retiring, last_success_at=NOW)
    (found,) = [each for each in evaluations(outcome, NOW) if each.check_name == "no_model_retires_soon"]
    assert (found.passed, found.severity) == (passed, dg.AssetCheckSeverity.WARN)
    assert all(each in found.description for each in retiring)


def test_the_check_of_ends_is_off_by_default():
    names = {each.check_name for each in evaluations(OUTCOMES[1], NOW)}
    assert "no_model_retires_soon" not in names
