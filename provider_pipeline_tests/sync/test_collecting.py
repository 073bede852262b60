"""The collector of cycles runs seldom while listings are worked on, and as before afterwards."""

import gc
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from provider_pipeline.sync.provider import seldom_collecting


@pytest.fixture(autouse=True)
def usual() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    yield before
    gc.set_threshold(*before)


def test_it_runs_seldom_only_as_long_as_the_block_lasts(usual):
    with pytest.raises(RuntimeError), seldom_collecting():
        assert gc.get_threshold()[0] > usual[0]
        raise RuntimeError
    assert gc.get_threshold() == usual


def test_whichever_of_several_blocks_ends_last_restores_what_was_before_the_first(usual):
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(seldom_collecting())
        second.enter_context(seldom_collecting())
        first.close()
        assert gc.get_threshold()[0] > usual[0]
        second.close()
        assert gc.get_threshold() == usual


@pytest.mark.parametrize("chosen", [(0, 0, 0), (1_000_000, 50, 1_000)])
def test_whoever_lets_it_run_even_less_has_their_way(chosen):
    gc.set_threshold(*chosen)
    with seldom_collecting():
        assert gc.get_threshold() == chosen
    assert gc.get_threshold() == chosen
