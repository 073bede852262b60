"""Capabilities from the items' own metadata."""

import pytest

from provider_pipeline_tests.rules.generation.generated import rows_of


@pytest.mark.parametrize(
    "written", [(True, False), ("true", "false"), ("yes", "no"), (1, 0)], ids=["booleans", "texts", "words", "numbers"]
)
@pytest.mark.parametrize("key", ["supports_vision", "hasVision", "isVisionSupported", "vision_enabled"])
def test_booleans_are_understood_in_every_spelling(key, written):
    rows = rows_of({"data": [{"id": "m1", key: written[0]}, {"id": "m2", key: written[1]}]})
    assert [rows[name]["capabilities"].get("vision") for name in ("m1", "m2")] == [True, False]
