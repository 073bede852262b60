"""The settings of a LiteLLM proxy. What LiteLLM makes of them is tested in `peers`."""

import pytest
import yaml

from provider_pipeline_tests.exports.conftest import Exporter
from provider_pipeline_tests.exports.test_litellm import BIG


def test_the_proxy_is_told_the_name_of_the_keys_variable(exported: Exporter, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ACME_API_KEY", "sk-very-secret")
    found = exported("litellm-proxy")
    first = yaml.safe_load(found.content)["model_list"][0]
    assert first["model_name"] == "acme/claude-big"
    assert first["litellm_params"] == {
        "model": "openai/claude-big",
        "api_base": "https://api.acme.example/v1",
        "api_key": "os.environ/ACME_API_KEY",
    }
    assert first["model_info"] == {"id": "acme/claude-big"} | {
        name: value for name, value in BIG.items() if name != "litellm_provider"
    }
    assert b"sk-very-secret" not in found.content
