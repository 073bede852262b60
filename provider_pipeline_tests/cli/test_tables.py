"""Tables at terminals of several widths: ids and numbers stay whole."""

import io

import pytest
from hypothesis import given, strategies as st
from rich.console import Console
from rich.table import Table
from rich.text import Text

from provider_pipeline.cli.console import draw, table

LONG_ID = "meta-llama/llama-4-maverick-17b-128e-instruct-fp8"


def shown(width: int, drawn, *, terminal: bool = True) -> str:
    screen = io.StringIO()
    draw(drawn, console=Console(file=screen, force_terminal=terminal, width=width, color_system=None))
    return screen.getvalue()


def models(**options):
    columns = ("provider", "model", "family", "context", "capabilities")
    listed = ("openrouter", LONG_ID, "llama-4", "1,048,576", "chat structured_output tools vision")
    rows = [listed, ("acme", "a", *"---")]
    return table("models", columns, rows, right=("context",), spare=("family", "capabilities"), **options)


def test_a_narrow_window_loses_the_spare_columns_first_and_says_which():
    assert all(name in shown(160, models()) for name in ("family", "capabilities", LONG_ID))
    narrow = shown(80, models())
    assert LONG_ID in narrow
    assert "1,048,576" in narrow
    assert "no room for: family, capabilities" in narrow
    assert "structured_output" not in narrow


def test_a_window_too_narrow_for_the_rest_shows_each_row_as_a_block():
    blocks = shown(64, models(lead=2)).splitlines()
    assert blocks[1].strip() == f"openrouter  {LONG_ID}"
    assert [line.split()[0] for line in blocks[2:5]] == ["family", "context", "capabilities"]
    assert blocks[5].strip() == "acme  a"
    assert len(blocks) == 6


@pytest.mark.parametrize("options", [{}, {"wide": True}])
def test_wide_tables_and_pipes_have_every_column_on_whole_lines(options):
    lines = shown(40, models(**options), terminal=bool(options)).splitlines()
    assert any(LONG_ID in line and "chat structured_output tools vision" in line for line in lines)


def test_long_texts_break_between_words():
    told = "the listing of 12 models is far shorter than the one of 120 models before it"
    lines = shown(60, table("sync", ("provider", "why"), [("acme", told)])).splitlines()
    assert max(map(len, lines)) <= 60
    words = " ".join(line.split("│")[2] for line in lines if "│" in line).split()
    assert words == told.split()


@given(
    rows=st.lists(st.lists(st.text("abc-/ ", max_size=30), min_size=3, max_size=3), min_size=1, max_size=4),
    width=st.integers(30, 200),
)
def test_no_window_breaks_a_word_that_fits_into_it(rows, width):
    text = shown(width, table("t", ("first", "second", "third"), rows, spare=("second",)))
    for row in rows:
        for word in (*row[0].split(), *row[2].split()):
            assert word == "-" or len(word) > width - 16 or word in text
    assert max(map(len, text.splitlines())) <= max(width, 1)


CELLS = st.one_of(
    st.text("ab-/ \n漢é", max_size=100),
    st.builds(Text, st.text("ab \n", max_size=100), style=st.sampled_from(["", "green", "bold on red"])),
)


@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=4),
    width=st.integers(20, 200),
    terminal=st.booleans(),
    ascii_only=st.booleans(),
)
def test_a_table_is_drawn_as_rich_draws_it(rows, width, terminal, ascii_only):
    fitted = table("t", ("first", "second", "third"), rows, right=("third",), wide=True)
    encoding = "ascii" if ascii_only else "utf-8"
    screens = [io.TextIOWrapper(io.BytesIO(), encoding, errors="replace") for _ in range(2)]
    # Rich squeezes a table into its window, which ours never does when it is told to be wide.
    ours, theirs = (
        Console(file=screen, force_terminal=terminal, width=window, color_system="truecolor")
        for screen, window in zip(screens, (width, 400), strict=True)
    )
    draw(fitted, console=ours)
    reference = Table(title=fitted.title, title_justify="left")
    for column in fitted.columns:
        cells = [column.header, *column.cells]
        longest = max(line.cell_len for cell in cells for line in Text(str(cell)).split("\n", allow_blank=True))
        reference.add_column(column.header, justify=column.justify, width=min(longest, 80), overflow="fold")
    for row in zip(*(column.cells for column in fitted.columns), strict=True):
        reference.add_row(*row)
    theirs.print(reference)
    assert drawn_on(screens[0]) == drawn_on(screens[1])


def drawn_on(screen: io.TextIOWrapper) -> str:
    screen.flush()
    return screen.buffer.getvalue().decode()
