"""A row as its tokens: the borders between them, what is learned, and what is cut away.

Only the lines that are looked at are laid out, so a row of any length is shown at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from engine.text import clean

Token = Sequence[Any]
"""Its kind (`prompt`, `special`, `answer`, `cut`), its text and its number in the vocabulary."""
Piece = tuple[str, str, bool]
"""Some text, its kind, and whether the ground behind it is the other one of the two."""
Line = tuple[str, list[Piece]]
"""The mark at the left, and the pieces."""

AHEAD = 200
"""Lines that are laid out beyond those on the screen."""
MOST_OF_ONE = 400
"""Characters shown of a single token."""
BORDER = "¦"
MARKS = {"answer": "▌ ", "cut": "✗ "}
CUT = "cut from here on: too long to be learned"


class TokenLines:
    """Lays tokens out in lines of at most `width` cells, as far as it is asked to.

    With `borders` a `¦` stands between two tokens, for terminals without grounds of their own.
    """

    def __init__(self, tokens: Sequence[Token], width: int, borders: bool) -> None:
        self._tokens = tokens
        self._width = max(4, width - 2)
        self._borders = borders
        self._next = 0
        self._line: list[Piece] = []
        self._room = self._width
        self._cut = False
        self.done: list[Line] = []

    def upto(self, count: int) -> list[Line]:
        """At least so many lines, or all there are."""
        while len(self.done) < count and self._next < len(self._tokens):
            kind, text = str(self._tokens[self._next][0]), self._tokens[self._next][1]
            self._add(kind, clean(text, MOST_OF_ONE).expandtabs(4), self._next % 2 == 1)
            self._next += 1
        if self._next == len(self._tokens) and self._line:
            self._end()
        return self.done

    def _add(self, kind: str, shown: str, other: bool) -> None:
        if kind == "cut" and not self._cut:
            self._cut = True
            if self._line:
                self._end()
            self.done.append(
                ("✗ ", [(set_cell_size(CUT, min(len(CUT), self._width)), "note", False)])
            )
        if self._borders and self._line:
            self._put(BORDER, "border", False)
        for place, part in enumerate(shown.split("\n")):
            if place:
                self._put("↵", kind, other)
                self._end()
            if part:
                self._put(part, kind, other)

    def _put(self, text: str, kind: str, other: bool) -> None:
        """Put some text on the line, and on the next ones what has no room."""
        while text:
            if cell_len(text) <= self._room:
                self._line.append((text, kind, other))
                self._room -= cell_len(text)
                return
            whole = self._room == self._width
            fitting, room = 0, self._room
            for letter in text:
                room -= cell_len(letter)
                if room < 0:
                    break
                fitting += 1
            fitting = max(fitting, int(whole))
            if fitting and (whole or len(text) > self._width):
                self._line.append((text[:fitting], kind, other))
                text = text[fitting:]
            self._end()

    def _end(self) -> None:
        kinds = {kind for _, kind, _ in self._line}
        mark = next((MARKS[kind] for kind in MARKS if kind in kinds), "  ")
        self.done.append((mark, self._line))
        self._line, self._room = [], self._width


class TokenView(ScrollView, can_focus=True, inherit_bindings=False):
    """The tokens of one row; the pane around it binds the keys."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "token--prompt", "token--special", "token--answer", "token--cut", "token--note",
        "token--border", "token--other",
    }  # fmt: skip
    DEFAULT_CSS = """
    TokenView {
        height: 1fr; display: none;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable; overflow-x: hidden; overflow-y: auto;
    }
    TokenView > .token--prompt { color: $quiet; }
    TokenView > .token--special { color: $accent; }
    TokenView > .token--answer { color: $success; text-style: bold; }
    TokenView > .token--cut { color: $quiet; text-style: strike; }
    TokenView > .token--note { color: $warning; text-style: bold; }
    TokenView > .token--border { color: $quiet; }
    TokenView > .token--other { background: $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._tokens: Sequence[Token] = ()
        self._lines = TokenLines((), 80, False)

    @property
    def _few_colours(self) -> bool:
        """Two grounds cannot be told apart here: borders stand between the tokens."""
        few = self.app.console.color_system in ("standard", "windows")
        return few or self.app.current_theme.ansi or "NO_COLOR" in os.environ

    def put(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._lay_out()
        self.scroll_home(animate=False)

    def read_on(self, pages: int) -> bool:
        """Scroll by a page; False when there is nothing more in that direction."""
        before = self.scroll_offset.y
        page = max(1, self.scrollable_content_region.height)
        self._reach(before + 2 * page)
        after = min(max(0, before + pages * page), self.max_scroll_y)
        self.scroll_to(y=after, animate=False, force=True)
        return after != before

    def on_resize(self, event: events.Resize) -> None:
        self._lay_out()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self.is_mounted and self._tokens:
            self._lay_out()

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        self._reach(int(new) + self.size.height)

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width or 76
        self._lines = TokenLines(self._tokens, width, self._few_colours)
        self._reach(self.size.height)
        self.refresh()

    def _reach(self, lines: int) -> None:
        """Lay out so many lines and some more; the scrollbar knows of those there are."""
        found = self._lines.upto(lines + AHEAD)
        self.virtual_size = Size(self.scrollable_content_region.width, len(found))

    def render_line(self, y: int) -> Strip:
        width, base = self.size.width, self.rich_style
        lines = self._lines.upto(self.scroll_offset.y + y + 1)
        if self.scroll_offset.y + y >= len(lines):
            return Strip.blank(width, base)
        mark, pieces = lines[self.scroll_offset.y + y]
        kind = {"▌ ": "answer", "✗ ": "note"}.get(mark)
        segments = [Segment(mark, base + self._look(kind) if kind else base)]
        for text, kind, other in pieces:
            look = self._look(kind)
            if other and not self._few_colours:
                ground = self.get_component_rich_style("token--other", partial=True)
                look = look + ground
            segments.append(Segment(text, base + look))
        return Strip(segments).adjust_cell_length(width, base)

    def _look(self, kind: str) -> Style:
        known = f"token--{kind}"
        if known not in self.COMPONENT_CLASSES:
            known = "token--prompt"
        return self.get_component_rich_style(known, partial=True)
