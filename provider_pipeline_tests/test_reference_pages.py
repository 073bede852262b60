import re

import pytest

from provider_pipeline.catalog import database, database_errors
from provider_pipeline.listing.auth import secrets
from provider_pipeline.sync import webhook
from provider_pipeline_tests.reference_pages import PAGES, ROOT


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_pages_are_those_of_the_code(name: str):
    committed = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert committed == PAGES[name](), "generate it anew, as its last line says"


def test_the_settings_page_lists_every_variable_that_the_code_reads():
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "provider_pipeline").rglob("*.py"))
    read = set(re.findall(r'"(PROVIDER_PIPELINE_[A-Z_]*[A-Z])"', sources)) | {"DAGSTER_POSTGRES_URL"}
    assert {database.HOME_VARIABLE, database_errors.URL_VARIABLE, secrets.KEY_FOLDERS, webhook.URL_VARIABLE} <= read
    listed = set(re.findall(r"`((?:PROVIDER_PIPELINE|DAGSTER)_[A-Z_]+)`", page.partition("## Database")[0]))
    assert listed == read


def test_every_page_is_in_the_navigation_of_the_site():
    navigation = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert set(re.findall(r'"([\w-]+\.md)"', navigation)) == pages
