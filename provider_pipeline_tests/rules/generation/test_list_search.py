"""All models of an answer, once each: siblings, owners, agents and specimens; every sample is made up."""

import pytest

from provider_pipeline.rules.generation.generator import RuleGenerator
from provider_pipeline_tests.rules.generation.generated import rows_of


def model(price: float = 1.0, context: int = 8192) -> dict[str, object]:
    return {"context_length": context, "pricing": {"prompt": f"{price / 1e6:.8f}", "completion": f"{price / 5e5:.8f}"}}


def named(*names: str, price: float = 1.0) -> list[dict[str, object]]:
    return [{"id": name, **model(price)} for name in names]


def keyed(*names: str, price: float = 1.0) -> dict[str, object]:
    return {name: model(price) for name in names}


ALL_READ = {
    "maps of models by provider": (
        {"acme": keyed("gpt-3", "gpt-4", "gpt-5"), "zeta": keyed("claude-3"), "eta": keyed("llama-3-8b")},
        {"gpt-3", "gpt-4", "gpt-5", "claude-3", "llama-3-8b"},
    ),
    "maps of models by provider, beside other things": (
        {"updated": "today", "acme": keyed("gpt-3", "gpt-4"), "zeta": keyed("claude-3", "claude-4")},
        {"gpt-3", "gpt-4", "claude-3", "claude-4"},
    ),
    "providers each with a map of models, beside other things": (
        {
            "version": 3,
            "acme": {"api": "x", "models": keyed("gpt-3", "gpt-4", "gpt-5")},
            "zeta": {"doc": "y", "env": ["KEY"], "models": keyed("claude-3")},
            "empty": {"since": 2024, "plan": {"free": True}},
        },
        {"gpt-3", "gpt-4", "gpt-5", "claude-3"},
    ),
    "two arrays under one object": (
        {"chat_models": named("gpt-4o", "o3"), "embedding_models": named("text-embedding-3-small")},
        {"gpt-4o", "o3", "text-embedding-3-small"},
    ),
    "many small lists in the first member": (
        {
            "providers": {
                f"p{n}": {"caps": [{"id": f"c{n}", "name": "x"}], "regions": [{"id": "r"}]} for n in range(59)
            },
            "models": named("gpt-4o", "o3"),
        },
        {"gpt-4o", "o3"},
    ),
    "a map whose first members are unlike the others": (
        {f"image-{n}": {f"a{n}": 1, f"b{n}": 2} for n in range(60)} | keyed(*(f"gpt-4o-{n}" for n in range(300))),
        {f"image-{n}" for n in range(60)} | {f"gpt-4o-{n}" for n in range(300)},
    ),
    "agents beside models": (
        {"agents": [{"id": f"planner-{n}", **model()} for n in range(9)], "models": named("gpt-4o", "o3")},
        {"gpt-4o", "o3"},
    ),
    "agents beside lists of names": (
        {"acme": ["gpt-4o", "o3"], "zeta": ["claude-3-opus"], "agents": ["agent_1", "agent_2"]},
        {"gpt-4o", "o3", "claude-3-opus"},
    ),
}


@pytest.mark.parametrize("name", sorted(ALL_READ))
def test_every_model_is_read_from(name):
    sample, ids = ALL_READ[name]
    assert set(rows_of(sample)) == ids


TWO_PRICES = {
    "maps of maps": {"acme": keyed("gpt-4o", "o3", price=2), "zeta": keyed("gpt-4o", price=3)},
    "maps of lists": {"acme": named("gpt-4o", "o3", price=2), "zeta": named("gpt-4o", price=3)},
    "a map of providers": {
        "acme": {"name": "Acme", "models": keyed("gpt-4o", "o3", price=2)},
        "zeta": {"name": "Zeta", "models": keyed("gpt-4o", price=3)},
    },
    "a list of providers": {
        "providers": [
            {"id": "acme", "models": named("gpt-4o", "o3", price=2)},
            {"id": "zeta", "models": named("gpt-4o", price=3)},
        ]
    },
    "a flat list": [
        *({"providerID": "acme", **each} for each in named("gpt-4o", "o3", price=2)),
        *({"providerID": "zeta", **each} for each in named("gpt-4o", price=3)),
    ],
}


@pytest.mark.parametrize("name", sorted(TWO_PRICES))
def test_an_id_with_two_prices_takes_its_owner_in_front_in(name):
    rows = rows_of(TWO_PRICES[name])
    assert {model_id: row["input_price"] for model_id, row in rows.items()} == {
        "acme/gpt-4o": 2,
        "acme/o3": 2,
        "zeta/gpt-4o": 3,
    }


def test_an_id_whose_owners_agree_stays_as_it_is():
    sample = {
        "acme": {"name": "Acme", "models": keyed("gpt-4o", "o3")},
        "zeta": {"name": "Zeta", "models": keyed("gpt-4o")},
    }
    assert set(rows_of(sample)) == {"gpt-4o", "o3"}


def test_an_item_that_repeats_its_holders_name_has_it_in_its_id():
    held = {
        owner: {name: {"id": name, "providerID": owner, **model()} for name in names}
        for owner, names in {"acme": ("gpt-4o", "o3"), "zeta": ("mill/claude-3",)}.items()
    }
    sample = {"providers": [{"id": owner, "models": models} for owner, models in held.items()]}
    assert set(rows_of(sample)) == {"acme/gpt-4o", "acme/o3", "zeta/mill/claude-3"}


def test_a_gateways_deployments_have_the_name_that_callers_use():
    sample = {
        "data": [
            {"model_name": name, "info": {"id": f"{n:032x}", "max_input_tokens": 8192}}
            for n, name in enumerate(["gpt-4o", "claude-3-opus"] * 12)
        ]
    }
    assert set(rows_of(sample)) == {"gpt-4o", "claude-3-opus"}


def test_odd_members_and_patterns_among_an_owners_models_are_passed_over():
    more = [f"llama-3-{size}b" for size in range(20)]
    odd = [*named("gpt-4o", "acme/*", price=3), "text", {"id": ["no", "id"], **model()}]
    sample = {"acme": named("gpt-4o", *more, price=2), "zeta": [*named("claude-3", *more), *odd]}
    rows = rows_of(sample)
    assert set(rows) >= {"acme/gpt-4o", "zeta/gpt-4o", "zeta/claude-3"}
    assert "zeta/acme/*" not in rows


def test_the_prose_of_a_specimen_costs_no_field():
    sample = {
        "sample_spec": {"context_length": "the limit, if there is one", "pricing": {"prompt": 0}},
        **keyed("gpt-4o"),
    }
    rows = rows_of(sample | keyed("o3"))
    assert {model_id: row["context_length"] for model_id, row in rows.items()} == {"gpt-4o": 8192, "o3": 8192}


def test_a_list_left_unread_beside_its_like_makes_the_rule_ambiguous():
    sample = {
        "chat": {"acme": keyed("gpt-4o", "o3"), "zeta": keyed("claude-3")},
        "embedding": {"acme": keyed("bge-m3", "text-embedding-3-small")},
    }
    assert "ambiguous" in {issue["type"] for issue in RuleGenerator().analyze_sample(sample)["issues"]}


def test_lists_of_ids_by_purpose_say_what_each_model_is_for():
    sample = {
        "completion": ["StarCoder-1B", "acme-one"],
        "chat": ["Qwen2-1.5B-Instruct", "acme-two"],
        "embedding": ["bge-m3"],
    }
    states = {model_id: row["capabilities"] for model_id, row in rows_of(sample).items()}
    assert (states["acme-one"]["completion"], states["acme-one"].get("chat")) == (True, None)
    assert (states["acme-two"]["chat"], states["bge-m3"]["embedding"]) == (True, True)
    by_vendor = {"acme": ["gpt-4o", "o3"], "chat": ["claude-3-opus"]}
    assert RuleGenerator().analyze_sample(by_vendor)["jmespath_rule"] == "*[].{id: @}"


def test_models_by_vendor_below_keys_that_name_purposes_are_one_listing():
    def component(name, *models):
        return {
            "name": name,
            "models": [{"label": each, "name": each} for each in models],
            "regions": [{"name": "us-1"}],
        }

    sample = {
        "chat": [component("chatAcme", "acme-talk", "gpt-4o"), component("chatZeta", "claude-3-haiku")],
        "llm": [component("acme", "gpt-3.5-turbo-instruct")],
        "embedding": [component("acmeVectors", "acme-vec", "text-embedding-3-large")],
    }
    states = {model_id: row["capabilities"] for model_id, row in rows_of(sample).items()}
    assert len(states) == 6
    assert (states["acme-talk"]["chat"], states["acme-vec"]["embedding"], states["acme-vec"]["chat"]) == (
        True,
        True,
        False,
    )
    assert states["gpt-3.5-turbo-instruct"].get("chat") is not True


def test_lists_of_objects_by_purpose_are_one_listing_whatever_their_fields():
    sample = {
        "llmModels": [
            {
                "model": f"acme-{n}",
                "name": f"A{n}",
                "maxContext": 8000 + n,
                "maxResponse": 400 + n,
                "vision": n == 1,
                "price": 0,
            }
            for n in range(4)
        ],
        "vectorModels": [{"model": "acme-vec", "name": "V", "defaultToken": 512, "weight": 100}],
        "reRankModels": [{"model": "acme-order", "name": "R"}],
    }
    rows = rows_of(sample)
    purposes = {name: row["capabilities"] for name, row in rows.items()}
    assert (purposes["acme-0"]["chat"], purposes["acme-vec"]["embedding"], purposes["acme-order"]["rerank"]) == (
        True,
    ) * 3
    assert (rows["acme-1"]["context_length"], rows["acme-1"]["max_output_tokens"]) == (8001, 401)


def test_providers_that_each_name_their_models_are_a_listing_of_models():
    sample = [
        {"provider": "acme", "name": "acme", "features": ["chat"], "models": ["gpt-4o", "acme-one"]},
        {"provider": "zeta", "name": "zeta", "features": ["chat"], "models": ["mistral-large-latest"]},
    ]
    assert set(rows_of(sample)) == {"gpt-4o", "acme-one", "mistral-large-latest"}


def test_models_that_name_others_as_their_bases_are_the_listing():
    sample = {
        "data": [{"id": f"acme-{n}", "supported_models": ["gpt-4o", "o3"], "created": 1700000000 + n} for n in range(2)]
    }
    assert set(rows_of(sample)) == {"acme-0", "acme-1"}
