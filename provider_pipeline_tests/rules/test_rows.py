"""The change hash of a row, the profile of many, and the outline of their items."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, strategies as st

from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.growth import growth
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.overrides import apply_override
from provider_pipeline.rules.rows import MAX_PATHS, Outline, Profile, ProfileBuilder, meta_hash
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.any_json import JSON, QUICK
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


RULE = ExtractionRule.parse({"jmespath_rule": "data[*]", "fields": {"id": "id"}, "capability_rules": []})


def items(count: int, priced: int = 0, **fields: Any) -> list[dict[str, Any]]:
    made = [{"id": f"model-{number}", "owner": None, "limits": {"tokens": number}} for number in range(count)]
    for item in made[:priced]:
        item |= {"unit_price": 2.5, **fields}
    return made


def fingerprint(listed: Any, **beside: Any) -> str | None:
    judge = ListingJudge(RULE)
    judge.add_page({"data": listed, **beside})
    return judge.verdict().outline


def test_other_models_and_other_values_leave_the_outline_as_it_is():
    assert fingerprint(items(40)) == fingerprint([*items(30), {"limits": {"tokens": 9}, "id": "new", "owner": None}])


@pytest.mark.parametrize("count", [1, 3, 20, 60])
def test_whatever_counts_as_growth_changes_the_outline(count: int):
    found = 0
    for before, after in product(range(min(count, 6) + 1), repeat=2):
        old, new = items(count, before), items(count, after)
        if growth(RULE, lambda page={"data": old}: [page], [{"data": new}]):
            found += 1
            assert fingerprint(old) != fingerprint(new), (before, after)
    assert found > 0


def test_fields_in_objects_and_lists_beside_the_listing_are_part_of_the_outline():
    plain = items(4)
    assert fingerprint(plain) != fingerprint([{**item, "limits": {**item["limits"], "output": 1}} for item in plain])
    assert fingerprint(plain) != fingerprint(plain, images=[])
    assert fingerprint(plain, page=1) == fingerprint(plain, page=2)


def test_a_listing_with_objects_in_lists_or_with_too_many_fields_has_no_outline():
    assert fingerprint(items(4, 1, prices=[{"name": "input", "value": 1}])) is None
    assert fingerprint([{"id": "one", **dict.fromkeys(map(str, range(MAX_PATHS)), 1)}]) is None


def test_a_field_that_few_items_have_is_not_part_of_the_outline():
    assert fingerprint(items(41)) == fingerprint(items(41, priced=2))
    assert fingerprint(items(40)) != fingerprint(items(40, priced=2))


@QUICK
@given(st.lists(JSON, max_size=8))
def test_any_items_have_one_outline_or_none(listed: list[Any]):
    first, second = Outline(), Outline()
    for outline in (first, second):
        outline.add(0, listed, listed)
    assert first.fingerprint() == second.fingerprint()
