"""One line of text: pieces from the left, words at the right edge, cut to the width."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from tui.state import Next

STYLES = {
    "head": "bold $primary",
    "key": "bold",
    "good": "bold $success",
    "bad": "bold $error",
    "quiet": "$quiet",
}


def pieces_content(pieces: list[tuple[str, str]]) -> Content:
    """The pieces as one text; an unknown style name is plain."""
    return Content.assemble(*((text, STYLES.get(style, "")) for style, text in pieces))


class Line(Widget):
    """Repaints only when what it says has changed."""

    DEFAULT_CSS = """
    Line { height: 1; width: 1fr; padding: 0 1; color: $foreground; }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._pieces: list[tuple[str, str]] = []
        self._right: tuple[str, ...] = ()

    def put(self, pieces: list[tuple[str, str]], *right: str) -> None:
        """`right` are words for the right edge, the fullest first: the first that fits is shown."""
        if (pieces, right) != (self._pieces, self._right):
            self._pieces, self._right = pieces, right
            self.refresh()

    def render(self) -> Content:
        width = self.content_size.width
        left = pieces_content(self._pieces).truncate(width, ellipsis=True)
        room = width - left.cell_length - 2
        words = next((words for words in self._right if cell_len(words) <= room), "")
        gap = " " * (width - left.cell_length - cell_len(words))
        return Content.assemble(left, gap, (words, "$quiet")) if words else left


class NextLine(Widget):
    """How it stands and the keys that lead on; where room is short, words give way to a key."""

    DEFAULT_CSS = """
    NextLine { height: 1; width: 1fr; padding: 0 1; color: $foreground; }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._next = Next("", "")

    def put(self, what: Next) -> None:
        if what != self._next:
            self._next = what
            self.refresh()

    def render(self) -> Content:
        now, width = self._next, self.content_size.width
        keys = [Content.assemble("   ", (key, "bold"), f" {word}") for key, word in now.keys]
        first = keys[0].cell_length if keys else 0
        said = _fitting(now.said, width - first - len(now.head) - 2)
        line = Content.assemble((now.head, STYLES[now.kind]), f"  {said}" if said else "")
        line = line.truncate(max(8, width - first), ellipsis=True)
        for key in keys:
            if line.cell_length + key.cell_length > width:
                break
            line = line + key
        return line


def _fitting(said: str, room: int) -> str:
    """Without the last facts of `one · two · three` where they do not fit whole."""
    while cell_len(said) > room and " · " in said:
        said = said.rpartition(" · ")[0]
    return said
