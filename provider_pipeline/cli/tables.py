"""A table that fits the window: columns break between words, and ids never inside one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from rich.box import HEAVY_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Column, Table
from rich.text import Text

_MAX_TEXT: Final = 80
"""Widest that a column of texts is drawn, where the window does not set the limit."""
_AROUND: Final = 3
"""Width of a column's padding and of one line beside it."""
_INDENT: Final = 2
_WORD: Final = re.compile(r"^[^\S\n]*\S+|\S+", re.MULTILINE)
"""A word; rich keeps the first of a line together with the spaces before it."""


class FittedTable(Table):
    """A table that leaves out columns, and then draws each row as a block, rather than break a word.

    A pipe has no width: there every column is drawn.

    Args:
        title: Its title.
        spare: Columns that may be left out in a narrow window, the first ones first.
        lead: Columns that head a block.
        wide: Draw every column, even if the window is too narrow.
    """

    def __init__(self, title: Text, *, spare: Collection[str] = (), lead: int = 1, wide: bool = False) -> None:
        super().__init__(title=title)
        self._spare = tuple(spare)
        self._lead = lead
        self._wide = wide

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines that fit."""
        limited = console.is_terminal and not self._wide
        every = list(self.columns)
        shown = self._fitting(options.max_width) if limited else every
        least = [_longest_word(column) for column in shown]
        if limited and _drawn(least) > options.max_width:
            yield _text(self.title)
            yield from _blocks(every, self._lead)
            return
        most = [max(low, min(_longest_line(column), _MAX_TEXT)) for column, low in zip(shown, least, strict=True)]
        widths = _shared(least, most, options.max_width) if limited else most
        above_and_below = options.update(width=max(_drawn(widths), 1), height=None, justify="left")
        yield from console.render(_text(self.title), above_and_below)
        yield from _lines(console, HEAVY_HEAD.substitute(options, safe=console.safe_box), shown, widths)
        if len(shown) < len(every):
            names = ", ".join(_text(column.header).plain for column in every if column not in shown)
            yield from console.render(Text(f"no room for: {names}", style="dim"), above_and_below)

    def _fitting(self, width: int) -> list[Column]:
        shown = list(self.columns)
        for name in self._spare:
            if _drawn(list(map(_longest_word, shown))) <= width:
                break
            shown = [column for column in shown if _text(column.header).plain != name]
        return shown


def _lines(console: Console, box: Box, columns: Sequence[Column], widths: Sequence[int]) -> Iterator[Segment]:
    """The table as rich draws it, in a sixth of the time: rich measures and renders each cell as a document.

    With 168 models, that was a seventh of `models list`.
    """
    padded, end = [width + 2 for width in widths], Segment.line()
    bold = console.get_style("table.header")
    yield from (Segment(box.get_top(padded)), end)
    for number, row in enumerate(zip(*map(_texts, columns), strict=True)):
        head, style = number == 0, bold if number == 0 else None
        cells = [
            _cell_lines(console, text, width, column.justify, style)
            for text, width, column in zip(row, widths, columns, strict=True)
        ]
        if head:
            left, between, right = box.head_left, box.head_vertical, box.head_right
        else:
            left, between, right = box.mid_left, box.mid_vertical, box.mid_right
        for line in range(max(map(len, cells))):
            yield Segment(left)
            for place, (cell, width) in enumerate(zip(cells, padded, strict=True), 1):
                yield from cell[line] if line < len(cell) else (Segment(" " * width, style),)
                yield Segment(right if place == len(cells) else between)
            yield end
        if head:
            yield from (Segment(box.get_row(padded, "head")), end)
    yield from (Segment(box.get_bottom(padded)), end)


def _cell_lines(
    console: Console, text: Text, width: int, justify: JustifyMethod, style: Style | None
) -> list[list[Segment]]:
    """A cell's lines, padded to the width and by a space on each side."""
    left = width - text.cell_len
    if left >= 0 and text.plain.isprintable() and not (text.style or text.spans or style):
        words = text.plain.rstrip(" ")
        spaces = " " * (width - cell_len(words))
        return [[Segment(f" {spaces}{words} " if justify == "right" else f" {words}{spaces} ")]]
    space = Segment(" ", style)
    options = console.options.update(width=width, justify=justify, overflow="fold", no_wrap=False)
    return [[space, *line, space] for line in console.render_lines(text, options, style=style)]


def _blocks(columns: Sequence[Column], lead: int) -> Iterator[Text]:
    """Each row as its first cells and, below them, the others by name; empty ones are left out."""
    names = [_text(column.header).plain for column in columns[lead:]]
    width = max(map(len, names), default=0)
    for row in zip(*(column.cells for column in columns), strict=True):
        yield Text("  ", style="bold", overflow="fold").join(map(_text, row[:lead]))
        for name, cell in zip(names, map(_text, row[lead:]), strict=True):
            lines = [line for line in cell.split("\n") if line.plain not in ("", "-")]
            for number, line in enumerate(lines):
                head = name if number == 0 else ""
                yield Text.assemble(" " * _INDENT, (f"{head:<{width}}", "dim"), "  ", line, overflow="fold")


def _drawn(widths: Sequence[int]) -> int:
    return sum(widths) + _AROUND * len(widths) + 1


def _shared(least: Sequence[int], most: Sequence[int], width: int) -> list[int]:
    """Widths between least and most: what the window leaves goes to the narrowest column that wants more."""
    widths = list(least)
    for _ in range(width - _drawn(widths)):
        wanting = [at for at, (now, high) in enumerate(zip(widths, most, strict=True)) if now < high]
        if not wanting:
            break
        widths[min(wanting, key=widths.__getitem__)] += 1
    return widths


def _text(cell: object) -> Text:
    return cell if isinstance(cell, Text) else Text(str(cell))


def _texts(column: Column) -> Iterator[Text]:
    yield _text(column.header)
    yield from map(_text, column.cells)


def _longest_word(column: Column) -> int:
    """The narrowest that the column can be drawn."""
    if column.no_wrap:
        return _longest_line(column)
    return max(cell_len(word) for text in _texts(column) for word in _WORD.findall(text.plain) or [""])


def _longest_line(column: Column) -> int:
    return max(line.cell_len for text in _texts(column) for line in text.split("\n", allow_blank=True))
