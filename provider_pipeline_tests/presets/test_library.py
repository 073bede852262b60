"""A user's own provider files: what they may contain, and how invalid ones are refused."""

from datetime import timedelta
from pathlib import Path

import pytest

from provider_pipeline.errors import ConfigurationError
from provider_pipeline.presets.file_rules import first_rule
from provider_pipeline.presets.library import load_provider_file, load_provider_folder
from provider_pipeline.presets.model import ProviderFile
from provider_pipeline_tests.presets.vendor import ACME, source_of

REGIONAL = """\
slug: acme
name: Acme
variables:
  region: {description: the region of the account, example: eu-1, env: ACME_REGION}
  tier: {description: the tier, example: gold, default: silver}
base_url: https://{region}.acme.example
auth: {type: header, name: "x-{tier}-key", env: ACME_API_KEY}
endpoints:
  - path: "/{tier}/models"
"""


def written(tmp_path: Path, text: str, name: str = "acme.yaml") -> Path:
    file = tmp_path / name
    file.write_text(text)
    return file


def refusal(tmp_path: Path, text: str) -> str:
    """The error of an invalid file in one line, without its folder."""
    with pytest.raises(ConfigurationError) as raised:
        load_provider_file(written(tmp_path, text))
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith(f"{tmp_path}/acme.yaml")
    return line.removeprefix(f"{tmp_path}/")


def test_a_short_file_is_enough_and_needs_no_sources(tmp_path: Path):
    acme = load_provider_file(written(tmp_path, ACME))
    source = source_of(acme)
    assert source.url(source.endpoints[0]) == "https://api.acme.example/v1/models"
    assert (acme.kind, acme.works_without_key, acme.check_every) == ("commercial", False, None)
    assert acme.without_source == ("base_url", "endpoints", "auth")


def test_all_settings_of_a_provider_can_be_in_its_file(tmp_path: Path):
    acme = load_provider_file(
        written(
            tmp_path,
            ACME
            + "    pagination: {type: page_token, param: page_token, token: next_page_token}\n"
            + "request: {allow_private: true, requests_per_second: 2}\n"
            + "check_every: 6h\nthresholds: {min_models: 5}\n",
        )
    )
    assert acme.check_every == timedelta(hours=6)
    assert acme.thresholds == {"min_models": 5}
    source = source_of(acme)
    assert source.policy.requests_per_second == 2
    assert source.endpoints[0].pagination.type == "page_token"
    assert ProviderFile.model_validate(acme.model_dump(mode="json")) == acme


def test_names_at_peers_can_differ_by_what_models_are_for(tmp_path: Path):
    acme = load_provider_file(
        written(tmp_path, ACME + "ids: {litellm: {default: acme, chat: acme_chat}, otel: acme.ai}\n")
    )
    assert (acme.ids.litellm, acme.ids.otel, acme.ids.models_dev) == (
        {"default": "acme", "chat": "acme_chat"},
        "acme.ai",
        None,
    )
    assert "ids" in acme.without_source
    assert ProviderFile.model_validate(acme.model_dump(mode="json")) == acme


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("{chat: acme_chat}", "and for 'default'"),
        ("{default: acme, gossip: acme}", "and for 'default'"),
        ("Acme AI", "got 'Acme AI'"),
    ],
)
def test_an_unreadable_name_at_a_peer_is_refused(tmp_path: Path, names: str, says: str):
    assert says in refusal(tmp_path, ACME + f"ids: {{litellm: {names}}}\n")


@pytest.mark.parametrize("stated", ["", "    url: https://a.example\n    sdk: acme 1.0\n", "    sdk: acme\n"])
def test_a_source_is_a_page_or_an_sdk_with_its_version(tmp_path: Path, stated: str):
    sources = "sources:\n  - facts: [auth]\n" + stated + "    looked_up: 2026-11-30\n"
    with pytest.raises(ConfigurationError, match=r"sdk"):
        load_provider_file(written(tmp_path, ACME + sources))
    by_sdk = sources.replace(stated, "") + "    sdk: acme-sdk 1.0rc1\n"
    assert load_provider_file(written(tmp_path, ACME + by_sdk)).without_source == ("base_url", "endpoints")


def test_the_first_rule_has_the_endpoints_of_the_file(tmp_path: Path):
    acme = load_provider_file(
        written(
            tmp_path,
            ACME
            + "    pagination: {type: next_url, token: next}\n"
            + '    detail: {path: "/v1/models/{id}"}\n'
            + "  - path: /v1/voices\n",
        )
    )
    assert first_rule(acme) is None
    rule = first_rule(acme, {"data": [{"id": "gpt-4o"}, {"id": "o3"}]})
    assert rule is not None
    models, voices = rule.endpoints
    assert (models.path, models.pagination, models.selector) == (
        "/v1/models",
        {"type": "next_url", "token": "next"},
        "data[*]",
    )
    assert models.detail is not None
    assert (models.detail.path, voices.path, voices.pagination, voices.detail) == (
        "/v1/models/{id}",
        "/v1/voices",
        None,
        None,
    )


def test_placeholders_are_filled_from_values_then_the_environment_then_defaults(tmp_path: Path):
    acme = load_provider_file(written(tmp_path, REGIONAL))
    assert acme.filled({"region": "us-2", "tier": "gold"}).base_url == "https://us-2.acme.example"
    found = acme.filled(environ={"ACME_REGION": "eu-3"})
    assert (found.base_url, found.auth["name"], found.endpoints[0].path, found.variables) == (
        "https://eu-3.acme.example",
        "x-silver-key",
        "/silver/models",
        {},
    )
    assert found.filled() is found


def test_a_missing_unknown_or_dangerous_value_is_named(tmp_path: Path):
    acme = load_provider_file(written(tmp_path, REGIONAL))
    with pytest.raises(ConfigurationError, match=r"acme needs a value for region: .*region=eu-1, or set ACME_REGION"):
        acme.filled()
    with pytest.raises(ConfigurationError, match="acme has no variable 'zone'"):
        acme.filled({"region": "eu-1", "zone": "a"})
    for value in ("evil.example/", "a@evil.example", "a b", "", "..", "a?b", "a#b", "{tier}"):
        with pytest.raises(ConfigurationError, match="acme"):
            acme.filled({"region": value})


@pytest.mark.parametrize(
    ("text", "line"),
    {
        "a field that does not exist": (ACME + "modles: 3\n", "acme.yaml:7: modles: Extra inputs are not permitted"),
        "a missing field": (ACME.replace("name: Acme\n", ""), "acme.yaml:1: name: Field required"),
        "a slug in capitals": (ACME.replace("slug: acme", "slug: ACME"), "acme.yaml:1: slug: "),
        "an address of another scheme": (
            ACME.replace("https://api.acme.example", "ftp://acme.example"),
            "acme.yaml:3: base_url: ",
        ),
        "a secret in the address": (
            ACME.replace("https://api.acme.example", "https://api.acme.example?api_key=1234"),
            "acme.yaml:3: base_url: ",
        ),
        "an unknown kind of key": (ACME.replace("bearer", "barer"), "acme.yaml:4: auth: "),
        "an endpoint elsewhere": (
            ACME.replace("/v1/models", "https://evil.example/models"),
            "acme.yaml:5: endpoints: endpoint https://evil.example/models is not a path",
        ),
        "an unknown pagination": (
            ACME + "    pagination: {type: magic}\n",
            "acme.yaml:7: endpoints.0.pagination: ",
        ),
        "a threshold that does not exist": (ACME + "thresholds: {no_such: 1}\n", "acme.yaml:7: thresholds: no_such: "),
        "a request setting that does not exist": (
            ACME + "request:\n  allow_privat: true\n",
            "acme.yaml:8: request.allow_privat: ",
        ),
        "a currency that is unknown": (ACME + "currency: TAO\n", "acme.yaml:7: currency: unknown currency 'TAO'"),
        "a time without unit": (ACME + "check_every: 90\n", "acme.yaml:7: check_every: expected a text such as 30m"),
        "a time in words": (ACME + "check_every: hourly\n", "acme.yaml:7: check_every: expected a number of minutes"),
        "an undeclared placeholder": (
            ACME.replace("api.acme", "{zone}.acme"),
            "acme.yaml:3: base_url: the placeholder {zone} has no entry in 'variables'",
        ),
        "an unused variable": (
            ACME + "variables:\n  zone: {description: d, example: e}\n",
            "acme.yaml:1: no placeholder uses the variable 'zone'",
        ),
        "a list": ("- slug: acme\n", "acme.yaml: expected the fields of a provider file, got list"),
        "nothing": ("", "acme.yaml: expected the fields of a provider file, got NoneType"),
        "a syntax error": (ACME + "thresholds: {min_models: 5\n", "acme.yaml:8: "),
        "a key twice": (ACME + "name: Other\n", "acme.yaml:7: duplicate key 'name'"),
        "a key twice further down": (
            ACME + "request: {allow_http: true, allow_http: false}\n",
            "acme.yaml:7: duplicate key 'allow_http'",
        ),
        "an alias": (
            ACME.replace("bearer", "&b bearer") + "kind: *b\n",
            "acme.yaml:7: aliases (*name) are not ",
        ),
        "an object": (ACME + "docs: !!python/object:os.system {}\n", "acme.yaml:7: could not determine a constructor"),
        "depths": (ACME + "x: " + "[" * 5000, "acme.yaml:7: more than 20 levels deep"),
        "two documents": (ACME + "---\n" + ACME, "acme.yaml:7: "),
        "too much": (ACME + "#" * 300_000, "acme.yaml: 262,145 bytes"),
    }.values(),
    ids=lambda value: value if value.startswith("acme.yaml") else "",
)
def test_an_invalid_file_is_refused_with_file_line_and_field(tmp_path: Path, text: str, line: str):
    assert refusal(tmp_path, text).startswith(line)


def test_an_error_shows_no_value_that_could_be_a_secret(tmp_path: Path):
    text = ACME.replace("env: ACME_API_KEY", "env: sk-1234567890abcdef")
    assert "sk-1234567890abcdef" not in refusal(tmp_path, text)


def test_a_binary_or_missing_file_is_refused(tmp_path: Path):
    file = tmp_path / "acme.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"acme\.yaml: it is not UTF-8 text"):
        load_provider_file(file)
    with pytest.raises(ConfigurationError, match=r"none\.yaml: No such file"):
        load_provider_file(tmp_path / "none.yaml")


def test_a_folder_is_read_by_slug_without_its_other_files(tmp_path: Path):
    written(tmp_path, ACME, "one.yaml")
    written(tmp_path, ACME.replace("slug: acme", "slug: aardvark"), "two.yml")
    written(tmp_path, "not yaml: [", "readme.md")
    (tmp_path / "more.yaml").mkdir()
    assert [provider.slug for provider in load_provider_folder(tmp_path)] == ["aardvark", "acme"]


def test_a_missing_empty_or_ambiguous_folder_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="no such folder"):
        load_provider_folder(tmp_path / "none")
    with pytest.raises(ConfigurationError, match="no provider file in it"):
        load_provider_folder(tmp_path)
    written(tmp_path, ACME, "one.yaml")
    written(tmp_path, ACME, "two.yaml")
    with pytest.raises(ConfigurationError, match=r"two\.yaml: slug: 'acme' is described by one\.yaml too"):
        load_provider_folder(tmp_path)
    written(tmp_path, "slug: [", "two.yaml")
    with pytest.raises(ConfigurationError, match=r"two\.yaml:\d"):
        load_provider_folder(tmp_path)


@pytest.mark.parametrize("name", ["LABKEY", "ACME_TOKEN", "DB_PASSWORD", "PROVIDER_PIPELINE_HOME", "DAGSTER_HOME"])
def test_a_placeholder_may_not_use_a_variable_that_may_hold_a_secret(tmp_path: Path, name: str):
    text = REGIONAL.replace("ACME_REGION", name)
    assert refusal(tmp_path, text).startswith("acme.yaml:4: variables.region.env: this variable may hold a secret")


def test_a_value_that_looks_like_a_key_is_refused_and_not_shown(tmp_path: Path):
    acme = load_provider_file(written(tmp_path, REGIONAL))
    for key in ("sk-lab-SECRET0123456789abcdef", "Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN"):
        for given in ({"values": {"region": key}}, {"environ": {"ACME_REGION": key}}):
            with pytest.raises(ConfigurationError, match="the value of region looks like a key") as raised:
                acme.filled(**given)
            assert key[4:] not in str(raised.value)
    project = "8f0a9f5e-0000-4444-aaaa-1234567890ab"
    assert acme.filled({"region": project}).base_url == f"https://{project}.acme.example"


KEY = "sk-proj-Vq3nX8mK2pL5wR7tY9zB4cD6fG1hJ0kN"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (ACME.replace("ACME_API_KEY", "PROVIDER_PIPELINE_DATABASE_URL"), 4, "a variable of this product's own"),
        (ACME.replace("ACME_API_KEY", "DAGSTER_POSTGRES_URL"), 4, "a variable of this product's own"),
        (ACME.replace("ACME_API_KEY", KEY.replace("-", "_")), 4, "this looks like a key itself"),
        (ACME.replace("ACME_API_KEY", f"K, headers: {{X-Custom: {KEY}}}"), 4, "the value of header 'X-Custom' looks"),
        (ACME.replace("ACME_API_KEY", "K, headers: {X-Bearer: abc}"), 4, "header 'X-Bearer' usually holds a secret"),
        (ACME.replace("acme.example", f"acme.example/{KEY}/v1"), 3, "the path of its URL at api.acme.example looks"),
        (ACME.replace("acme.example", f"acme.example?user={KEY}"), 3, "the query parameter 'user' of its URL"),
        (ACME.replace("acme.example", f"{KEY}.acme.example"), 3, "the host of its URL looks like a secret"),
        (ACME.replace("/v1/models", f"/v1/{KEY}/models"), 5, "the path of its URL"),
        (
            ACME.replace(
                "{type: bearer, env: ACME_API_KEY}",
                f"{{type: oauth2_client_credentials, token_url: "
                f"'https://login.acme.example/{KEY}', client_id: {{value: me}}, client_secret: {{env: K}}}}",
            ),
            4,
            "holds a secret in its address",
        ),
        (
            ACME.replace(
                "{type: bearer, env: ACME_API_KEY}",
                f"{{type: basic, username: {{value: {KEY}}}, password: {{env: K}}}}",
            ),
            4,
            "its 'value' looks like a key",
        ),
    ],
)
def test_a_key_anywhere_in_a_file_is_refused_and_not_shown(tmp_path: Path, text: str, line: int, says: str):
    refused = refusal(tmp_path, text)
    assert refused.startswith(f"acme.yaml:{line}: ")
    assert says in refused
    assert KEY[8:] not in refused


@pytest.mark.parametrize(
    "header",
    [
        "anthropic-version: '2023-06-01'",
        "anthropic-beta: 'claude-code-20250219,interleaved-thinking-2025-05-14'",
        "OpenAI-Organization: org-9TkXq3Vn8sLmZ2RbYcWdEfGh",
        "X-Project: 8f0a9f5e-0000-4444-aaaa-1234567890ab",
        "HTTP-Referer: https://acme.example/catalogue",
        "X-Title: Model catalogue",
    ],
)
def test_ordinary_fixed_headers_are_accepted(tmp_path: Path, header: str):
    text = ACME.replace("ACME_API_KEY", f"ACME_API_KEY, headers: {{{header}}}")
    assert load_provider_file(written(tmp_path, text)).auth["headers"]
