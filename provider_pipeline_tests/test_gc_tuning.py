"""The garbage collector runs less often during syncs, and as before afterwards."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from provider_pipeline.gc_tuning import loading_modules, relaxed_gc


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield gc.get_threshold()
    gc.set_threshold(*before)


def test_the_threshold_is_raised_only_inside_the_block(usual):
    with pytest.raises(RuntimeError), relaxed_gc():
        assert gc.get_threshold()[0] > usual[0]
        raise RuntimeError
    assert gc.get_threshold() == usual


def test_the_last_of_several_blocks_restores_the_original_threshold(usual):
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(relaxed_gc())
        second.enter_context(relaxed_gc())
        first.close()
        assert gc.get_threshold()[0] > usual[0]
        second.close()
        assert gc.get_threshold() == usual


@pytest.mark.parametrize("chosen", [(0, 0, 0), (1_000_000, 50, 1_000)])
def test_a_higher_threshold_or_a_disabled_collector_is_left_alone(chosen):
    gc.set_threshold(*chosen)
    with relaxed_gc():
        assert gc.get_threshold() == chosen
    assert gc.get_threshold() == chosen


def test_nothing_is_collected_while_modules_load_and_what_they_made_is_not_looked_at_later():
    gc.unfreeze()
    with pytest.raises(ImportError), loading_modules():
        assert not gc.isenabled()
        with loading_modules():
            made = {"a": []}
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
    assert made not in gc.get_objects()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


def test_a_disabled_collector_stays_disabled_after_modules_are_loaded():
    gc.disable()
    with loading_modules():
        pass
    assert not gc.isenabled()
    gc.enable()
