"""One knob on one line: its name, its value, and what is wrong with it."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len
from textual import on
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from engine.config import Knob, as_text
from engine.text import clean
from tui.focus import focus
from tui.widgets.field import Field

TITLE_WIDTH = 16
VALUE_WIDTH = 12
CHANGED = "●"


def shown(value: Any) -> str:
    """A value as a person writes it: `2e-4`, `on`, `16`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return _number(value)
    return clean(as_text(value), 2_000, lines=False)


def _number(value: float) -> str:
    if value and abs(value) < 0.01:
        digits, _, power = f"{value:.6e}".partition("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
    return f"{value:.10g}"


class KnobRow(Widget, can_focus=True):
    """Shows a knob and edits it in place; what is typed is judged by the pane."""

    DEFAULT_CSS = """
    KnobRow { height: 1; width: 1fr; layout: horizontal; }
    KnobRow:focus { background: $panel; text-style: bold; }
    KnobRow Field { margin-left: 20; width: 1fr; }
    """

    class Given(Message):
        """A value was typed or chosen: still text, still to be judged."""

        def __init__(self, row: KnobRow, text: str) -> None:
            super().__init__()
            self.row = row
            self.text = text

    def __init__(self, knob: Knob) -> None:
        super().__init__(id="knob-" + knob.path.replace(".", "-").replace("_", "-"))
        self.knob = knob
        self.value: Any = knob.default
        self.instead = ""
        """What stands for a value that is not set."""
        self.typed = ""
        self.reason = ""

    def put(self, value: Any, instead: str) -> None:
        """Show a value that does; forget one that did not."""
        if (value, instead, "", "") != (self.value, self.instead, self.typed, self.reason):
            self.value, self.instead, self.typed, self.reason = value, instead, "", ""
            self.refresh()

    def refuse(self, typed: str, reason: str) -> None:
        """Keep what was typed and say beside it why it does not do."""
        self.typed, self.reason = typed, reason
        self.refresh()

    @property
    def changed(self) -> bool:
        return bool(self.reason) or self.value != self.knob.default

    def render(self) -> Content:
        mark = "▸" if self.has_focus or self.editing else " "
        glyph = "✗" if self.reason else CHANGED if self.changed else " "
        style = "bold $error" if self.reason else "bold $accent"
        left = Content.assemble(
            (mark, "bold $primary"), (glyph, style), " ", self.knob.title.ljust(TITLE_WIDTH), " "
        )
        line = Content.assemble(left, *self._value(self.size.width - left.cell_length))
        return line.truncate(self.size.width, ellipsis=True)

    def _value(self, room: int) -> list[Any]:
        if self.reason:
            words = clean(self.typed, 80, lines=False)
            fits = VALUE_WIDTH + len(self.reason) + 4 <= room
            typed = Content(words.ljust(VALUE_WIDTH) if fits else words)
            typed = typed.truncate(max(VALUE_WIDTH, room // 3), ellipsis=True)
            return [typed.stylize("bold $error"), (f"  ✗ {self.reason}", "$error")]
        if self.value is None:
            return [(self.instead, "$quiet")]
        words = f"{shown(self.value)} {self.knob.unit}".rstrip()
        if self.knob.choices and self.has_focus:
            words = f"‹ {shown(self.value)} ›"
        usual = f"  usual {self.knob.usual}" if self.knob.usual else ""
        fits = max(VALUE_WIDTH, cell_len(words)) + len(usual) <= room
        return [words.ljust(VALUE_WIDTH), (usual if fits else "", "$quiet not bold")]

    # ------------------------------------------------------------ editing

    @property
    def editing(self) -> bool:
        return bool(self.query(Field))

    def edit(self) -> None:
        if not self.editing:
            text = self.typed or _plain(self.value)
            field = Field(text, self.knob.empty or self.knob.usual, select_on_focus=True)
            self.mount(field)
            focus(field)

    def close(self) -> None:
        for field in self.query(Field):
            field.remove()
        self.refresh()

    @on(Field.Submitted)
    def _take(self, message: Field.Submitted) -> None:
        message.stop()
        field = message.input
        text = field.answer_of(message.value) if isinstance(field, Field) else message.value
        focus(self)
        self.close()
        self.post_message(self.Given(self, text))

    @on(Field.Abandoned)
    def _abandon(self, message: Field.Abandoned) -> None:
        message.stop()
        focus(self)
        self.close()

    def on_descendant_blur(self) -> None:
        """Leaving the field by any other way counts as giving what stands in it."""
        field = self.query(Field).first(Field) if self.editing else None
        if field is not None and not self.has_focus:
            text = field.answer
            self.close()
            self.post_message(self.Given(self, text))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self) -> None:
        if self.has_focus and not self.knob.choices:
            self.edit()

    def choose(self, by: int) -> None:
        """Turn to the next or the previous choice."""
        choices = self.knob.choices
        current = str(self.value).lower() if isinstance(self.value, bool) else self.value
        at = choices.index(current) if current in choices else 0
        self.post_message(self.Given(self, choices[(at + by) % len(choices)]))


def _plain(value: Any) -> str:
    """The value as text to edit: foreign text stays as it is, the field makes it visible."""
    return as_text(value) if isinstance(value, (str, tuple)) else shown(value)
