import json

from sqlalchemy import text

from provider_pipeline.catalog import canonical
from provider_pipeline.catalog.digest import change_digest, digest_markdown
from provider_pipeline.catalog.tasks import open_rule_gen_task
from provider_pipeline_tests.catalog.builders import NOON, hours_later, model, register, write_models

PRICED = {"input_price": 2.5, "output_price": 10, "context_length": 128_000, "capabilities": {"chat": True}}


def _two_days(session, provider, write):
    write([model("kept", **PRICED), model("Old-Name"), model("gone")])
    changed = {
        **PRICED,
        "input_price": 2,
        "output_price": None,
        "context_length": 200_000,
        "capabilities": {"chat": False, "vision": True},
    }
    write([model("kept", **changed), model("old-name"), model("new")], hour=24, removal_after=1)
    write([model("kept", **changed), model("old-name"), model("new"), model("gone")], hour=25)


def test_a_digest_says_what_happened_in_its_span_and_nothing_else(session, provider, write):
    _two_days(session, provider, write)
    digest = change_digest(session, hours_later(24), hours_later(25))
    assert digest.counts() == {
        "added": 1,
        "removed": 1,
        "renamed": 1,
        "restored": 0,
        "repriced": 1,
        "limits": 1,
        "recapabilitied": 1,
        "appeared": 0,
        "undercut": 0,
        "ended": 0,
        "by_rule": 0,
        "by_override": 0,
        "blocked": 0,
        "repaired": 0,
        "needs_review": 0,
    }
    (repriced,) = digest.repriced.entries
    assert [(move.field, move.old, move.new, move.percent) for move in repriced.moves] == [
        ("input_price", 2.5, 2, -20.0),
        ("output_price", 10, None, None),
    ]
    (capabilities,) = digest.recapabilitied.entries
    assert (capabilities.gained, capabilities.lost) == (("vision",), ("chat",))
    assert change_digest(session, hours_later(25), hours_later(26)).counts()["restored"] == 1
    assert change_digest(session, hours_later(26), hours_later(27)).is_empty


def test_what_a_rule_or_a_person_changed_is_not_taken_for_the_providers_change(session, provider, write):
    write([model("a", **PRICED), model("b", **PRICED)])
    dearer = PRICED | {"input_price": 3}
    write([model("a", **dearer), model("b", **PRICED)], hour=1, cause="rule")
    write([model("a", **dearer), model("b", **dearer)], hour=2, overridden={"b": ["input_price", "prices.input"]})
    digest = change_digest(session, hours_later(1), hours_later(3))
    assert {name: count for name, count in digest.counts().items() if count} == {"by_rule": 1, "by_override": 1}
    assert [each.model for each in (*digest.by_rule.entries, *digest.by_override.entries)] == ["a", "b"]


def test_tasks_that_were_opened_answered_or_wait_are_in_it(session, provider):
    other = register(session, "anthropic")
    issues = [
        {"type": "x", "severity": "warning", "message": "no"},
        {"type": "y", "severity": "error", "message": "y_1"},
    ]
    answered, waiting = (
        open_rule_gen_task(session, each.id, raw_response_id=None, issues=issues).id for each in (provider, other)
    )
    session.execute(
        text(
            "UPDATE agent_task SET created_at = :then, status = CASE WHEN id = :answered THEN 'SUCCEEDED' ELSE "
            "'NEEDS_REVIEW' END, finished_at = CASE WHEN id = :answered THEN CAST(:now AS timestamptz) END"
        ),
        {"answered": answered, "then": NOON, "now": hours_later(5)},
    )
    first = change_digest(session, NOON, hours_later(1))
    later = change_digest(session, hours_later(5), hours_later(6))
    assert [(each.provider, each.task, each.failed) for each in first.blocked] == [
        ("openai", answered, "y_1"),
        ("anthropic", waiting, "y_1"),
    ]
    assert ([each.task for each in later.repaired], [each.task for each in later.needs_review]) == (
        [answered],
        [waiting],
    )
    assert (first.repaired, later.blocked) == ((), ())
    assert change_digest(session, hours_later(-1), NOON).is_empty
    assert "- anthropic: task 2, y\\_1" in digest_markdown(later)


def test_a_digest_is_drawn_as_markdown_that_no_models_name_can_break(session, provider, write):
    _two_days(session, provider, write)
    write_models(session, provider.id, [model("evil`\n# x <b>")], rule_version=1, now=hours_later(24.5))
    drawn = digest_markdown(change_digest(session, hours_later(24), hours_later(25)))
    assert drawn.startswith("# Changes from 2026-11-02 12:00+00:00 to 2026-11-02 13:00+00:00\n\n## Added: 2\n")
    assert "- openai: `evil' # x <b>`" in drawn
    assert "- openai: `old-name`, was `Old-Name`" in drawn
    assert "- openai: `kept`, input price 2.5 → 2 (-20.0%), output price 10 → unknown" in drawn
    assert "- openai: `kept`, context length 128,000 → 200,000 (+56.2%)" in drawn
    assert "- openai: `kept`, gained vision, lost chat" in drawn
    assert "## Blocked" not in drawn


def test_each_price_that_moved_is_in_it_with_its_unit(session, provider, write):
    usd, image = ({"unit": unit, "currency": "USD"} for unit in ("million_tokens", "image"))
    old = {
        "input": {**usd, "amount": 2, "tiers": [{"above": 200_000, "amount": 4}]},
        "image": {**image, "amount": 0.04},
    }
    new = {
        "input": {**usd, "amount": 2, "tiers": [{"above": 200_000, "amount": 5}]},
        "image": {**image, "amount": 0.05, "currency": "EUR"},
        "cache_read": {**usd, "amount": 1.25e-8},
    }
    write([model("a", input_price=2, prices=old)])
    write([model("a", input_price=2, prices=new)], hour=1)
    digest = change_digest(session, hours_later(1), hours_later(2))
    assert (
        "- openai: `a`, cache read price unknown → 0.0000000125, image price 0.04 → unknown USD per image, "
        "image price unknown → 0.05 EUR per image, input price above 200,000 tokens 4 → 5 (+25.0%)"
    ) in digest_markdown(digest)
    (entry,) = digest.to_json()["repriced"]["entries"]
    assert entry["moves"][-1] == {
        "field": "prices.input.above_200000",
        "old": 4,
        "new": 5,
        "percent": 25.0,
        "unit": "USD per million tokens",
    }


def test_of_many_changes_the_first_are_named_and_the_rest_counted(session, provider, write):
    write([model(f"model-{number:03}") for number in range(120)])
    digest = change_digest(session, NOON, hours_later(1))
    assert (digest.added.total, len(digest.added.entries)) == (120, 50)
    assert "`model-049`\n- and 70 more" in digest_markdown(digest)


def test_a_digest_is_plain_json_and_an_empty_one_says_so(session, provider, write):
    _two_days(session, provider, write)
    document = json.loads(json.dumps(change_digest(session, hours_later(24), hours_later(25)).to_json()))
    assert document["start"] == "2026-11-02T12:00:00+00:00"
    assert document["renamed"] == {
        "total": 1,
        "entries": [{"provider": "openai", "model": "old-name", "was": "Old-Name"}],
    }
    assert document["counts"]["added"] == 1
    assert "Nothing changed" in digest_markdown(change_digest(session, hours_later(90), hours_later(91)))


def test_news_about_a_model_whoever_offers_it_is_told_apart(session, provider, write):
    write([model("gpt-4o", input_price=3), model("old")])
    canonical.refresh(session, now=hours_later(0))
    write([model("gpt-4o", input_price=2), model("gpt-5")], hour=24, removal_after=1)
    canonical.refresh(session, now=hours_later(24))
    digest = change_digest(session, hours_later(24), hours_later(48))
    assert [each.model for each in digest.appeared.entries] == ["gpt-5"]
    assert [each.model for each in digest.ended.entries] == ["old"]
    (cheaper,) = digest.undercut.entries
    assert [(move.field, move.old, move.new, round(move.percent, 1)) for move in cheaper.moves] == [
        ("prices.input", 3, 2, -33.3)
    ]
    text = digest_markdown(digest)
    assert "## New models, at their first provider: 1" in text
    assert f"- openai: `gpt-4o`, `{cheaper.canonical_id}`, input price 3 → 2 (-33.3%)" in text
    assert change_digest(session, hours_later(0), hours_later(24)).counts()["appeared"] == 0
