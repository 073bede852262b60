from provider_pipeline.catalog.models import ListedHashes, Preview, earlier_selves, preview, respelled_ids
from provider_pipeline.rules.history import UNKNOWN, Once
from provider_pipeline.rules.model_columns import MOVING_COLUMNS
from provider_pipeline_tests.catalog.builders import (
    FULL,
    hours_later,
    model,
    register,
    write_models,
)


def once(**values) -> Once:
    return Once(known=True, listed=True, values={name: FULL[name] for name in MOVING_COLUMNS} | values)


def last_selves(session, provider, hashes) -> dict[str, Once]:
    [found] = earlier_selves(session, [ListedHashes(provider.id, hashes)])
    return {model_id: last for model_id, (last, _) in found.items()}


def test_only_models_that_are_not_what_they_were_are_read_to_be_compared(session, provider, write):
    listed = [model(name, **FULL) for name in ("same", "dearer", "gone")]
    write(listed)
    write(listed[:2], hour=1)
    hashes = {row["model_id"]: row["meta_hash"] for row in listed} | {"dearer": "f" * 64, "new": "e" * 64}
    assert last_selves(session, provider, hashes) == {
        "dearer": once(),
        "gone": Once(known=True, listed=False, values=once().values),
        "new": UNKNOWN,
    }


def test_a_model_that_was_removed_is_not_there_to_be_compared(session, provider, write):
    row = model("gone")
    write([row, model("stays")])
    assert write([model("stays")], hour=1, removal_after=1).removed == 1
    assert last_selves(session, provider, {"gone": row["meta_hash"]}) == {"gone": UNKNOWN}


def test_what_people_set_is_not_what_was_listed(session, provider, write):
    row = model("a", **FULL)
    write([row], overridden={"a": ["input_price"]})
    assert last_selves(session, provider, {"a": row["meta_hash"]}) == {"a": once(input_price=None)}


def test_what_models_were_at_an_earlier_listing_is_told_by_their_history(session, provider, write):
    def dearer(name: str, times: int) -> dict:
        return model(name, **FULL | {"input_price": FULL["input_price"] * times})

    first = [model(name, **FULL) for name in ("same", "dearer", "goes", "comes back", "away")]
    write(first)
    write(first[:4], hour=1)
    write([*first[:3], model("new", **FULL)], hour=2)  # the listing that is looked back at
    write([first[0], dearer("dearer", 2), *first[3:4], model("new", **FULL), model("newer", **FULL)], hour=3)
    now = [first[0], dearer("dearer", 4), first[2], first[3], first[4], model("new", **FULL), model("newer", **FULL)]
    write([*now[:2], *now[3:4], *now[5:]], hour=4)

    hashes = {row["model_id"]: row["meta_hash"] for row in now}
    [found] = earlier_selves(session, [ListedHashes(provider.id, hashes, hours_later(3))])
    assert {model_id: then for model_id, (_, then) in found.items()} == {
        "dearer": once(),
        "goes": once(),
        "comes back": Once(known=True, listed=False, values=once().values),
        "away": UNKNOWN,  # left out so often that it counts as removed
        "newer": Once(known=False, listed=False, values=once().values),
    }


def test_a_renamed_model_and_an_override_leave_what_was_listed_before(session, provider, write):
    first = [model("GPT 4", **FULL), model("other", **FULL)]
    write(first)
    assert write([model("gpt-4", **FULL), first[1]], hour=1).renamed == 1
    write(
        [model("gpt-4", **FULL), model("other", **FULL | {"input_price": 99})],
        hour=2,
        overridden={"other": ["input_price"]},
    )
    write([model("gpt-4", **FULL), first[1]], hour=3)
    hashes = {"gpt-4": "a" * 64, "other": "b" * 64}
    [found] = earlier_selves(session, [ListedHashes(provider.id, hashes, hours_later(1))])
    assert {model_id: then for model_id, (_, then) in found.items()} == {"gpt-4": once(), "other": once()}


def test_models_of_many_providers_are_found_at_once_as_they_are_for_each_alone(session, provider, write):
    listings = [ListedHashes(provider.id, {"kept": "a" * 64, "new": "b" * 64}, hours_later(1))]
    write([model("kept", **FULL), model("left", **FULL)])
    write([model("kept", **FULL | {"input_price": 9}), model("left", **FULL)], hour=1)
    for place, since in enumerate([None, hours_later(1), hours_later(2)]):
        other = register(session, f"other-{place}")
        session.commit()
        for hour in range(3):
            rows = [model("kept", **FULL | {"input_price": hour + place})]
            write_models(session, other.id, rows, rule_version=1, now=hours_later(hour))
        session.commit()
        listings.append(ListedHashes(other.id, {"kept": "c" * 64, "left": "d" * 64}, since))
    alone = [found for each in listings for found in earlier_selves(session, [each])]
    assert earlier_selves(session, listings) == alone
    assert all(len(found) == 2 for found in alone)


def test_ids_are_found_whatever_their_case(session, provider, write, monkeypatch):
    monkeypatch.setattr("provider_pipeline.catalog.models._AT_ONCE", 2)
    write([model(name) for name in ("GPT-4", "o3", "Claude", "gone")])
    write([model(name) for name in ("GPT-4", "o3", "Claude")], hour=1)
    found = respelled_ids(session, provider.id, ["gpt-4", "O3", "x", "claude", "GONE"])
    assert sorted(found) == ["Claude", "GPT-4", "o3"]


def test_a_preview_has_the_newest_models_and_totals_of_all_active_ones(session, provider, write):
    priced = {"context_length": 8_000, "input_price": 1.0}
    write([model("gone"), model("b", **priced), model("a", **priced)])
    write([model("b", **priced), model("a", **priced), model("new")], hour=1)
    found = preview(session, provider.slug, limit=2)
    assert [row["model_id"] for row in found.rows] == ["new", "a"]
    assert (found.models, found.priced, found.with_context) == (3, 2, 2)
    assert preview(session, "nobody") == Preview()
