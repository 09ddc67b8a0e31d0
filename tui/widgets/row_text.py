"""One row of the data as the model will see it; what is learned is bright and marked."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from engine.text import MAX_CHARACTERS, clean

LEARNED = "▌ "
CUT = "✗ "
PLAIN = "  "
STYLES = {
    "special": "$quiet",
    "prompt": "$foreground",
    "answer": "bold $success",
    "cut": "strike $quiet",
}


def lay_out(segments: Sequence[Sequence[str]], width: int) -> list[Content]:
    """The segments as lines of at most `width` cells; the left mark tells learned and cut text."""
    parts: list[tuple[str, str]] = []
    room = MAX_CHARACTERS
    for kind, text in segments:
        if room <= 0:
            break
        shown = clean(text, room).expandtabs(4)
        room -= len(shown)
        parts.append((shown, STYLES.get(kind, "")))
    text_width = max(4, width - len(PLAIN))
    return [_marked(line) for line in Content.assemble(*parts).wrap(text_width)]


def _marked(line: Content) -> Content:
    styles = {span.style for span in line.spans if line.plain[span.start : span.end].strip()}
    if STYLES["answer"] in styles:
        return Content.assemble((LEARNED, STYLES["answer"]), line)
    if STYLES["cut"] in styles:
        return Content.assemble((CUT, "$quiet"), line)
    return Content.assemble(PLAIN, line)


class RowText(Widget):
    """The lines of one row; as high as they need."""

    DEFAULT_CSS = "RowText { height: auto; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__()
        self._segments: Sequence[Sequence[str]] = ()
        self._lines: tuple[int, list[Content]] = (0, [])

    def put(self, segments: Sequence[Sequence[str]]) -> None:
        if segments != self._segments:
            self._segments = segments
            self._lines = (0, [])
            self.refresh(layout=True)

    def lines(self, width: int) -> list[Content]:
        if self._lines[0] != width:
            self._lines = (width, lay_out(self._segments, width))
        return self._lines[1]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self.lines(width)))

    def render(self) -> Content:
        return Content("\n").join(self.lines(self.content_size.width))


class RowView(VerticalScroll, can_focus=True, inherit_bindings=False):
    """A row that can be longer than its place; the pane around it binds the keys."""

    DEFAULT_CSS = """
    RowView { height: 1fr; scrollbar-size-vertical: 1; scrollbar-gutter: auto; overflow-x: hidden; }
    """

    def put(self, segments: Sequence[Sequence[str]]) -> None:
        self.query_one(RowText).put(segments)
        self.scroll_home(animate=False)

    def compose(self) -> list[Widget]:
        return [RowText()]

    def read_on(self, pages: int) -> bool:
        """Scroll by a page; False when there is nothing more in that direction."""
        before = self.scroll_offset.y
        if pages > 0:
            self.scroll_page_down(animate=False, force=True)
            return before < self.max_scroll_y
        self.scroll_page_up(animate=False, force=True)
        return before > 0
