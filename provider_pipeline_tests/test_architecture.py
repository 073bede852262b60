"""The page on the architecture names what exists."""

import re
from pathlib import Path

import dagster as dg

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "provider_pipeline"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
GLOSSARY = PAGE.partition("## Glossary")[2]


def test_every_path_that_is_named_exists():
    paths = re.findall(r"`([\w./]+(?:/|\.py|\.yaml))`", PAGE)
    assert len(paths) > 30
    assert [path for path in paths if path != "provider_pipeline/" and not (PACKAGE / path).exists()] == []


def test_every_package_has_its_line():
    named = set(re.findall(r"^\| `([\w./]+)` \|", PAGE, flags=re.MULTILINE))
    packages = {f"{each.parent.name}/" for each in PACKAGE.glob("*/__init__.py")}
    assert packages - named == set()


def test_every_page_that_is_linked_exists():
    for page in re.findall(r"\]\(([\w./]+)\)", PAGE):
        assert (ROOT / "docs" / page).is_file(), page


def test_the_glossary_has_at_most_thirty_words():
    words = re.findall(r"^\| ([^|]+) \|", GLOSSARY, flags=re.MULTILINE)[1:]
    assert 20 <= len(words) <= 30
    assert len(words) == len(set(words))


def test_the_example_of_own_definitions_works():
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    found: dict[str, dg.Definitions] = {}
    exec(compile(example, "docs/architecture.md", "exec"), found)
    assert {tuple(spec.owners) for each in found["defs"].assets for spec in each.specs} == {("team:gateway",)}
