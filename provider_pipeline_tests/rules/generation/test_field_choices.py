import pytest

from provider_pipeline import RuleGenerator, RuleValidator
from provider_pipeline.rules.generation.explain import explain_rule

_REQUEST = "all within seconds: the time of the request"


def rows_of(*items):
    sample = {"data": [{"id": f"acme-{n}", "context_length": 8192 + n, **item} for n, item in enumerate(items)]}
    rule = RuleGenerator().analyze_sample(sample)
    result = RuleValidator().validate_rule(rule, sample)
    assert result["valid"]
    return rule, result["extracted_models"]


@pytest.mark.parametrize(
    ("field", "key", "listed"),
    [
        ("released_on", "release_date", ["2026-03-01", "2025-01-02"]),
        ("released_on", "releasedAt", ["2026-03-01T10:00:00Z", "2025-01-02T08:30:00+00:00"]),
        ("released_on", "launch_date", [1772323200, 1735776000]),
        ("deprecated_on", "deprecated_at", ["2026-03-01T00:00:00Z", "2025-01-02T00:00:00Z"]),
        ("deprecated_on", "legacyTime", ["2026-03-01T00:00:00Z", "2025-01-02T00:00:00Z"]),
        ("retires_on", "retires_at", ["2026-03-01T00:00:00Z", "2025-01-02T00:00:00Z"]),
        ("retires_on", "retirement_date", ["2026-03-01", "2025-01-02"]),
        ("retires_on", "shutdown_date", ["2026-03-01", "2025-01-02"]),
        ("retires_on", "expiration_date", ["2026-03-01", "2025-01-02"]),
        ("retires_on", "endOfLifeTime", [1772323200000, 1735776000000]),
        ("retires_on", "deprecation_date", ["2026-03-01", "2025-01-02"]),
        ("retires_on", "deprecationDate", [{"year": 2026, "month": 3, "day": 1}, {"year": 2025, "month": 1, "day": 2}]),
        ("knowledge_cutoff", "knowledge_cutoff", ["2026-03-01", "January 2, 2025"]),
        ("knowledge_cutoff", "knowledge", ["2026-03", "2025-01-02"]),
    ],
)
def test_dates_are_read_by_their_words_however_they_are_written(field, key, listed):
    _, rows = rows_of(*({key: value} for value in listed), {})
    assert [row[field] for row in rows] == ["2026-03-01", "2025-01-02", None]
    others = {"released_on", "deprecated_on", "retires_on", "knowledge_cutoff"} - {field}
    assert all(row[other] is None for row in rows for other in others)


def test_a_deprecation_date_beside_the_end_is_when_the_deprecation_began():
    _, rows = rows_of({"deprecation_date": "2026-05-12T00:00:00Z", "eol_date": "2026-06-12T00:00:00Z"}, {}, {})
    assert (rows[0]["deprecated_on"], rows[0]["retires_on"]) == ("2026-05-12", "2026-06-12")


def test_of_several_kinds_of_use_the_end_of_inference_is_the_models():
    ends = [{"deprecation": {"fine_tune": 1735689600, "inference": day}} for day in (1772323200, 1735776000)]
    _, rows = rows_of(*ends, {})
    assert [row["retires_on"] for row in rows] == ["2026-03-01", "2025-01-02", None]


def test_a_time_of_creation_or_of_unloading_is_no_date_of_the_models_life():
    times = [{"created": 1772323200 + n * 86_400, "expires_at": f"2026-03-0{n + 1}T10:00:00Z"} for n in range(3)]
    _, rows = rows_of(*times)
    assert all(row["released_on"] is None and row["retires_on"] is None for row in rows)
    assert rows[0]["metadata_json"]["created"] == "2026-03-01T00:00:00Z"


@pytest.mark.parametrize(
    ("key", "values", "reason"),
    [
        ("release_date", ["2026-03-01"] * 3, "constant"),
        (
            "release_date",
            ["2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z"],
            _REQUEST,
        ),
        ("retires_on", ["2030-12-31"] * 3, "constant"),
        (
            "retires_on",
            [f"2026-03-01T10:00:0{n}Z" for n in range(3)],
            _REQUEST,
        ),
    ],
)
def test_a_constant_or_the_time_of_the_request_is_no_date(key, values, reason):
    rule, _ = rows_of(*({key: value} for value in values))
    assert rule["evidence"]["junk"] == {key: reason}
    assert not {"released_on", "retires_on"} & set(rule["fields"])


@pytest.mark.parametrize("never", ["9999-12-31", "0001-01-01T00:00:00Z", "1970-01-01", "", 0])
def test_what_stands_for_never_is_no_date(never):
    rule, rows = rows_of({"retires_on": never}, {"retires_on": never})
    assert "retires_on" not in rule["fields"]
    _, rows = rows_of({"retires_on": never}, {"retires_on": "2027-01-01"})
    assert [row["retires_on"] for row in rows] == [None, "2027-01-01"]


def test_several_models_may_end_on_one_day():
    _, rows = rows_of({"retires_on": "2027-01-01"}, {"retires_on": "2027-01-01"}, {}, {})
    assert [row["retires_on"] for row in rows] == ["2027-01-01", "2027-01-01", None, None]


@pytest.mark.parametrize("key", ["replacement_model", "deprecation_replacement_model", "supersededBy", "successor"])
def test_the_model_that_is_advised_instead_is_read(key):
    _, rows = rows_of({key: "acme-1"}, {key: ""}, {})
    assert [row["successor_model_id"] for row in rows] == ["acme-1", None, None]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"lifecycle": "deprecated"}, {"lifecycle": "ga-2"}], ["deprecated", "ga-2"]),
        ([{"status": "active"}, {"status": "sunsetting soon"}], ["active", "sunsetting soon"]),
        ([{"deprecated": True}, {"deprecated": False}], ["deprecated", None]),
        ([{"stage": "beta", "is_deprecated": True}, {"stage": None, "is_deprecated": True}], ["beta", "deprecated"]),
        ([{"status": "succeeded"}, {"status": "running"}], [None, None]),
        ([{"state": "loaded"}, {"state": "not-loaded"}], [None, None]),
    ],
)
def test_the_providers_word_for_the_lifecycle_is_kept_under_one_name(items, words):
    _, rows = rows_of(*items)
    assert [row["metadata_json"].get("lifecycle") for row in rows] == words
    assert not any("status" in row["metadata_json"] for row in rows)


def test_an_input_limit_is_kept_beside_the_window():
    _, rows = rows_of({"context_length": 400_000, "max_prompt_tokens": 272_000}, {"context_length": 8192})
    assert [(row["context_length"], row["max_input_tokens"]) for row in rows] == [(400_000, 272_000), (8192, None)]


def test_where_only_the_longest_input_is_listed_it_is_the_window_too():
    sample = {"models": [{"name": f"models/gemini-{n}", "inputTokenLimit": 1000 + n} for n in range(3)]}
    rule = RuleGenerator().analyze_sample(sample)
    row = RuleValidator().validate_rule(rule, sample)["extracted_models"][0]
    assert (row["context_length"], row["max_input_tokens"]) == (1000, 1000)


def test_facts_are_kept_under_fixed_names():
    item = {
        "description": "Good. " * 1000,
        "license": "apache-2.0",
        "open_weights": True,
        "hugging_face_url": "https://huggingface.co/acme/one",
        "canonical_slug": "acme/one-2026",
        "supported_parameters": ["temperature", "tools"],
        "region": "eu",
        "model_type": "chat",
        "embedding_size": 1024,
        "rate_limits": {"rpm": 60, "tpm": "100K"},
        "type": "model",
    }
    _, rows = rows_of(item, {}, {})
    facts = rows[0]["metadata_json"]
    assert len(facts.pop("description")) == 2000
    assert facts == {
        "license": "apache-2.0",
        "open_weights": True,
        "hugging_face_id": "acme/one",
        "canonical_slug": "acme/one-2026",
        "supported_parameters": ["temperature", "tools"],
        "regions": ["eu"],
        "type": "chat",
        "dimensions": 1024,
        "requests_per_minute": 60,
        "tokens_per_minute": 100_000,
    }


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("max_output_dimension", "dimensions"),
        ("embed_dim", "dimensions"),
        ("maxRpm", "requests_per_minute"),
        ("max_tpm", "tokens_per_minute"),
    ],
)
def test_a_number_of_dimensions_or_requests_is_no_limit_of_the_output(name, fact):
    _, (row, _) = rows_of({name: 1536}, {name: 3072})
    assert row["metadata_json"][fact] == 1536
    assert row["max_output_tokens"] is None


def test_the_type_of_a_price_is_not_the_type_of_the_model():
    rule, rows = rows_of(
        {"pricing": {"type": "tokens_1m", "input": 2.5}}, {"pricing": {"type": "tokens_1m", "input": 1}}
    )
    assert "type" not in rule["fields"]
    assert all("type" not in row["metadata_json"] for row in rows)


def test_an_email_address_is_that_of_a_person_not_of_an_owner():
    _, rows = rows_of({"creator": "ada@acme.example"}, {"creator": ""}, {"creator": "ben@acme.example"})
    assert all("owned_by" not in row["metadata_json"] for row in rows)
    _, rows = rows_of({"creator": "ada@acme.example", "publisher": "Acme"}, {"creator": "", "publisher": "Zeta"})
    assert [row["metadata_json"]["owned_by"] for row in rows] == ["Acme", "Zeta"]


def unread(items, **around):
    rule = RuleGenerator().analyze_sample({"data": items, **around})
    found = [issue for issue in rule["issues"] if issue["type"] == "unread_fields"]
    return [(issue["severity"], issue["message"]) for issue in found], rule


PRICED = {"pricing": {"prompt": 0.5, "completion": 2.0}, "context_length": 8192}


def models(**fields):
    return [{"id": f"gpt-4o-{n}", **fields} for n in range(3)]


def test_a_rule_that_reads_everything_says_nothing():
    assert unread(models(**PRICED, owned_by="acme"))[0] == []


def test_fields_about_money_limits_dates_and_capabilities_are_named_prices_first():
    (found,), rule = unread(
        models(**PRICED, priceperimage=0.02, max_images=60, last_sunset="2027-01-01", quirk_features=["a"])
    )
    assert found == (
        "info",
        "the rule does not read priceperimage, max_images, last_sunset, quirk_features",
    )
    assert {"expression": "priceperimage", "reason": "speaks of a price; no field or predicate reads it"} in (
        explain_rule(rule)["left_out"]
    )


def test_prices_of_which_none_is_read_are_a_warning():
    ((severity, message),), _ = unread(models(fee_schedule={"per_tile": 0.02}))
    assert (severity, message) == ("warning", "the rule does not read fee_schedule.per_tile")


def test_prices_in_lists_that_cannot_be_told_apart_are_named():
    entries = [{"since": "2026-01-01", "input": 1, "output": 2}, {"since": "2027-01-01", "input": 2, "output": 4}]
    ((severity, message),), _ = unread(models(prices=entries))
    assert (severity, message) == ("warning", "the rule does not read prices[].input, prices[].output")


def test_prices_for_some_hours_in_a_list_by_prompt_size_are_named():
    overrides = [{"min_prompt_tokens": 200_000, "prompt": 5}, {"utc_start": "16:00", "utc_end": "00:00", "prompt": 1}]
    pricing = {"prompt": 2.5, "completion": 10, "overrides": overrides}
    (found,), rule = unread(models(pricing=pricing))
    assert found == ("info", "the rule does not read pricing.overrides[?utc_start].prompt")
    assert "price.input.tiers" in rule["fields"]


def test_sizes_of_images_whose_money_is_unsaid_are_named():
    (found,), _ = unread(models(image={"1024x1024": {"price": 4}, "1024x1792": {"price": 8}}))
    assert found == ("warning", 'the rule does not read image."1024x1024".price, image."1024x1792".price')


def currencies(items, **around):
    rule = RuleGenerator().analyze_sample({"data": items, **around})
    result = RuleValidator().validate_rule(rule, {"data": items, **around})
    return [
        (issue["severity"], issue["message"])
        for issue in (*rule["issues"], *result["issues"])
        if issue["type"] == "other_currency"
    ]


def test_prices_in_another_currency_are_a_warning_of_the_rule_and_noted_in_the_verdict():
    pricing = {"prompt": 0.5, "completion": 2.0}
    for found in (
        currencies(models(pricing=pricing | {"currency": "EUR"})),
        currencies(models(pricing=pricing), currency="EUR"),
        currencies(models(pricing={"prompt_eur": 0.5, "completion_eur": 2.0})),
    ):
        assert found == [
            ("warning", "prices in EUR are kept so, and input_price and output_price stay empty"),
            ("info", "the prices of 3 models are kept in EUR; input_price and output_price stay empty"),
        ]
    assert currencies(models(pricing=pricing | {"currency": "USD"})) == []


def test_prices_in_an_unknown_currency_are_not_read_and_the_rule_says_so():
    item = {"pricing": {"currency": "credits", "prompt": 0.5, "completion": 2.0}}
    assert currencies(models(**item)) == [("warning", "prices in credits are not read")]


def test_empty_and_zero_values_and_other_spellings_of_what_is_read_are_not_named():
    fields = {"batch_price": 0, "deprecation_note": "", "top_provider": {"context_length": 8192}}
    assert unread(models(**PRICED, **fields))[0] == []


def test_a_multiplier_of_prices_is_named():
    ((severity, message),), _ = unread(models(multiplier="2x"))
    assert (severity, message) == ("warning", "the rule does not read multiplier")


def prices_unread(*items, **around):
    return {
        name.removesuffix(": price")
        for issue in RuleGenerator().analyze_sample({"data": [*items], **around})["issues"]
        if issue["type"] == "unread_fields"
        for name in issue["sample"]
    }


def test_units_that_are_not_kept_are_named_where_others_of_the_field_are_read():
    rows = [("veo-3", 0.4, "second"), ("flux-1-dev", 0.025, "megapixels"), ("kling-2", 0.3, "video")]
    found = prices_unread(*({"id": name, "unit_price": amount, "unit": unit} for name, amount, unit in rows))
    assert found == {"unit_price (where unit is 'megapixels')", "unit_price (where unit is 'video')"}


def test_entries_of_a_list_that_is_read_are_named():
    value = [
        {"unit": "per M input tokens", "price": 0.3},
        {"unit": "per M output tokens", "price": 1.2},
        {"unit": "per step", "price": 0.0001},
    ]
    (name,) = prices_unread({"id": "gpt-4o", "properties": [{"property_id": "price", "value": value}]})
    assert "'per step'" in name


def test_prices_in_lists_inside_lists_are_named():
    ends = [{"host": "a", "pricing": [{"threshold": 0, "input": 1, "output": 2}, {"threshold": 9, "input": 2}]}] * 2
    assert prices_unread({"id": "gpt-4o", "endpoints": ends}) == {
        "endpoints[].pricing[].input",
        "endpoints[].pricing[].output",
    }


def test_other_prices_of_the_same_kind_are_named_unless_they_say_the_same():
    price = {"input": 2.5, "output": 10}
    item = {"id": "gpt-4o", "pricing": price, "usd": {"per_million": price}, "sale_price": {"input": 2, "output": 8}}
    assert prices_unread(item) == {"sale_price.input", "sale_price.output"}


def test_amounts_by_size_are_named_though_nothing_says_that_they_are_money():
    found = prices_unread({"id": "dall-e-3", "sizes": {"1024x1024": 0.04, "1024x1792": 0.08}, "fps": {"720p": 30}})
    assert found == {'sizes."1024x1024"', 'sizes."1024x1792"'}


@pytest.mark.parametrize(
    "item",
    [
        {"pricing": {"input": 2.5, "output": 10, "cache_storage_per_hour": 4.5}},
        {"pricing": {"input": 2.5, "output": 10, "night": {"input": 1}}},
        {"pricing": {"input": 2.5, "output": 10, "weekend": {"output": 5}}},
        {"pricing": [{"input": 2.5, "output": 10}, {"hours": "16:30-00:30", "output": 5}]},
        {"pricing": {"input": 2.5, "output": 10, "resolutions": {"720p": {"usd": 0.1}}}},
        {"estimated_cost": {"input_tokens": 1000, "output_tokens": 50}},
        {"pricing_usd_per_1k": [0.0025, 0.01]},
        {"pricing": {"input": "250¢/M", "output": "2.50-5.00"}},
        {"credits_per_million_tokens": 1.2},
    ],
)
def test_a_price_that_is_none_of_the_models_is_named(item):
    assert prices_unread({"id": "gpt-4o", **item})


def test_a_key_with_half_a_character_is_read_past():
    assert unread(models(**PRICED, **{"\ud800": 0.5}))[0] == []
