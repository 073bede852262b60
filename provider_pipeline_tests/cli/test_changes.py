"""`provider-pipeline changes` and `notifications`."""

from datetime import UTC, datetime

from provider_pipeline import catalog
from provider_pipeline.catalog.notifications import MAX_ATTEMPTS, pause_after
from provider_pipeline_tests.catalog.builders import enqueue_notification
from provider_pipeline_tests.cli.conftest import CommandLine, sync_acme
from provider_pipeline_tests.fleet import CHAT_MODELS, Fleet, listing


def test_changes_are_listed_with_their_cause_and_can_be_filtered(run: CommandLine, acme: Fleet):
    acme.serve("acme", listing(*CHAT_MODELS[:4], context_length=200_000))
    sync_acme(acme)
    kinds = [change["kind"] for change in run("changes", "--json").json]
    assert sorted(kinds) == ["added"] * 5 + ["missing"] + ["updated"] * 4
    (missing,) = run("changes", "--kind", "missing", "--provider", "acme", "--since", "1h", "--json").json
    assert (missing["model_id"], missing["cause"], missing["changed"]) == (
        CHAT_MODELS[4],
        "provider",
        {"status": ["active", "missing"]},
    )
    assert run("changes", "--until", "1h", "--json").json == []
    assert run("changes", "--cause", "override", "--json").json == []
    drawn = run("changes", "--limit", "5")
    assert "context_length: 128000 -> 200000" in drawn.out
    assert "the newest 5" in drawn.err


def test_notifications_are_listed_with_their_state(fleet: Fleet, run: CommandLine):
    with fleet.database.session() as session:
        for key in ("delivered", "given up", "waiting"):
            now = datetime.now(UTC)
            enqueue_notification(session, key, "daily_digest", {"key": key}, now=now)
            if key != "waiting":
                for _ in range(MAX_ATTEMPTS if key == "given up" else 1):
                    (claimed,) = catalog.notifications.claim_due(session, now=now)
                    if key == "delivered":
                        catalog.notifications.mark_delivered(session, claimed.id, now=now)
                    else:
                        catalog.notifications.mark_failed(session, claimed, "answered 500", now=now)
                        now += pause_after(claimed.attempts)
            session.commit()
    listed = run("notifications", "--json").json
    assert [(each["event_key"], each["state"].split()[0]) for each in listed] == [
        ("waiting", "due"),
        ("given up", "given"),
        ("delivered", "delivered"),
    ]
    undelivered = run("notifications", "--undelivered")
    assert ("answered 500" in undelivered.out, "delivered" in undelivered.out.split("last error")[1]) == (True, False)
    assert len(run("notifications", "--limit", "1", "--json").json) == 1


def test_the_changes_of_a_provider_a_model_or_a_field(run: CommandLine, acme: Fleet):
    acme.serve("acme", listing(*CHAT_MODELS[:4], context_length=200_000))
    sync_acme(acme)

    def found(*options: str) -> list[tuple[str, str]]:
        return [(each["model_id"], each["kind"]) for each in run("changes", *options, "--json").json]

    model = CHAT_MODELS[0]
    assert found("acme", "--model", model) == [(model, "updated"), (model, "added")]
    assert {kind for _, kind in found("--field", "context_length")} == {"updated"}
    assert found("--field", "capabilities.vision") == found("--field", "prices.input") == []
    assert {kind for _, kind in found("acme", "--field", "status")} == {"missing"}
    assert {each["provider"] for each in run("changes", "--json").json} == {"acme"}


def test_changes_of_what_does_not_exist_are_refused(run: CommandLine, acme: Fleet):
    told = {
        ("--model", "zzz"): (2, "no provider has listed model 'zzz'"),
        ("acme", "--model", "zzz"): (2, "acme has no model 'zzz'"),
        ("--model", "gpt-4.1-mimi"): (2, "the nearest: gpt-4.1-mini"),
        ("--field", "contxt_length"): (2, "no field 'contxt_length' (did you mean context_length"),
        ("nobody",): (2, "no provider 'nobody'"),
        ("acme", "--provider", "other"): (2, "--provider other contradicts acme"),
    }
    for options, (code, message) in told.items():
        refused = run("changes", *options)
        assert (refused.code, refused.out) == (code, "")
        assert message in " ".join(refused.err.replace("│", " ").split())


def test_an_override_is_told_once_in_a_change(run: CommandLine, acme: Fleet):
    assert run("overrides", "set", "acme", CHAT_MODELS[0], "family", "my own", "--reason", "named").code == 0
    sync_acme(acme)
    drawn = run("changes", "--cause", "override").out
    assert "my own" in drawn
    assert "overridden_fields" not in drawn
