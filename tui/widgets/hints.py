"""The last line: the keys of the focus, and where they lead."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

SEPARATOR = "  "


class Hints(Widget):
    """As many hints as fit, the first ones first; a hint that does not fit whole is left out."""

    DEFAULT_CSS = """
    Hints { height: 1; width: 1fr; padding: 0 1; color: $quiet; }
    """

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._hints: list[tuple[str, str]] = []
        self._tabs: list[tuple[str, bool]] = []

    def put(self, hints: list[tuple[str, str]], tabs: list[tuple[str, bool]] | None = None) -> None:
        """Hints are (key, word); tabs are (name, is it the one on screen)."""
        if (hints, tabs or []) != (self._hints, self._tabs):
            self._hints, self._tabs = hints, tabs or []
            self.refresh()

    def render(self) -> Content:
        room = self.content_size.width
        hints = [
            Content.assemble((key, "bold $foreground"), f" {word}") for key, word in self._hints
        ]
        parts = [_tab(name, current) for name, current in self._tabs] + hints
        if sum(part.cell_length + len(SEPARATOR) for part in parts) > room + len(SEPARATOR):
            parts = [
                _tab(name if current else name[:1], current) for name, current in self._tabs
            ] + hints
        shown: list[Content] = []
        for part in parts:
            needed = part.cell_length + (len(SEPARATOR) if shown else 0)
            if needed <= room:
                room -= needed
                shown.append(part)
        return Content(SEPARATOR).join(shown)


def _tab(name: str, current: bool) -> Content:
    return Content.styled(f"[{name}]", "bold $foreground") if current else Content(name)
