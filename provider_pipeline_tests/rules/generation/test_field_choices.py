import pytest

from provider_pipeline import RuleGenerator, RuleValidator

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
