"""What is told to the webhook, for people who wonder why they heard nothing."""

from datetime import UTC, datetime

from provider_pipeline import catalog
from provider_pipeline.catalog.notifications import MAX_ATTEMPTS, pause_after
from provider_pipeline_tests.catalog.builders import enqueue_notification
from provider_pipeline_tests.cli.conftest import CommandLine
from provider_pipeline_tests.fleet import Fleet


def test_notifications_are_listed_with_what_became_of_them(fleet: Fleet, run: CommandLine):
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
