"""Each gate passes a good candidate, fails a worse one, and says why."""

from dataclasses import replace

import pytest

from provider_pipeline.rules.comparison import COMPARED_FIELDS, Comparison, FieldComparison
from provider_pipeline.sync.repair.activation import report_markdown
from provider_pipeline.sync.repair.promotion import GateBounds, judge_candidate
from provider_pipeline.sync.repair.shadow import Evidence, RuleResult, ShadowRun

GOOD = RuleResult(valid=True, models=100)
MISFIT = RuleResult(valid=False, models=0, reason="the selector data[*] finds no list in the page")
SAME = FieldComparison(agree=100)


def comparison(**fields: FieldComparison) -> Comparison:
    capabilities = fields.pop("capabilities", FieldComparison(agree=300))
    columns = {name: fields.get(name, SAME) for name in COMPARED_FIELDS}
    return Comparison(100, 100, 100, (), (), columns, capabilities)


REPAIR = Evidence(
    failing=ShadowRun(7, MISFIT, GOOD, comparison()),
    stored=(ShadowRun(6, GOOD, MISFIT, None), ShadowRun(5, GOOD, GOOD, comparison())),
    known=100,
    found=100,
    catalogue=comparison(),
    catalogue_now=comparison(),
)


def failed(evidence: Evidence, gates: GateBounds | None = None) -> list[str]:
    return [gate.name for gate in judge_candidate(evidence, gates) if not gate.passed]


def test_a_true_repair_passes_every_gate():
    assert failed(REPAIR) == []


def test_a_first_rule_needs_to_fit_and_to_be_beyond_doubt():
    assert failed(Evidence(failing=ShadowRun(1, None, GOOD, None))) == []
    assert failed(Evidence(failing=ShadowRun(1, None, GOOD, None), doubt="two lists are alike")) == ["is_unambiguous"]
    assert failed(Evidence(failing=ShadowRun(1, None, MISFIT, None))) == ["fits_the_failing_response"]


@pytest.mark.parametrize(
    ("worse", "gate"),
    [
        (replace(REPAIR, failing=ShadowRun(7, MISFIT, MISFIT, None)), "fits_the_failing_response"),
        (replace(REPAIR, found=89), "keeps_known_ids"),
        (replace(REPAIR, found=40, dropped=60), "keeps_known_ids"),
        (replace(REPAIR, found=0, dropped=100), "keeps_known_ids"),
        (replace(REPAIR, elsewhere=("asks /v1/keys",)), "asks_the_same_places"),
        (replace(REPAIR, unpaged=("/v1/models",)), "looks_for_every_page"),
        (replace(REPAIR, doubt="two lists are alike"), "is_unambiguous"),
        (
            replace(REPAIR, stored=(ShadowRun(5, GOOD, replace(GOOD, valid=False), comparison()),)),
            "keeps_models_of_stored_responses",
        ),
        (
            replace(REPAIR, stored=(ShadowRun(5, GOOD, GOOD, replace(comparison(), shared=99)),)),
            "keeps_models_of_stored_responses",
        ),
        (
            replace(
                REPAIR,
                stored=(ShadowRun(5, GOOD, GOOD, comparison(input_price=FieldComparison(agree=97, differ=3))),),
            ),
            "no_field_gets_worse",
        ),
        (
            replace(
                REPAIR,
                stored=(ShadowRun(5, GOOD, GOOD, comparison(context_length=FieldComparison(agree=94, lost=6))),),
            ),
            "no_field_gets_worse",
        ),
        (replace(REPAIR, catalogue=comparison(context_length=FieldComparison(lost=100))), "no_known_field_is_lost"),
        (replace(REPAIR, catalogue=comparison(input_price=FieldComparison(differ=100))), "known_values_hold"),
        (
            replace(REPAIR, catalogue=comparison(capabilities=FieldComparison(agree=97, differ=2, lost=1))),
            "capabilities_agree",
        ),
        (replace(REPAIR, failing=ShadowRun(7, GOOD, GOOD, comparison())), "is_better_than_the_active_rule"),
    ],
)
def test_a_worse_candidate_fails_the_gate_that_names_the_regression(worse, gate):
    assert failed(worse) == [gate]


def test_a_first_rule_asks_only_where_a_person_said():
    first = Evidence(failing=ShadowRun(1, None, GOOD, None), elsewhere=("asks /v1/models", "asks /v1/keys"))
    (gate,) = [gate for gate in judge_candidate(first) if not gate.passed]
    assert (gate.name, gate.actual, gate.sample) == (
        "asks_the_same_places",
        "it asks /v1/models (and 1 more)",
        ("asks /v1/keys",),
    )


def test_models_that_the_provider_dropped_do_not_count_against_the_candidate():
    assert failed(replace(REPAIR, found=70, dropped=30)) == []


def test_a_candidate_that_reads_more_than_a_rule_that_fits_is_better():
    gained = comparison(context_length=FieldComparison(agree=50, gained=50))
    assert failed(replace(REPAIR, failing=ShadowRun(7, GOOD, GOOD, gained), stored=())) == []


def test_a_field_that_has_moved_since_does_not_count_against_the_candidate():
    moved = comparison(context_length=FieldComparison(lost=100), capabilities=FieldComparison(agree=200, lost=100))
    assert failed(replace(REPAIR, stored=(ShadowRun(5, GOOD, GOOD, moved),))) == []


def test_a_rule_that_agrees_with_the_catalogue_is_better_than_one_that_contradicts_it():
    wrong = comparison(input_price=FieldComparison(differ=100))
    assert failed(replace(REPAIR, failing=ShadowRun(7, GOOD, GOOD, wrong), stored=(), catalogue_now=wrong)) == []


def test_a_response_of_another_shape_is_ignored():
    gates = judge_candidate(replace(REPAIR, stored=(ShadowRun(6, GOOD, MISFIT, None),)))
    assert "keeps_models_of_stored_responses" not in [gate.name for gate in gates]


def test_the_bounds_can_be_set():
    assert failed(replace(REPAIR, found=89), GateBounds(min_known_ids=0.8)) == []


def test_the_report_shows_each_gate_and_cannot_be_broken_out_of():
    evidence = replace(REPAIR, found=10, doubt="a|b\n<script>")
    report = report_markdown(
        "acme",
        reason="the candidate fails 2 gates",
        differences=(),
        rule_changes=["selector: data[*] -> models[*]", *(f"line {n}" for n in range(60))],
        gates=judge_candidate(evidence),
        evidence=evidence,
        next_steps=("provider-pipeline tasks approve 3",),
    )
    assert "| keeps known ids | **no** |" in report
    assert "10 of 100 found again" in report
    assert "a\\|b &lt;script>" in report
    assert "| 6 | 100 models | does not fit" in report
    assert "- `provider-pipeline tasks approve 3`" in report
    assert "- selector: data[*] -> models[*]\n" in report
    assert "- and 21 more: `provider-pipeline rules diff acme`" in report
