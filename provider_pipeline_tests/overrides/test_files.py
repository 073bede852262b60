"""Files of overrides, as read and as stored."""

import time
from datetime import UTC, datetime

import pytest

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.overrides.entries import stated_overrides
from provider_pipeline.overrides.files import read_files
from provider_pipeline_tests.catalog.builders import register

YAML = """\
provider: openai
reason: OpenAI's price list
source: https://openai.example/pricing
valid_from: 2026-01-01
overrides:
  - model: gpt-4o
    set:
      prices.input: 2.5
      context_length: 128000
  - pattern: gpt-4o*
    field: prices.output
    value: 0.00001
    unit: usd_per_token
    currency: EUR
  - pattern: 're:o[0-9].*'
    field: retires_on
    value: 2026-12-31
    expires: 2027-01-01T12:00:00+02:00
"""
CSV = """\
provider,model,pattern,field,value,unit,currency,reason,valid_from
openai,gpt-4o,,prices.input,2.5,,,listed,2026-01-01
openai,,o*,capabilities.vision,true,,,seen,
openai,gpt-4o,,prices.cache_read,"{""amount"": 1.25, ""tiers"": [{""above"": 200000, ""amount"": 2.5}]}",,,listed,
openai,gpt-4o,,family,null,,,unknown,
"""


@pytest.fixture
def stated(session, tmp_path):
    register(session, "openai")

    def read(text: str, name: str = "team.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return stated_overrides(session, read_files(tmp_path / name).entries)

    return read


def test_yaml_shares_fields_and_sets_several_of_a_model(stated):
    first, second, third, fourth = stated(YAML)
    assert (first.model_id, first.match, first.field) == ("gpt-4o", "model", "prices.input")
    assert first.value == {"amount": 2.5, "unit": "million_tokens", "currency": "USD"}
    assert (first.source_url, first.valid_from) == ("https://openai.example/pricing", datetime(2026, 1, 1, tzinfo=UTC))
    assert (second.field, second.value) == ("context_length", 128_000)
    assert (third.match, third.value) == ("glob", {"amount": 10, "unit": "million_tokens", "currency": "EUR"})
    assert (fourth.match, fourth.model_id, fourth.value) == ("re2", "o[0-9].*", "2026-12-31")
    assert fourth.expires_at == datetime(2027, 1, 1, 10, tzinfo=UTC)


def test_csv_says_the_same_cell_by_cell(stated):
    price, vision, cached, family = stated(CSV, "team.csv")
    assert (price.value["amount"], price.valid_from) == (2.5, datetime(2026, 1, 1, tzinfo=UTC))
    assert (vision.match, vision.field, vision.value, vision.valid_from) == ("glob", "capabilities.vision", True, None)
    assert cached.value["tiers"] == [{"above": 200_000, "amount": 2.5}]
    assert (family.field, family.value) == ("family", None)


def test_a_price_column_and_its_component_are_one_field(stated):
    (price,) = stated("openai,a,input_price,2.5,x".join(("provider,model,field,value,reason\n", "\n")), "a.csv")
    assert (price.field, price.value["amount"]) == ("prices.input", 2.5)
    twice = "provider,model,field,value,reason\nopenai,a,input_price,2.5,x\nopenai,a,prices.input,3,x\n"
    with pytest.raises(ConfigurationError, match=r"a\.csv:3: prices\.input of a is stated twice, first at .*a\.csv:2"):
        stated(twice, "a.csv")


def test_the_files_of_a_folder_are_one_set_named_after_it(tmp_path):
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "a.yaml").write_text(YAML, encoding="utf-8")
    (folder / "b.csv").write_text(CSV, encoding="utf-8")
    (folder / "README.md").write_text("no overrides", encoding="utf-8")
    files = read_files(folder)
    assert (files.name, len(files.entries)) == ("prices", 8)
    assert read_files(folder, name="team").name == "team"


ENTRY = "overrides:\n  - {provider: openai, model: a, reason: x, "


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (ENTRY + "field: colour, value: 1}\n", "a.yaml", r"a\.yaml:2: no field 'colour'"),
        (ENTRY + "field: context_length, value: many}\n", "a.yaml", r"a\.yaml:2: context_length cannot be 'many'"),
        (ENTRY + "field: family}\n", "a.yaml", r"a\.yaml:2: value: Field required"),
        (ENTRY + "field: family, value: x, unit: usd_per_token}\n", "a.yaml", "neither unit nor currency"),
        (ENTRY + "field: prices.input, value: 1, unit: usd_per_mile}\n", "a.yaml", r"2: unknown unit 'usd_per_mile'"),
        (ENTRY + "field: prices.input, value: 1, currency: XXX}\n", "a.yaml", r"2: unknown currency 'XXX'"),
        (ENTRY + "field: family, value: x, pattern: a*}\n", "a.yaml", r"2: expected either a model or a pattern"),
        (ENTRY + "field: family, value: x, valid_from: soon}\n", "a.yaml", r"2: valid_from: "),
        (ENTRY + "field: family, value: x, colour: red}\n", "a.yaml", r"2: colour: Extra inputs"),
        (ENTRY + "field: family, set: {family: x}}\n", "a.yaml", r"2: expected `set`"),
        ("overrides: 5\n", "a.yaml", r"a\.yaml: expected a list named `overrides`"),
        ("model: a\noverrides: []\n", "a.yaml", r"a\.yaml:1: model: not a field of a file"),
        ("overrides: [\n", "a.yaml", r"a\.yaml:2: "),
        ("provider,colour\n", "a.csv", r"a\.csv:1: 'colour' is not a column"),
        ("provider,model\nopenai\n", "a.csv", r"a\.csv:2: expected 2 cells, got 1"),
        ("provider,pattern,field,value,reason\nopenai,a(,family,x,y\n", "a.csv", r"a\.csv:2: the pattern 'a\('"),
        ("provider,pattern,field,value,reason\nopenai,re:a(,family,x,y\n", "a.csv", r"a\.csv:2: not an RE2 pattern"),
        ("provider,model,field,value,reason\nacme,a,family,x,y\n", "a.csv", r"a\.csv:2: no provider 'acme'"),
        ("x", "a.txt", "not a file of overrides"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(stated, text, name, message):
    with pytest.raises(ConfigurationError, match=message):
        stated(text, name)


def test_the_first_problem_says_how_many_others_there_are(stated):
    rows = "openai,a,colour,x,y\n" * 3
    with pytest.raises(ConfigurationError, match=r"a\.csv:2: no field 'colour'.*\(and 2 more\)"):
        stated("provider,model,field,value,reason\n" + rows, "a.csv")


def test_ten_thousand_overrides_are_read_in_seconds(stated):
    rows = "".join(f"openai,model-{number},prices.input,2.5,listed\n" for number in range(10_000))
    begun = time.perf_counter()
    assert len(stated("provider,model,field,value,reason\n" + rows, "a.csv")) == 10_000
    assert time.perf_counter() - begun < 20
