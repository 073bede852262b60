"""The settings of applications: addresses, prices, and never a key."""

import json

import pytest
import yaml

from provider_pipeline_tests.exports.conftest import Exporter


@pytest.mark.parametrize("form", ["librechat", "continue", "zed", "llm", "aichat"])
def test_an_application_is_told_the_address_and_never_a_key(
    exported: Exporter, form: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ACME_API_KEY", "sk-very-secret")
    found = exported(form)
    assert b"https://api.acme.example/v1" in found.content
    assert b"claude-big" in found.content
    assert b"sk-very-secret" not in found.content
    assert found.left_out["painter"].startswith("not known to be for chat")
    assert json.loads(found.content) if form == "zed" else yaml.safe_load(found.content)
    assert b"*id" not in found.content  # YAML's aliases


def test_librechat_charges_what_is_listed(exported: Exporter):
    (endpoint,) = yaml.safe_load(exported("librechat").content)["endpoints"]["custom"]
    assert endpoint["tokenConfig"] == {
        "claude-big": {"prompt": 0.8, "completion": 4, "context": 1_000_000, "cacheRead": 0.08}
    }
    assert endpoint["apiKey"] == "${ACME_API_KEY}"
