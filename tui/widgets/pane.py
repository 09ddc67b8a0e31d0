"""A pane: a bordered room of the workbench whose border says what it is and how it stands."""

from __future__ import annotations

from typing import ClassVar

from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from engine.text import clean
from tui import keys
from tui.focus import focus


class Pane(Vertical):
    """A numbered room. A subclass sets NUMBER, TITLE and KEYS, and says its state by `say`.

    Focus lives in the children; a pane without a child that takes it says `can_focus=True` itself.
    While focus is inside, the border is heavy and its lower edge shows the keys of this pane.
    """

    NUMBER: ClassVar[int] = 0
    TITLE: ClassVar[str] = ""
    KEYS: ClassVar[keys.Focus] = "everywhere"

    DEFAULT_CSS = """
    Pane {
        border: round $border-blurred;
        border-title-color: $foreground;
        border-subtitle-color: $text-muted;
        border-subtitle-align: right;
        padding: 0 1;
        height: 1fr;
        width: 1fr;
    }
    Pane:focus-within, Pane:focus {
        border: heavy $border;
        border-title-color: $foreground;
        border-title-style: bold;
    }
    """

    def __init__(
        self,
        *children: Widget,
        id: str | None = None,  # noqa: A002
        classes: str | None = None,
    ) -> None:
        super().__init__(*children, id=id or f"pane-{self.TITLE}", classes=classes)
        self._stop: Widget | None = None
        self.say("")
        self._show_hints(False)

    def say(self, state: str) -> None:
        """Put the state in the border, after number and name: `1 data · alpaca · 300 rows`."""
        words = [f"{self.NUMBER} {self.TITLE}", clean(state, 200, lines=False)]
        title = Content(" · ".join(word for word in words if word))
        if title.markup != self.border_title:
            self.border_title = title
            # a layout in the same tick would swallow the repaint of the border
            self.call_after_refresh(self.refresh)

    def hint(self, text: str) -> None:
        """Put words in the lower edge of the border, in place of the keys."""
        words = clean(text, 200, lines=False)
        subtitle = Content(words) if words else None
        if (subtitle and subtitle.markup) != self.border_subtitle:
            self.border_subtitle = subtitle

    def stops(self) -> list[Widget]:
        """The places inside that take focus, in order; the pane itself when it has none."""
        inside = [w for w in self.query("*") if w.focusable and w.display]
        return inside or ([self] if self.can_focus else [])

    def enter(self) -> None:
        """Give focus to the place that had it last, else to the first."""
        stops = self.stops()
        if stops:
            focus(self._stop if self._stop in stops else stops[0])

    def on_descendant_focus(self) -> None:
        focused = self.screen.focused
        if focused is not None and self in focused.ancestors_with_self:
            self._stop = focused
        self._show_hints(True)

    def on_descendant_blur(self) -> None:
        focused = self.screen.focused
        self._show_hints(focused is not None and self in focused.ancestors_with_self)

    def on_focus(self) -> None:
        self._show_hints(True)

    def on_blur(self) -> None:
        self._show_hints(False)

    def _show_hints(self, focused: bool) -> None:
        found = keys.hints(self.KEYS) if focused else []
        self.hint("  ".join(f"{key} {word}" for key, word in found))
