"""A widget of single-width cells that repaints only what changed.

Textual repaints every cell of a dirty region, changed or not; over SSH that is most of the bytes.
So pictures are compared cell by cell, and only the spans that differ are made dirty.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.chart import Row, blank, changed_spans, runs


class Cells(Widget):
    """Shows rows of (character, role). A subclass says how each role looks."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.picture: tuple[Row, ...] = ()
        self._looks: Mapping[str, Style] = {}
        self._looks_of = ""

    def role_styles(self) -> Mapping[str, Style]:
        """The style of each role in the theme of now; roles left out look like plain text."""
        return {}

    def show_rows(self, rows: tuple[Row, ...]) -> int:
        """Show other rows; returns how many cells are painted again."""
        width, height = self.size
        rows = fitted(rows, width, height)
        same_size = [len(row) for row in rows] == [len(row) for row in self.picture]
        old, self.picture = self.picture, rows
        if not same_size:
            self.refresh()
            return width * height
        spans = changed_spans(old, rows)
        if spans:
            self.refresh(*(Region(x, y, end - x, 1) for y, x, end in spans))
        return sum(end - x for _, x, end in spans)

    def render_line(self, y: int) -> Strip:
        if y >= len(self.picture):
            return Strip.blank(self.size.width, self.rich_style)
        if self._looks_of != self.app.theme:
            self._looks, self._looks_of = self.role_styles(), self.app.theme
        base, looks = self.rich_style, self._looks
        segments = [
            Segment(text, base + looks[role] if role in looks else base)
            for text, role in runs(self.picture[y])
        ]
        return Strip(segments, len(self.picture[y])).adjust_cell_length(self.size.width, base)


def fitted(rows: tuple[Row, ...], width: int, height: int) -> tuple[Row, ...]:
    """Rows cut and filled to a size."""
    space = blank(width, 1)[0] if width else ()
    cut = [(*row[:width], *space[len(row) :]) for row in rows[:height]]
    return (*cut, *((space,) * (height - len(cut))))
