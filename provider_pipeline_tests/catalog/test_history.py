from provider_pipeline.catalog.history import list_changes, list_models
from provider_pipeline_tests.catalog.builders import NOON, hours_later, model, register, write_models


def _ids(changes) -> list:
    return [(each.model_id, each.kind) for each in changes]


def test_changes_come_newest_first_and_can_be_narrowed_down(session, provider, write):
    write([model("a"), model("b")], raw_response_id=7)
    write([model("a", display_name="x")], hour=1, cause="rule")
    other = register(session, "anthropic")
    write_models(session, other.id, [model("claude")], rule_version=1, now=hours_later(2))
    everything = [("claude", "added"), ("b", "missing"), ("a", "updated"), ("b", "added"), ("a", "added")]
    assert _ids(list_changes(session)) == everything
    assert _ids(list_changes(session, limit=2)) == everything[:2]
    assert _ids(list_changes(session, since=hours_later(1))) == everything[:3]
    assert _ids(list_changes(session, until=hours_later(1))) == everything[3:]
    assert _ids(list_changes(session, slug="anthropic")) == everything[:1]
    assert _ids(list_changes(session, kind="added", since=hours_later(1))) == everything[:1]
    assert _ids(list_changes(session, cause="rule")) == everything[2:3]
    (first,) = list_changes(session, kind="updated")
    assert (first.slug, first.changed, first.rule_version, first.changed_at) == (
        "openai",
        {"display_name": [None, "x"]},
        1,
        hours_later(1),
    )
    assert list_changes(session)[-1].raw_response_id == 7


def test_models_are_listed_of_one_provider_or_all_now_or_then(session, provider, write):
    chat = {"capabilities": {"chat": True, "vision": False}}
    write([model("b", **chat), model("a", context_length=1)])
    write([model("b", **chat)], hour=2)
    other = register(session, "anthropic")
    write_models(session, other.id, [model("claude", **chat)], rule_version=1, now=hours_later(3))

    def ids(**options):
        return [(row["slug"], row["model_id"], row["status"]) for row in list_models(session, **options)]

    assert ids() == [("anthropic", "claude", "active"), ("openai", "a", "missing"), ("openai", "b", "active")]
    assert ids(slug="openai", as_of=NOON) == [("openai", "a", "active"), ("openai", "b", "active")]
    assert ids(as_of=hours_later(3), status="missing") == [("openai", "a", "missing")]
    assert ids(slug="openai", capability="chat") == [("openai", "b", "active")]
    assert ids(capability="vision") == []
    now, then = (list_models(session, slug="openai", **options)[0] for options in ({}, {"as_of": NOON}))
    assert now.keys() - then.keys() == {"last_seen_at"}
    assert (now["context_length"], now["missing_since"], then["missing_since"]) == (1, hours_later(2), None)
