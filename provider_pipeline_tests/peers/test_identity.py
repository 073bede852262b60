"""What ids are read as, held against what LiteLLM, genai-prices and models.dev say of the same ids."""

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from genai_prices.data import providers
from genai_prices.types import ClauseEquals, ClauseOr

from provider_pipeline.rules.identity import Canonical, canonical_of

BENCH = Path(__file__).parents[2] / "bench"


def canonical_id(model_id: str) -> str | None:
    found = canonical_of(model_id)
    return None if found is None else found.id


def spellings(clause: object) -> Iterator[str]:
    """The ids that a clause of genai-prices names wholly."""
    if isinstance(clause, ClauseEquals):
        yield clause.equals
    elif isinstance(clause, ClauseOr):
        for each in clause.or_:
            yield from spellings(each)


def aliases() -> dict[str, str]:
    """LiteLLM's other names of models, with the names that they stand for."""
    found = importlib.util.find_spec("litellm")
    assert found is not None
    assert found.origin is not None
    text = Path(found.origin).with_name("model_prices_and_context_window_backup.json").read_text()
    return {name: entry["alias_of"] for name, entry in json.loads(text).items() if "alias_of" in entry}


def test_each_spelling_of_a_known_model_at_genai_prices_is_that_model():
    compared = 0
    for provider in providers:
        for model in provider.models:
            # A model there is a price, so it may be several models; spellings of one differ in signs only.
            by_letters: dict[str, list[Canonical]] = {}
            for each in spellings(model.match):
                name = re.sub(r"^(?:databricks-|system\.ai\.|[^/]*/)", "", each.lower())
                found = canonical_of(each)
                if found is not None:
                    by_letters.setdefault(re.sub(r"[^a-z0-9]", "", name), []).append(found)
            for found_ones in by_letters.values():
                # An unknown name is another model under each owner.
                if any(each.certainty == "known" for each in found_ones):
                    assert len({each.id for each in found_ones}) == 1, (provider.id, model.id, found_ones)
                    compared += len(found_ones)
    assert compared > 1_000


def test_an_alias_at_litellm_is_its_model_or_a_name_whose_meaning_moves():
    pairs = aliases()
    assert len(pairs) > 50
    joined = {alias: canonical_id(alias) for alias, name in pairs.items() if canonical_id(alias) != canonical_id(name)}
    # `claude-opus-latest` is another model next year, so it is none of today's models.
    assert [alias for alias in joined if not alias.endswith("-latest")] == []
    versioned = {canonical_id(name) for name in pairs.values()}
    assert {alias: found for alias, found in joined.items() if found in versioned} == {}


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    module = importlib.import_module("identity_at_peers")
    yield module
    sys.modules.pop("identity_at_peers")


def test_names_that_people_gave_at_models_dev_agree_with_what_is_joined(bench):
    entries = bench.entries()
    right, pairs = bench.precision(entries)
    assert right / pairs >= 0.99
    joined, same = bench.recall(entries)
    assert joined / same >= 0.93
    right, wrong, none = bench.assigned(entries)
    assert right / (right + wrong + none) >= 0.95
    assert wrong / (right + wrong + none) <= 0.006  # most are slips of the names: an id of Opus 4.1 called Opus 4
    assert pairs > 30_000
    assert same > 10_000
