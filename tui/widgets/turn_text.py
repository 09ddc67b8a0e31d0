"""A text of many lines to change, in which nothing hidden is shown and nothing hidden is lost."""

from __future__ import annotations

import unicodedata

from rich.text import Text
from textual import events
from textual.containers import VerticalScroll
from textual.geometry import Offset
from textual.widgets import TextArea

from engine.text import MAX_MARKS, clean

FIRST_STAND_IN = 0x10F000
"""Private letters stand in for hidden ones while a text is changed."""
MOST_STAND_INS = 0xF00


class StandIns:
    """Private letters in place of those that must not reach the terminal, and back again."""

    def __init__(self) -> None:
        self._own: dict[str, str] = {}
        self._back: dict[int, str] = {}
        self._shown: dict[int, str] = {}

    def put(self, text: str) -> str:
        """The text with a stand-in for each hidden letter, and for marks heaped on one letter."""
        letters: list[str] = []
        marks = 0
        for letter in text:
            marks = marks + 1 if unicodedata.combining(letter) else 0
            hidden = letter not in "\n\t" and clean(letter) != letter
            letters.append(self._of(letter) if hidden or marks > MAX_MARKS else letter)
        return "".join(letters)

    def _of(self, letter: str) -> str:
        if letter not in self._own and len(self._own) < MOST_STAND_INS:
            code = FIRST_STAND_IN + len(self._own)
            self._own[letter], self._back[code] = chr(code), letter
            seen = clean(letter)
            plain = len(seen) == 1 and not unicodedata.combining(letter)
            self._shown[code] = seen if plain else "\N{REPLACEMENT CHARACTER}"
        return self._own.get(letter, "\N{REPLACEMENT CHARACTER}")

    def back(self, text: str) -> str:
        return text.translate(self._back)

    def shown(self, text: str) -> str:
        """As the screen shows it: letter by letter, so that places stay the same."""
        return text.translate(self._shown)


class TurnText(TextArea):
    """The text of one turn; it grows with what is written, and its keys keep their order."""

    TAKES_TEXT = True
    DEFAULT_CSS = """
    TurnText, TurnText:focus {
        height: auto; min-height: 1; max-height: 100; padding: 0 1; border: none;
        border-left: wide $border-blurred; background: $background;
    }
    TurnText:focus { border-left: wide $border; background: $surface; }
    """

    def __init__(self, text: str = "") -> None:
        self.given = text
        self._stand_ins = StandIns()
        super().__init__(highlight_cursor_line=False, compact=False)
        self._first = self._stand_ins.put(text)
        self.load_text(self._first)
        self.move_cursor(self.document.end)
        self.cursor_blink = False

    @property
    def answer(self) -> str:
        """What is written; what it began with, untouched, when nothing was changed."""
        return self.given if self.text == self._first else self._stand_ins.back(self.text)

    def on_focus(self) -> None:
        self.call_after_refresh(self._bring_into_view)

    def scroll_cursor_visible(self, center: bool = False, animate: bool = False) -> Offset:
        """The text is as high as it needs: what scrolls is the place around it."""
        moved = super().scroll_cursor_visible(center, animate)
        if self.has_focus:
            self.call_after_refresh(self._bring_into_view)
        return moved

    def _bring_into_view(self) -> None:
        place = next((a for a in self.ancestors if isinstance(a, VerticalScroll)), None)
        if place is None or not self.has_focus:
            return
        line, top = self.cursor_screen_offset.y, place.region.y
        line -= self.cursor_location[0] == 0  # with the words above a text's first line
        below = line + 1 - place.region.bottom
        if line < top or below > 0:
            by = below if below > 0 else line - top
            place.scroll_relative(y=by, animate=False, immediate=True)

    def get_line(self, line_index: int) -> Text:
        shown = self._stand_ins.shown(self.document.get_line(line_index))
        return Text(shown, end="", no_wrap=True)

    async def _on_key(self, event: events.Key) -> None:
        """Keys of the screen take effect here, between the letters before and after, in the order typed.

        What is left goes on to Textual's own.
        """
        if self.check_consume_key(event.key, event.character):
            if event.character and clean(event.character) != event.character:
                self.insert(self._stand_ins.put(event.character))
                event.stop()
                event.prevent_default()
            return
        found = self.screen.active_bindings.get(event.key)
        if (
            found is not None
            and found.enabled
            and await self.app.run_action(found.binding.action, found.node)
        ):
            event.stop()
            event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        event.text = self._stand_ins.put(event.text.replace("\r\n", "\n").replace("\r", "\n"))
        await super()._on_paste(event)
        event.prevent_default()

    def action_cut(self) -> None:
        """Cut what is marked; Textual would hand the stand-ins to the clipboard."""
        if text := self.selected_text:
            self.app.copy_to_clipboard(clean(self._stand_ins.back(text)))
            self.delete(*self.selection)

    def action_copy(self) -> None:
        if text := self.selected_text:
            self.app.copy_to_clipboard(clean(self._stand_ins.back(text)))


def write_in(text: TurnText) -> None:
    """Give the focus to a text, which brings its cursor into view itself."""
    text.screen.set_focus(text, scroll_visible=False)
