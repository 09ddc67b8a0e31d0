"""A text field of one line that shows nothing hidden and never blinks."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.message import Message
from textual.widgets import Input

from engine.text import clean
from tui import keys

MAX_TYPED = 4_000


class Field(Input):
    """Input without border or blinking; what is pasted is made visible and one line long."""

    BINDINGS = keys.bindings("field")

    DEFAULT_CSS = """
    Field, Field:focus {
        border: none; height: 1; padding: 0; background: $panel; color: $foreground;
    }
    """

    class Abandoned(Message):
        """Escape was pressed: what was typed does not count."""

        def __init__(self, field: Field) -> None:
            super().__init__()
            self.field = field

        @property
        def control(self) -> Field:
            return self.field

    def __init__(self, value: str = "", placeholder: str = "", **options: Any) -> None:
        self.given = value
        shown = clean(value, MAX_TYPED, lines=False)
        super().__init__(
            shown, clean(placeholder, 80, lines=False), max_length=MAX_TYPED, **options
        )
        self._shown = shown
        self.cursor_blink = False

    @property
    def answer(self) -> str:
        """What was typed; what it began with, untouched, when nothing was changed."""
        return self.answer_of(self.value)

    def answer_of(self, value: str) -> str:
        """The same for the value of a `Submitted`: letters behind the enter may be in the field by now."""
        return self.given if value == self._shown else value

    def put(self, value: str) -> None:
        """Set the text; foreign text is shown made visible, and answered as it is while untouched."""
        self.given = value
        self._shown = self.value = clean(value, MAX_TYPED, lines=False)
        self.cursor_position = len(self.value)

    async def on_key(self, event: events.Key) -> None:
        """Its own keys take effect here, between the letters before and after, in the order typed.

        Left to the app, a `ctrl+k` out of a burst would come after the letters that follow it.
        """
        found = self.screen.active_bindings.get(event.key)
        if (
            found is not None
            and found.node is self
            and found.enabled
            and await self.app.run_action(found.binding.action, self)
        ):
            event.stop()
            event.prevent_default()

    def _on_paste(self, event: events.Paste) -> None:
        self.insert_text_at_cursor(
            clean(event.text[:MAX_TYPED].strip("\r\n"), MAX_TYPED, lines=False)
        )
        event.prevent_default()
        event.stop()

    def action_abandon(self) -> None:
        self.post_message(self.Abandoned(self))
