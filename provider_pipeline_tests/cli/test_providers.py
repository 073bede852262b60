"""`provider-pipeline providers list|show|check|enable|disable`."""

from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import Fleet


def test_checking_a_healthy_provider_exits_0(run: CommandLine, fleet: Fleet):
    fleet.add("acme", auth={"type": "bearer", "env": "ACME_API_KEY"})
    checked = run("providers", "check", "acme", ACME_API_KEY="sk-acme")
    assert checked.code == 0, checked.err
    for told in ("acme", "authorised", "1 page", "version 1: 5 models", "never synced"):
        assert told in checked.out
    assert checked.err == ""


def test_one_unhealthy_provider_exits_1_with_its_reason(run: CommandLine, fleet: Fleet):
    fleet.add("good")
    fleet.add("acme", auth={"type": "bearer", "env": "ACME_API_KEY"})
    checked = run("providers", "check", "--all", "--json")
    assert checked.code == 1
    assert {each["provider"]: each["healthy"] for each in checked.json} == {"acme": False, "good": True}
    assert checked.json[0]["stages"]["key"]["status"] == "failed"
    drawn = run("providers", "check", "--all")
    assert (drawn.code, "set ACME_API_KEY where the sync runs" in drawn.err) == (1, True)


def test_check_needs_known_providers_or_all(run: CommandLine):
    assert run("providers", "check").code == 2
    assert run("providers", "check", "acme", "--all").code == 2
    unknown = run("providers", "check", "acme")
    assert (unknown.code, "no provider 'acme'" in unknown.err) == (2, True)
    assert run("providers", "check", "--all", "--json").json == []
