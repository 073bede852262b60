import tracemalloc

from hypothesis import given, strategies as st

from provider_pipeline.rules.seen_ids import CompactIds, SeenModels

HASHES = st.integers(-20, 60) | st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(HASHES, st.integers(0, 2**32 - 1))))
def test_compact_ids_are_a_map(pairs):
    compact, truth = CompactIds(), {}
    for key, number in pairs:
        assert compact.get(key) == truth.get(key)
        if key not in truth:
            compact.add(key, number)
            truth[key] = number
    assert {key: compact.get(key) for key in truth} == truth


def test_all_models_of_a_long_listing_are_found_and_listed_in_their_order():
    ids = [f"vendor/model-{n}" for n in range(25_000)]
    seen = SeenModels()
    for n, each in enumerate(ids):
        seen.add(each, (n % 12_000, None))
    assert len(seen) == len(ids)
    assert list(seen) == ids
    assert all(each in seen for each in ids)
    assert not any(f"{each}-x" in seen for each in ids)
    assert all(seen.numbers(each) == (n % 12_000, None) for n, each in enumerate(ids))


def test_a_model_of_a_long_listing_takes_little_memory():
    seen = SeenModels()
    tracemalloc.start()
    try:
        for n in range(200_000):
            seen.add(f"a-vendor-with-a-name/a-model-with-a-name-{n}", (n % 9, n % 5, None))
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert size / 200_000 < 40
