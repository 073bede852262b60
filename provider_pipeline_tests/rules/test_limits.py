"""A rule requests paths that every server reads the same way, and judging by it takes bounded work and memory."""

import json
import subprocess
import sys
from importlib import resources

import pytest
import yaml

from provider_pipeline.errors import InvalidRuleError, RuleTooCostlyError
from provider_pipeline.rules.capability_rules import shipped
from provider_pipeline.rules.document import Detail, ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline.rules.language import compile_expression, compiled
from provider_pipeline.rules.limits import (
    FEW_ITEMS,
    ITEM_STEPS,
    SizedCache,
    Work,
    WorkExceededError,
    checked_path,
    has_elements,
    json_bytes,
)
from provider_pipeline.rules.patterns import MAX_PROGRAM, RegexSet, parse_pattern, program_size
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules import samples
from provider_pipeline_tests.rules.attacks import ATTACKS, models, numbers, patterns, rule

ELSEWHERE = [
    "https://elsewhere.example/v1/models",
    "//elsewhere.example/v1/models",
    "javascript:alert(1)",
    "/../../../other-app/secret",
    "/v1/models/..",
    "/v1/./models",
    "/v1/models/..;/admin",
    "/v1/%2e%2e/admin",
    "/v1/.%2E/admin",
    "/v1%2f..%2fadmin",
    "/v1%2Fadmin",
    "/v1/%252e%252e/admin",
    "/v1/%c0%ae%c0%ae/admin",
    "/v1\\..\\admin",
    "/v1/%5c..%5cadmin",
    "/v1/models%3flimit=1",
    "/v1/models%23",
    "/v1/models#top",
    "/v1/models\r\nHost: elsewhere.example",
    "/v1/models%0d%0aHost: elsewhere.example",
    "/v1/models?next=%00",
    "/v1/models\x00",
    "/v1/models/%",
    "/v1/models/%zz",
    "/v1/models/\u202e",
]


def rule_at(**endpoint):
    return {"jmespath_rule": "data[*]", "capability_rules": [], **endpoint}


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_path_that_could_lead_elsewhere_is_refused_where_the_rule_is_parsed(path: str):
    with pytest.raises(InvalidRuleError) as caught:
        ExtractionRule.parse(rule_at(endpoint=path))
    assert caught.value.message.isprintable()
    with pytest.raises(InvalidRuleError):
        ExtractionRule.parse(rule_at(endpoint="/v1/models", detail={"path": f"{path}/{{id}}"}))
    several = [{"endpoint": each, "selector": "data[*]"} for each in ("/v1/models", path)]
    with pytest.raises(InvalidRuleError, match=r"endpoints\.1\.path"):
        ExtractionRule.parse({"model_list_config": {"endpoint": several}, "endpoints_config": {}})


@pytest.mark.parametrize("path", ["/v1/models/.{id}/..", "/v1/models/%{id}", "/v1/models/%2{id}", "/v1/{id}%2f"])
def test_a_detail_that_could_lead_elsewhere_is_refused(path: str):
    with pytest.raises(InvalidRuleError, match="path: "):
        Detail.at(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/v1/models",
        "/v1/models/",
        "?type=chat",
        "/v1/models?limit=1000",
        "/v1/models?output_modalities=all&sort=a%2Fb",
        "/v1/my%20team/models",
        "/v1/größe",
        "/v1/.well-known/models",
        "/v1/models...",
        "/v2/projects/a:b@c/models",
        "models",
    ],
)
def test_an_ordinary_path_is_unchanged(path: str):
    assert checked_path(path) == path
    assert ExtractionRule.parse(rule_at(endpoint=path)).endpoints[0].path == path


def test_every_shipped_preset_has_valid_paths():
    for file in resources.files("provider_pipeline.presets").joinpath("data").iterdir():
        for endpoint in yaml.safe_load(file.read_text(encoding="utf-8"))["endpoints"]:
            assert checked_path(endpoint["path"]) == endpoint["path"]


MEMORY_MIB = 512
CPU_SECONDS = 120

IN_A_PROCESS = f"""
import json, resource
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline_tests.rules.attacks import ATTACKS, models

for kind, most in ((resource.RLIMIT_DATA, {MEMORY_MIB << 20}), (resource.RLIMIT_CPU, {CPU_SECONDS})):
    resource.setrlimit(kind, (most, most))
listing = models(1_200)
for name, rule in ATTACKS.items():
    found = RuleValidator().validate_rule(rule, listing)
    print(json.dumps([name, found["valid"], [each["type"] for each in found["issues"]]]), flush=True)
"""


def test_every_attack_is_judged_or_refused_with_little_memory():
    ended = subprocess.run([sys.executable, "-c", IN_A_PROCESS], capture_output=True, text=True, check=False)
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    judged = len(found)
    assert [name for name, *_ in found] == list(ATTACKS), f"died of {list(ATTACKS)[judged]}: {ended.stderr[-300:]}"
    assert all(valid or issues for _, valid, issues in found)


def error(document, listing):
    found = RuleValidator().validate_rule(document, listing)
    assert not found["valid"]
    return found["issues"][0]


def test_a_row_cannot_be_much_larger_than_its_item():
    found = error(ATTACKS["joins"], models(3))
    assert found["type"] == "rule_too_costly"
    assert "the row of acme/model-0-0b-instruct has 1,1" in found["message"]
    assert "bytes of JSON; at most 4,096" in found["message"]


def test_a_large_item_may_have_a_large_row():
    document = rule(fields={"story": "description", "notes": "notes"})
    texts = {"description": "wide " * 3_000, "notes": [{"text": "long " * 900}] * 3}
    found = RuleValidator().validate_rule(document, {"data": [{"id": "a", **texts}, {"id": "b"}]})
    assert found["valid"]
    assert len(json.dumps(found["extracted_models"][0])) > 20_000


def test_a_selector_may_repeat_each_element_only_a_few_times():
    found = error(ATTACKS["copies in the selector"], models(500))
    assert found["type"] == "rule_too_costly"
    assert "gives 128,000 items of a page, more than 4 for each object on it" in found["message"]
    assert "the selector data | [@,@" in found["message"]


def test_listings_of_every_shape_have_as_many_elements_as_items():
    for name, sample in samples.ALL.items():
        document = RuleGenerator().analyze_sample(sample)
        items = compile_expression(document["jmespath_rule"])(sample)
        assert has_elements(sample, len(items)), name
    assert has_elements({str(number): 1 for number in range(FEW_ITEMS + 1)}, FEW_ITEMS)
    assert not has_elements({"data": [{"id": "a", "tags": {}}]}, 4)


def test_patterns_are_refused_before_they_take_time_or_memory():
    for name in ("thousands of patterns", "thousands of large patterns", "repetitions", "optional letters"):
        with pytest.raises(InvalidRuleError, match=r"characters together|RE2 instructions together"):
            ExtractionRule.parse(ATTACKS[name])


def test_compiling_stops_at_the_first_pattern_too_many():
    """The broken one is the last: it would be told first if all were compiled."""
    texts = [*(f"(?:a?b?c?){{100}}-{number}-of-many" for number in range(1_000)), "("]
    with pytest.raises(InvalidRuleError, match=f"more than {MAX_PROGRAM} RE2 instructions"):
        ExtractionRule.parse(patterns(texts))


def test_the_largest_set_of_patterns_still_matches():
    for shape in ("model-{n:04}-" + "x" * 90, ".*[ab][a-z0-9-]{{25}}q{n}", ".{{200}}x{n}"):
        texts, total = ["gpt-4.*"], program_size("gpt-4.*")
        for number in range(2_000):
            total += program_size(shape.format(n=number))
            if total > MAX_PROGRAM:
                break
            texts.append(shape.format(n=number))
        assert RegexSet(texts).matches("gpt-4o") == [0], shape


def test_the_shipped_patterns_use_about_half_of_the_limit():
    texts = {parse_pattern(text)[1] for listed in shipped().patterns.values() for text in listed}
    assert len(texts) > 500
    assert sum(map(program_size, texts)) < 0.6 * MAX_PROGRAM


def test_cached_names_do_not_change_a_verdict():
    document = ATTACKS["a pattern for all capabilities"]
    verdicts = [error(document, models(400)) for _ in range(2)]
    assert verdicts[0] == verdicts[1]
    assert verdicts[0]["type"] == "rule_too_costly"


def test_after_a_rule_was_too_costly_pages_are_ignored():
    judge = ListingJudge(ExtractionRule.parse(ATTACKS["joins"]))
    assert judge.add_page(models(2)) == []
    assert judge.add_page({"data": 5}) == []
    assert [each["type"] for each in judge.verdict().issues] == ["rule_too_costly"]


def test_the_cost_of_predicates_grows_with_their_number():
    listing = {"data": [{"id": str(number), "a": number} for number in range(300)]}
    many = [f"a == `{number}`" for number in range(3_000)]
    document = rule(**{f"capability_{n}": {"evidence": many[n * 200 : n * 200 + 200]} for n in range(15)})
    found = error(document, listing)
    assert found["type"] == "rule_too_costly"
    assert "all expressions more than 10,000,000 steps and 3,000 for each item" in found["message"]


@pytest.mark.parametrize(
    "expression",
    [
        f"map(&map(&map(&@, {numbers(250)}), {numbers(250)}), {numbers(250)})",
        "[@,@,@,@,@,@,@,@] | [@,@,@,@,@,@,@,@] | to_string([@,@])",
        f"to_string(map(&description, {numbers(400)}) | [@,@,@,@,@,@,@,@])",
        "contains([all.a, all.a], all.b)",
        "all.a == all.b",
        "[all.a, all.b] | [?@ == `[]`] | [0] == `[]`",
    ],
)
def test_an_expression_on_an_item_takes_a_bounded_number_of_steps(expression):
    copies = [[{"x": [number] * 50} for number in range(5_000)] for _ in range(2)]
    work = Work()
    work.most = ITEM_STEPS
    value = {"description": "x" * 5_000, "all": {"a": copies[0], "b": copies[1]}}
    try:
        work.at_most(compiled(expression).evaluate, value, work)
    except WorkExceededError:
        return
    assert Work().left - work.left <= ITEM_STEPS


def test_an_expression_evaluated_by_itself_has_a_step_budget():
    expression = f"map(&map(&map(&map(&@, {numbers(200)}), {numbers(200)}), {numbers(200)}), {numbers(200)})"
    with pytest.raises(RuleTooCostlyError, match=r"the expression 'map.* takes more steps than a rule may"):
        compile_expression(expression)({})


def test_shared_parts_are_weighed_each_time_and_measured_once():
    value = ["text of some length"] * 100
    shared = [value] * 1_000
    with pytest.raises(WorkExceededError):
        Work(50_000).weigh(shared)
    assert json_bytes(shared) < 50_000


def test_rows_of_several_endpoints_are_bounded_in_memory():
    fields = {"id": "id", **{f"field_{number}": "text" for number in range(2)}}
    endpoints = [{"selector": "data[*]", "fields": fields} for _ in range(2)]
    judge = ListingJudge(ExtractionRule.parse({"endpoints": endpoints, "capability_rules": []}))
    for page in range(40):
        judge.add_page({"data": [{"id": f"{page}-{n}", "text": "x" * 20_000} for n in range(50)]})
    assert [each["type"] for each in judge.verdict().issues][:1] == ["rule_too_costly"]
    assert "64 MiB of JSON together" in judge.verdict().issues[0]["message"]


def test_a_cache_is_bounded_by_the_size_of_its_entries():
    cache = SizedCache[str, str](100)
    cache.put("too large", "x", 101)
    for name in "abc":
        cache.put(name, name.upper(), 40)
    assert [cache.get(name) for name in ("too large", "a", "b", "c")] == [None, None, "B", "C"]
