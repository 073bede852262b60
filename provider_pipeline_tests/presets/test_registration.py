"""Registering provider files: the plan shows every change first, and is applied whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from provider_pipeline import ModelSyncer, catalog
from provider_pipeline.errors import ConfigurationError
from provider_pipeline.listing.client import ListingClient
from provider_pipeline.listing.limits import FetchLimits
from provider_pipeline.presets.file_rules import first_rule
from provider_pipeline.presets.library import find_preset, load_provider_folder
from provider_pipeline.presets.plan import Plan, plan_providers
from provider_pipeline.presets.registration import apply_plan
from provider_pipeline.presets.requested import (
    RequestedProvider,
    requested_provider,
)
from provider_pipeline.rules.generation.samples import EndpointSample
from provider_pipeline.rules.validator import RuleValidator
from provider_pipeline.sync.plan import stored_rule
from provider_pipeline.sync.repair.generate import generate_rule
from provider_pipeline_tests.fleet import CHAT_MODELS, listing
from provider_pipeline_tests.presets.vendor import ACME

KEYS = {"ACME_API_KEY": "sk-acme", "ZETA_API_KEY": "sk-zeta"}


def folder_of(tmp_path: Path, *texts: str) -> Path:
    """A folder with only these files."""
    for file in tmp_path.glob("*.yaml"):
        file.unlink()
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yaml").write_text(text)
    return tmp_path


def planned(database: catalog.database.Database, folder: Path, **options: bool) -> Plan:
    requested = [requested_provider(file, KEYS) for file in load_provider_folder(folder)]
    with database.session() as session:
        return plan_providers(session, requested, environ=KEYS, whole=True, **options)


def applied(
    database: catalog.database.Database, folder: Path, *, new_hosts: Sequence[str] = (), **options: bool
) -> Plan:
    """The plan for a folder, applied."""
    plan = planned(database, folder, **options)
    with database.session() as session:
        apply_plan(session, plan, new_hosts=new_hosts)
        session.commit()
    return plan


def actions(plan: Plan) -> dict[str, str]:
    return {each.slug: each.action for each in plan.providers}


def changed(plan: Plan, slug: str) -> dict[str, tuple[Any, Any]]:
    """The changes of one provider."""
    (found,) = [each for each in plan.providers if each.slug == slug]
    return {each.field: (each.old, each.new) for each in found.changes}


def stored(database: catalog.database.Database, slug: str = "acme") -> catalog.providers.Provider:
    with database.session() as session:
        return catalog.providers.get(session, slug)


def test_applying_a_folder_again_changes_nothing(database: catalog.database.Database, tmp_path: Path):
    folder = folder_of(tmp_path, ACME, ACME.replace("acme", "zeta").replace("ACME", "ZETA"))
    assert actions(applied(database, folder)) == {"acme": "add", "zeta": "add"}
    assert stored(database).auth_config == {"type": "bearer", "env": "ACME_API_KEY"}
    again = applied(database, folder)
    assert actions(again) == {"acme": "unchanged", "zeta": "unchanged"}
    assert not again.changes_anything


def test_a_plan_writes_nothing(database: catalog.database.Database, tmp_path: Path):
    assert planned(database, folder_of(tmp_path, ACME)).changes_anything
    with database.session() as session:
        assert catalog.providers.list_providers(session, enabled_only=False) == []


def test_a_change_is_planned_field_by_field(database: catalog.database.Database, tmp_path: Path):
    applied(database, folder_of(tmp_path, ACME))
    moved = ACME.replace("api.acme", "eu.acme").replace("{type: bearer,", "{type: header, name: x-key,")
    folder = folder_of(tmp_path, moved + "check_every: 6h\nthresholds: {min_models: 5}\n")
    plan = applied(database, folder, new_hosts=["eu.acme.example"])
    assert actions(plan) == {"acme": "change"}
    assert changed(plan, "acme") == {
        "base_url": ("https://api.acme.example", "https://eu.acme.example"),
        "auth": (
            {"type": "bearer", "env": "ACME_API_KEY"},
            {"type": "header", "name": "x-key", "env": "ACME_API_KEY"},
        ),
        "check_every": (None, "6:00:00"),
        "thresholds": ({}, {"min_models": 5.0}),
    }
    assert stored(database).base_url == "https://eu.acme.example"
    assert actions(planned(database, folder_of(tmp_path, moved))) == {"acme": "unchanged"}


def test_stated_parts_of_endpoints_change_the_rule_and_omitted_ones_do_not(
    database: catalog.database.Database, tmp_path: Path
):
    paged = "    pagination: {type: page_token, param: page_token, token: next_page_token}\n"
    requested = RequestedProvider(load_provider_folder(folder_of(tmp_path, ACME + paged))[0], listing(*CHAT_MODELS))
    with database.session() as session:
        apply_plan(session, plan_providers(session, [requested], environ=KEYS))
        session.commit()
    assert actions(planned(database, folder_of(tmp_path, ACME + paged))) == {"acme": "unchanged"}
    assert actions(planned(database, folder_of(tmp_path, ACME))) == {"acme": "unchanged"}
    plan = applied(database, folder_of(tmp_path, ACME.replace("/v1/", "/v2/")))
    token = {"type": "page_token", "param": "page_token", "token": "next_page_token"}
    (_, new) = changed(plan, "acme")["endpoints"]
    assert new == [{"path": "/v2/models", "pagination": token}]
    assert stored(database).active_rule_version == 2
    assert actions(applied(database, folder_of(tmp_path, ACME.replace("/v1/", "/v2/")))) == {"acme": "unchanged"}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("", {"type": "none", "total": "total"}),
        ("    pagination: {type: none, total: meta.count}\n", {"type": "none", "total": "meta.count"}),
        ("    pagination: {type: none}\n", None),
    ],
)
def test_a_first_rule_keeps_the_total_of_the_file_or_else_of_the_sample(
    tmp_path: Path, stated: str, expected: dict[str, Any] | None
):
    (file,) = load_provider_folder(folder_of(tmp_path, ACME + stated))
    rule = first_rule(file, listing(*CHAT_MODELS) | {"total": len(CHAT_MODELS), "meta": {"count": len(CHAT_MODELS)}})
    assert rule is not None
    assert rule.endpoints[0].pagination == expected


def test_prices_are_in_the_currency_of_the_file_until_a_file_states_another(
    database: catalog.database.Database, tmp_path: Path
):
    def currencies() -> list[str | None]:
        with database.session() as session:
            rule = stored_rule(
                session, catalog.rule_versions.active(session, catalog.providers.get(session, "acme").id)
            )
            return [endpoint.currency for endpoint in rule.endpoints]

    folder = folder_of(tmp_path, ACME + "currency: rmb\n")
    sample = listing(*CHAT_MODELS)
    with database.session() as session:
        requested = RequestedProvider(load_provider_folder(folder)[0], sample)
        apply_plan(session, plan_providers(session, [requested], environ=KEYS))
        session.commit()
    assert currencies() == ["CNY"]
    assert actions(planned(database, folder)) == {"acme": "unchanged"}
    assert actions(planned(database, folder_of(tmp_path, ACME))) == {"acme": "unchanged"}
    with database.session() as session:
        generate_rule(session, "acme", [EndpointSample(sample, "/v1/models")], activate=True)
        session.commit()
    assert currencies() == ["CNY"]
    applied(database, folder_of(tmp_path, ACME + "currency: EUR\n"))
    assert currencies() == ["EUR"]


def test_a_currency_that_an_item_names_beats_that_of_the_file(tmp_path: Path):
    (file,) = load_provider_folder(folder_of(tmp_path, ACME + "currency: CNY\n"))
    sample = listing(*CHAT_MODELS)
    sample["data"][0]["pricing"]["currency"] = "USD"
    rule = first_rule(file, sample)
    assert rule is not None
    rows = RuleValidator().validate_rule(rule, sample)["extracted_models"]
    assert [row["prices"]["input"]["currency"] for row in rows] == ["USD", *["CNY"] * (len(CHAT_MODELS) - 1)]


def test_a_provider_without_a_file_is_listed_and_disabled_only_on_request(
    database: catalog.database.Database, tmp_path: Path
):
    applied(database, folder_of(tmp_path, ACME, ACME.replace("acme", "zeta")))
    folder = folder_of(tmp_path, ACME)
    kept = applied(database, folder)
    assert actions(kept) == {"acme": "unchanged", "zeta": "not in the folder"}
    assert stored(database, "zeta").enabled
    assert actions(applied(database, folder, prune=True))["zeta"] == "disable"
    assert not stored(database, "zeta").enabled
    assert not applied(database, folder, prune=True).changes_anything


def test_a_disabled_provider_stays_disabled(database: catalog.database.Database, tmp_path: Path):
    folder = folder_of(tmp_path, ACME)
    applied(database, folder)
    with database.session() as session:
        catalog.providers.set_enabled(session, "acme", False)
        session.commit()
    applied(database, folder)
    assert not stored(database).enabled


@pytest.mark.parametrize("broken", ["slug: zeta\nname: Zeta\n", "slug: [", ACME + "surprise: 1\n"])
def test_an_invalid_file_changes_nothing(database: catalog.database.Database, tmp_path: Path, broken: str):
    folder = folder_of(tmp_path, ACME.replace("Acme", "Another"), broken)
    with pytest.raises(ConfigurationError, match=r"1\.yaml"):
        applied(database, folder)
    with database.session() as session:
        assert catalog.providers.list_providers(session, enabled_only=False) == []


def test_a_provider_refused_by_the_database_changes_nothing(database: catalog.database.Database, tmp_path: Path):
    folder = folder_of(tmp_path, ACME, ACME.replace("acme", "zeta").replace("name: Acme", f"name: {'x' * 250}"))
    with pytest.raises(ConfigurationError, match="provider 'zeta' cannot be registered"):
        applied(database, folder)
    with database.session() as session:
        assert catalog.providers.list_providers(session, enabled_only=False) == []


def test_a_missing_key_is_reported_with_its_documentation(database: catalog.database.Database):
    with database.session() as session:
        (openai,) = plan_providers(session, [requested_provider(find_preset("openai"), {})], environ={}).providers
    assert openai.missing is not None
    for told in ("OPENAI_API_KEY", "https://platform.openai.com/api-keys", "https://platform.openai.com/docs"):
        assert told in openai.missing
    assert (openai.auth["type"], openai.has_rule, openai.next_step) == ("bearer", True, None)


def test_an_optional_key_is_not_required(database: catalog.database.Database):
    preset = find_preset("openrouter")
    assert preset.works_without_key
    variable = preset.auth["env"]
    with database.session() as session:
        (without,) = plan_providers(session, [requested_provider(preset, {})], environ={}).providers
        keys = {variable: "sk-or"}
        (with_key,) = plan_providers(session, [requested_provider(preset, keys)], environ=keys).providers
    assert (without.auth, without.missing) == ({"type": "none"}, None)
    assert with_key.auth == {"type": "bearer", "env": variable}


def test_without_a_sample_the_next_step_is_to_generate_a_rule(database: catalog.database.Database, tmp_path: Path):
    (acme,) = planned(database, folder_of(tmp_path, ACME)).providers
    assert acme.next_step == "provider-pipeline rules generate acme --endpoint '/v1/models'"


def test_names_at_peers_are_stored_and_planned_like_other_fields(database: catalog.database.Database, tmp_path: Path):
    named = ACME + "ids: {litellm: acme_ai, models_dev: acme}\n"
    applied(database, folder_of(tmp_path, named))
    assert stored(database).peer_ids == {"litellm": "acme_ai", "models_dev": "acme"}
    assert actions(planned(database, folder_of(tmp_path, named))) == {"acme": "unchanged"}
    # A file that says nothing of them keeps them.
    assert actions(planned(database, folder_of(tmp_path, ACME))) == {"acme": "unchanged"}
    plan = applied(database, folder_of(tmp_path, ACME + "ids: {litellm: acme}\n"))
    assert changed(plan, "acme") == {"ids": ({"litellm": "acme_ai", "models_dev": "acme"}, {"litellm": "acme"})}
    assert stored(database).peer_ids == {"litellm": "acme"}


def test_the_first_listing_improves_a_rule_that_came_from_a_sample(
    database: catalog.database.Database, tmp_path: Path, httpserver: HTTPServer
):
    bare = {"object": "list", "data": [{"id": name, "object": "model"} for name in CHAT_MODELS]}
    httpserver.expect_request("/v1/models").respond_with_json(listing(*CHAT_MODELS))
    text = ACME.replace("https://api.acme.example", httpserver.url_for("").rstrip("/"))
    file = load_provider_folder(folder_of(tmp_path, text + "request: {allow_private: true}\n"))[0]
    with database.session() as session:
        apply_plan(session, plan_providers(session, [RequestedProvider(file, bare)], environ=KEYS))
        session.commit()
        syncer = ModelSyncer(session, client=ListingClient(FetchLimits(retries=0), environ=KEYS))
        assert syncer.sync_provider_models("acme")["models_created"] == len(CHAT_MODELS)
        versions = catalog.rule_versions.list_rule_versions(session, catalog.providers.get(session, "acme").id)
        assert [(each.origin, each.status) for each in versions] == [("sample", "retired"), ("regenerated", "active")]
        syncer.sync_provider_models("acme")
        rows = catalog.models.load(session, catalog.providers.get(session, "acme").id)
        assert {row["context_length"] for row in rows} == {128_000}
        assert len(catalog.rule_versions.list_rule_versions(session, catalog.providers.get(session, "acme").id)) == 2


def hosts(plan: Plan) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """The keys that a plan would send to new hosts."""
    return [(slug, each.key, each.host, each.known) for slug, each in plan.new_hosts]


def test_a_key_goes_to_a_new_host_only_if_a_person_names_it(database: catalog.database.Database, tmp_path: Path):
    applied(database, folder_of(tmp_path, ACME))
    folder = folder_of(tmp_path, ACME.replace("api.acme", "evil.acme"))
    assert hosts(planned(database, folder)) == [("acme", "ACME_API_KEY", "evil.acme.example", ("api.acme.example",))]
    for named_hosts in ((), ("acme.example",), ("evil.acme.example:8443",)):
        with pytest.raises(ConfigurationError, match=r"acme: the key in ACME_API_KEY .*--new-host evil\.acme\.example"):
            applied(database, folder, new_hosts=named_hosts)
    assert stored(database).base_url == "https://api.acme.example"
    applied(database, folder, new_hosts=["Evil.ACME.example"])
    assert stored(database).base_url == "https://evil.acme.example"
    assert hosts(planned(database, folder_of(tmp_path, ACME))) == []


def test_a_change_that_keeps_the_keys_host_needs_no_confirmation(database: catalog.database.Database, tmp_path: Path):
    applied(database, folder_of(tmp_path, ACME))
    for text in (
        ACME.replace("acme.example", "acme.example/v2"),
        ACME.replace("acme.example", "acme.example:443"),
        ACME.replace("api.acme", "eu.acme").replace("ACME_API_KEY", "ZETA_API_KEY"),
        ACME.replace("api.acme", "eu.acme").replace("{type: bearer, env: ACME_API_KEY}", "{type: none}"),
    ):
        assert hosts(planned(database, folder_of(tmp_path, text))) == [], text
    for text in (
        ACME.replace("acme.example", "acme.example:8443"),
        ACME.replace("https://", "http://") + "request: {allow_http: true}\n",
    ):
        assert hosts(planned(database, folder_of(tmp_path, text))) != [], text


def test_a_known_key_of_another_provider_is_not_sent_to_a_new_host(database: catalog.database.Database, tmp_path: Path):
    applied(database, folder_of(tmp_path, ACME))
    thief = ACME.replace("slug: acme", "slug: thief").replace("api.acme", "evil.acme")
    in_form = thief.replace(
        "{type: bearer, env: ACME_API_KEY}",
        "{type: oauth2_client_credentials, token_url: 'https://evil.example/t', client_id: {value: me}, "
        "client_secret: {env: ACME_API_KEY}}",
    ).replace("evil.acme", "api.acme")
    assert [host for *_, host, _ in hosts(planned(database, folder_of(tmp_path, ACME, thief)))] == ["evil.acme.example"]
    assert [host for *_, host, _ in hosts(planned(database, folder_of(tmp_path, ACME, in_form)))] == ["evil.example"]
    again = folder_of(tmp_path, ACME, ACME.replace("slug: acme", "slug: twin"))
    assert hosts(applied(database, again)) == []


def test_the_host_of_a_key_is_remembered_after_its_provider_changed(
    database: catalog.database.Database, tmp_path: Path
):
    applied(database, folder_of(tmp_path, ACME))
    without = ACME.replace("api.acme", "evil.acme").replace("{type: bearer, env: ACME_API_KEY}", "{type: none}")
    applied(database, folder_of(tmp_path, without))
    folder = folder_of(tmp_path, ACME.replace("api.acme", "evil.acme"))
    with pytest.raises(ConfigurationError, match=r"ACME_API_KEY went to api\.acme\.example, and would go to"):
        applied(database, folder)


def test_a_new_preset_may_share_a_key_and_a_registered_one_may_not_move_it(
    database: catalog.database.Database,
):
    zai, zhipu = (requested_provider(find_preset(slug), {}) for slug in ("zai", "zhipu"))
    assert zai.file.auth == zhipu.file.auth
    with database.session() as session:
        apply_plan(session, plan_providers(session, [zai], environ={}))
        assert plan_providers(session, [zhipu], environ={}).new_hosts == ()
        catalog.providers.add(
            session, slug="zhipu", name="mine", base_url="http://127.0.0.1:8080", auth_config={"type": "none"}
        )
        ((slug, moved),) = plan_providers(session, [zhipu], environ={}).new_hosts
    assert (slug, moved.key) == ("zhipu", "ZAI_API_KEY")
