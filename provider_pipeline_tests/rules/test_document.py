import json

import pytest

from provider_pipeline.errors import InvalidRuleError
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.rules import samples


@pytest.mark.parametrize("name", sorted(samples.ALL))
def test_both_written_forms_convert_into_each_other_without_loss(name):
    analysis = RuleGenerator().analyze_sample(samples.ALL[name])
    rule = ExtractionRule.parse(analysis)
    config, endpoints = json.loads(json.dumps(rule.to_stored()))
    again = ExtractionRule.parse({"model_list_config": config, "endpoints_config": endpoints})
    assert again == rule
    assert again.to_analysis() == analysis
    assert again.digest == rule.digest


def test_the_digest_ignores_provenance_and_covers_everything_else():
    analysis = RuleGenerator().analyze_sample(samples.RICH)
    digest = ExtractionRule.parse(analysis).digest
    assert ExtractionRule.parse({**analysis, "metadata": {}, "confidence": None}).digest == digest
    assert ExtractionRule.parse({**analysis, "jmespath_rule": "items[*]"}).digest != digest


def test_a_changed_copy_of_a_rule_has_a_digest_of_its_own():
    rule = ExtractionRule.parse(RuleGenerator().analyze_sample(samples.RICH))
    digest = rule.digest
    moved = rule.endpoints[0].model_copy(update={"path": "/elsewhere"})
    assert rule.model_copy(update={"endpoints": (moved,)}).digest != digest
    assert rule.model_copy().digest == digest


def test_several_endpoints_are_kept_in_both_forms():
    stored = {
        "model_list_config": {
            "endpoint": [
                {"endpoint": "/v1/models", "selector": "data[*]", "fields": {"id": "id"}},
                {"endpoint": "/v1/voices", "selector": "voices[*]", "fields": {"id": "voice_id"}},
            ]
        },
        "endpoints_config": {"chat": {"patterns": {"regex": ["gpt-.*"]}}},
    }
    rule = ExtractionRule.parse(stored)
    assert [endpoint.path for endpoint in rule.endpoints] == ["/v1/models", "/v1/voices"]
    assert rule.to_stored()._asdict() == stored
    assert ExtractionRule.parse(rule.to_analysis()) == rule


def test_a_rule_may_name_capabilities_of_its_own():
    rules = {"haiku_writing": {"patterns": {"regex": [".*"]}}}
    assert ExtractionRule.parse({"model_list_config": {"selector": "[*]"}, "endpoints_config": rules})


def rule(**parts):
    return {"jmespath_rule": "data[*]", "capability_rules": [], **parts}


def patterns(**parts):
    return rule(capability_rules=[{"capability": "chat", "patterns": parts}])


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"model_list_config": None},
        {"model_list_config": {}},
        rule(selecter="data[*]"),
        rule(jmespath_rule=""),
        rule(jmespath_rule="data[*"),
        rule(jmespath_rule="nope(data)"),
        rule(jmespath_rule="(" * 500 + "a" + ")" * 500),
        rule(jmespath_rule="!" * 1500 + "a"),
        rule(jmespath_rule="a." * 900 + "a"),
        rule(jmespath_rule="x" * 3000),
        rule(jmespath_rule="|".join(["[@,@][]"] * 60)),
        rule(jmespath_rule="to_string(to_string(to_string(to_string(to_string(@)))))"),
        rule(fields={"name": "name"}),
        rule(fields={"id": "id", "Bad Name": "x"}),
        rule(units={"input_price": "doubloons"}),
        rule(units={"input_price": {"by": "unit"}}),
        rule(pagination={"type": "warp"}),
        rule(capability_rules=3),
        rule(capability_rules=[{"patterns": {}}]),
        rule(capability_rules=[{"capability": "Chat!", "patterns": {}}]),
        patterns(regex=["("]),
        patterns(regex=["((a{100}){100}){100}"]),
        patterns(regex=["a" * 5000]),
        patterns(regex=["(?=x)"]),
        patterns(regex=["\ud800"]),
        patterns(regex=["a"] * 5000),
        patterns(regex=[f"{n}{'x' * 1000}" for n in range(400)]),
        patterns(evidence=["contains("]),
        patterns(evidence=["a"] * 500),
        patterns(regexes=["a"]),
    ],
)
def test_a_malformed_or_dangerous_rule_is_refused_in_one_line(document):
    with pytest.raises(InvalidRuleError) as caught:
        ExtractionRule.parse(document)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("kind", ["evidence", "counter_evidence", "unsure_evidence", "weak_evidence"])
def test_predicates_of_every_kind_are_kept_checked_and_bounded(kind):
    config = {"model_list_config": {"selector": "[*]"}}
    stored = {**config, "endpoints_config": {"chat": {"patterns": {kind: ["type == 'chat'"]}}}}
    assert ExtractionRule.parse(stored).to_stored()._asdict() == stored
    for refused in (["type =="], ["type"] * 201, ["'" + "x" * 1_999 + "'"] * 101):
        with pytest.raises(InvalidRuleError):
            ExtractionRule.parse({**config, "endpoints_config": {"chat": {"patterns": {kind: refused}}}})


def test_patterns_are_bounded_together_and_one_of_several_capabilities_counts_once():
    texts = [f"model-{number:04}-{'x' * 90}" for number in range(350)]

    def parsed(chat, tools):
        rules = {"chat": {"patterns": {"regex": chat}}, "tools": {"patterns": {"regex": tools}}}
        return ExtractionRule.parse({"model_list_config": {"selector": "[*]"}, "endpoints_config": rules})

    assert len(parsed(texts, texts).capability_rules) == 2
    with pytest.raises(InvalidRuleError, match="characters together; at most 150000 are read"):
        parsed(texts, [f"other-{number}-{text}" for text in texts for number in range(4)])


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"in": value}
    return value


def test_provenance_may_be_nested_as_deeply_as_it_can_be_serialized():
    rule = ExtractionRule.parse({"jmespath_rule": "data[*]", "metadata": nested(60)})
    assert ExtractionRule.parse(rule.to_analysis()) == rule


def test_every_error_is_one_printable_line():
    for document in (
        {"jmespath_rule": "data[*]", "fields": {"\ud800": "id"}},
        {"jmespath_rule": "\ud800", "metadata": {"\ud800": 1}, "confidence": "\ud800"},
        {"jmespath_rule": "data[*]", "metadata": nested(120)},
        {"jmespath_rule": "data[*]", "evidence": {"in": [{"\ud800": False}]}},
        {"jmespath_rule": "data[*]", "evidence": {"in": [["\ud800"]]}},
        {"jmespath_rule": "data[*]", "issues": [nested(5000)]},
        {"jmespath_rule": "data[*]", "capability_rules": {"chat": {"patterns": {"regex": ["[[\n\n\x00"]}}}},
        {"jmespath_rule": "data[*]", "capability_rules": {"chat": {"patterns": {"lookup_table": {"a\nb": [1]}}}}},
    ):
        with pytest.raises(InvalidRuleError) as caught:
            ExtractionRule.parse(document)
        assert len(caught.value.message.splitlines()) == 1
        assert caught.value.message.encode("utf-8")


def test_a_stored_rule_of_an_earlier_build_that_names_unreadable_columns_is_still_read():
    stored = {
        "model_list_config": {
            "endpoint": "/v1/models",
            "selector": "data[*]",
            "fields": {"id": "id", "input_price": "price"},
            "expect": {"id_type": "string", "unreadable": ["input_price"]},
        },
        "endpoints_config": {},
    }
    rule = ExtractionRule.parse(stored)
    assert rule.endpoints[0].expect.id_type == "string"
    assert "unreadable" not in str(rule.to_stored())
