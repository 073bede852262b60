"""`provider-pipeline patterns`: a set is listed, tried, activated and rolled back."""

from provider_pipeline.rules.capability_rules import shipped
from provider_pipeline_tests.catalog.test_pattern_sets import OLD, store_old
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import Fleet, listing


def test_a_fresh_catalogue_has_one_active_set_and_nothing_to_roll_out(run: CommandLine):
    (only,) = run("patterns", "list", "--json").json
    assert (only["digest"], only["status"], only["report"]) == (shipped().digest, "active", None)
    refused = run("patterns", "try")
    assert (refused.code, "no pattern set waits to be activated" in refused.err) == (1, True)
    assert run("patterns", "rollback", "--reason", "why not").code == 1


def test_a_set_is_tried_activated_and_rolled_back(run: CommandLine, fleet: Fleet):
    with fleet.database.session() as session:
        store_old(session)
    fleet.add("acme", listing("gpt-4.1", "text-embedding-3-small"))
    assert run("sync", "acme").code == 0
    assert [each["status"] for each in run("patterns", "list", "--json").json] == ["active", "candidate"]
    refused = run("patterns", "activate", "--reason", "unseen")
    assert (refused.code, "was not tried" in refused.err) == (1, True)
    tried = run("patterns", "try", COLUMNS="160")
    assert "2 of 2 models of 1 providers change" in tried.out
    assert "embedding unknown -> yes" in tried.out
    assert "2 of 2 models" in run("patterns", "list", COLUMNS="160").out
    activated = run("patterns", "activate", "--reason", "tried", "--json")
    assert (activated.code, activated.json["active"]) == (0, shipped().digest)
    assert run("patterns", "rollback", "--reason", "no", "--json").json["active"] == OLD.digest
    assert run("patterns", "activate", "--set", shipped().digest[:8], "--force", "--reason", "yes").code == 0
