"""The change hash of a row, and the profile of many."""

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.overriding import apply_override
from provider_pipeline.rules.rows import Profile, ProfileBuilder, meta_hash
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.samples import ROW


def test_the_hash_ignores_provenance_and_key_order_and_covers_meaningful_columns():
    same = {**dict(reversed(ROW.items())), "capability_sources": {}, "meta_hash": "y"}
    assert meta_hash(same) == meta_hash(ROW)
    assert meta_hash({**ROW, "input_price": 1.5}) != meta_hash(ROW)


def test_the_hash_is_the_same_in_every_release():
    plain = {**ROW, "display_name": "Prüfung", "input_price": 1e-7, "output_price": 0.1 + 0.2}
    assert meta_hash(plain) == "98166e2705f9c43951aff2afc0938edd54bcd5d4ccc2eef5aaa9a85cf33378ad"
    for odd in ("\ud800", 10**30):
        row = apply_override(ROW, {"metadata_json": {"note": odd}})
        assert row["meta_hash"] == meta_hash(dict(reversed(row.items()))) != meta_hash(ROW)


RICH_RULE = RuleGenerator().analyze_sample(samples.RICH)


def judged(sample, *, rule=None, previous=None, thresholds=None):
    return RuleValidator(thresholds).validate_rule(rule or RICH_RULE, sample, previous=previous)


def many(count, **fields):
    return {"data": [{"id": f"model-{n}", "context_length": 1024 * (n % 9 + 1), **fields} for n in range(count)]}


def test_a_profile_is_the_same_however_the_rows_come_in_pages():
    rows = judged(many(60, price="0.5"))["extracted_models"]
    builder = ProfileBuilder()
    for start in range(0, len(rows), 7):
        builder.add(rows[start : start + 7])
    assert builder.profile() == Profile.of_rows(rows) == Profile.of_rows(reversed(rows))


def test_a_profile_of_partial_rows_counts_what_is_missing_as_empty():
    profile = Profile.of_rows([{"model_id": "a", "context_length": 8}, {"model_id": "b", "input_price": float("inf")}])
    assert (profile.count, profile.filled) == (2, {"context_length": 1, "input_price": 1})
