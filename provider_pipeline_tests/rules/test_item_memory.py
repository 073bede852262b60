"""With a memory of items, a listing gets the rows and the verdict that it gets without."""

import copy
import random

import pytest

from provider_pipeline.rules import limits
from provider_pipeline.rules.document import ExtractionRule
from provider_pipeline.rules.extraction import ItemReader
from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline.rules.item_memory import ItemMemory
from provider_pipeline.rules.judge import ListingJudge
from provider_pipeline_tests.rules import samples

RULE = ExtractionRule.parse(RuleGenerator().analyze_sample(samples.RICH))
ODD = (
    {"id": "odd", "context_length": "many"},
    {"id": None},
    "gpt-4o",
    {"id": "large", "created": 2**70},
    {"id": "half", "name": "\ud800"},
    {"id": "gpt-*"},
)


def judged(document, memory: ItemMemory | None):
    judge = ListingJudge(RULE, memory=memory)
    rows = [judge.add_page(document), judge.add_page({**document, "data": document["data"][:3]})]
    verdict = judge.verdict()
    return copy.deepcopy((rows, verdict, [list(verdict.settled(page)) for page in rows]))


def test_listings_that_repeat_items_are_judged_as_without_a_memory():
    memory, chance = ItemMemory(), random.Random(7)
    for _ in range(30):
        items = [*copy.deepcopy(samples.RICH["data"]), *copy.deepcopy(ODD)]
        for item in chance.sample(items[:-2], 2):
            if isinstance(item, dict):
                item[chance.choice(("name", "context_length", "id"))] = chance.choice((1, True, 1.0, "x", None))
        items += chance.sample(items, 2)
        chance.shuffle(items)
        document = {**samples.RICH, "data": items}
        assert judged(document, memory) == judged(document, None)


def test_an_item_is_read_once(monkeypatch: pytest.MonkeyPatch):
    read = []
    row = ItemReader.row
    monkeypatch.setattr(ItemReader, "row", lambda self, item: read.append(item) or row(self, item))
    memory = ItemMemory()
    for _ in range(3):
        judged(copy.deepcopy(samples.RICH), memory)
    assert len(read) == len(samples.RICH["data"])


def test_rules_that_share_a_memory_do_not_mix_what_they_read():
    other = RULE.to_stored()
    fields = {name: text for name, text in other.model_list_config["fields"].items() if name == "id"}
    document = {"model_list_config": {**other.model_list_config, "fields": fields}, "endpoints_config": {}}
    only_ids, memory = ExtractionRule.parse(document), ItemMemory()
    for name, rule in (("all", RULE), ("ids", only_ids), ("all", RULE)):
        remembering = ListingJudge(rule, memory=memory.under(name)).add_page(samples.RICH)
        assert remembering == ListingJudge(rule).add_page(samples.RICH)


def test_a_listing_without_steps_left_is_refused_as_without_a_memory(monkeypatch: pytest.MonkeyPatch):
    memory = ItemMemory()
    judged(samples.RICH, memory)
    monkeypatch.setattr(
        "provider_pipeline.rules.judge.LISTING_STEPS", -limits.STEPS_PER_ITEM * len(samples.RICH["data"])
    )
    (with_memory, without) = (judged(samples.RICH, each)[1] for each in (memory, None))
    assert with_memory == without
    assert [each["type"] for each in with_memory.issues][:1] == ["rule_too_costly"]
