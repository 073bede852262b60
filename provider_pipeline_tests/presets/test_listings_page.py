from pathlib import Path

from provider_pipeline_tests.presets.listings_page import page


def test_the_page_about_what_listings_state_is_that_of_the_samples():
    committed = (Path(__file__).parents[2] / "docs" / "listings.md").read_text(encoding="utf-8")
    assert committed == page(), "generate it anew, as its last line says"
