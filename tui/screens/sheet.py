"""A sheet laid over the workbench: a text to read and to close again."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from engine.text import clean
from tui import keys
from tui.widgets.hints import Hints


class Page(VerticalScroll, can_focus=True, inherit_bindings=False):
    """The text; scrolls without moving through what lies between."""

    BINDINGS = keys.bindings("sheet")

    def action_back(self) -> None:
        self.screen.dismiss()

    def action_scroll_down(self) -> None:
        self.scroll_relative(y=1, animate=False)

    def action_scroll_up(self) -> None:
        self.scroll_relative(y=-1, animate=False)

    def action_page_down(self) -> None:
        self.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self.scroll_page_up(animate=False)

    def action_scroll_home(self) -> None:
        self.scroll_home(animate=False)

    def action_scroll_end(self) -> None:
        self.scroll_end(animate=False)


class Sheet(ModalScreen[None], inherit_bindings=False):
    """A title, a text that scrolls, and the keys to read it with."""

    def __init__(self, title: str, text: Content) -> None:
        super().__init__(classes="dialog")
        self._title = clean(title, 200, lines=False)
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = Content(self._title)
            with Page():
                yield Static(self._text)
            hints = Hints()
            hints.put(keys.hints("sheet"))
            yield hints


def keys_page(focus: keys.Focus) -> Content:
    """Every key; those of the focus first."""
    order = [focus, "everywhere", *(f for f in keys.TABLE if f not in (focus, "everywhere"))]
    parts: list[Content] = []
    for name in dict.fromkeys(order):
        parts.append(Content.styled(keys.NAMES[name], "bold $primary"))
        for key in keys.TABLE[name]:
            parts.append(Content.assemble("  ", (key.shown.ljust(11), "bold"), key.words))
        parts.append(Content(""))
    return Content("\n").join(parts)
