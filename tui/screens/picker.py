"""A field over a list that it narrows: for commands and for files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from engine.text import clean
from tui import keys
from tui.widgets.field import Field
from tui.widgets.hints import Hints

T = TypeVar("T")
MAX_SHOWN = 500
MOST_WIDE = 48


@dataclass(frozen=True)
class Choice(Generic[T]):
    """One line of the list: what it says, a word beside it, and what it stands for."""

    text: str
    beside: str
    value: T


class Picker(ModalScreen[T | None], Generic[T], inherit_bindings=False):
    """Subclasses say which choices there are for what is typed, and what taking one does."""

    BINDINGS = keys.bindings("list")
    AUTO_FOCUS = "Field"
    TITLE_TEXT = ""
    PLACEHOLDER = ""

    def __init__(self, typed: str = "") -> None:
        super().__init__(classes="dialog")
        self._typed = typed
        self._found: list[Choice[T]] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = Content(self.TITLE_TEXT)
            yield Field(self._typed, self.PLACEHOLDER, select_on_focus=False)
            yield OptionList(markup=False)
            hints = Hints()
            hints.put(keys.hints("list"))
            yield hints

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self.narrow()

    def choices(self, typed: str) -> list[Choice[T]]:
        raise NotImplementedError

    @property
    def begin(self) -> int:
        """The line to begin on."""
        return 0

    def take(self, choice: Choice[T] | None, typed: str) -> None:
        """Enter was pressed on a line, or on none."""
        self.dismiss(choice.value if choice else None)

    def narrow(self) -> None:
        field = self.query_one(Field)
        self._found = self.choices(field.answer)[:MAX_SHOWN]
        listed = self.query_one(OptionList)
        listed.clear_options()
        wide = min(MOST_WIDE, max((len(choice.text) for choice in self._found), default=0))
        listed.add_options([Option(_line(choice, wide)) for choice in self._found])
        if self._found:
            listed.highlighted = min(self.begin, len(self._found) - 1)

    @property
    def highlighted(self) -> Choice[T] | None:
        at = self.query_one(OptionList).highlighted
        return self._found[at] if at is not None and at < len(self._found) else None

    @on(Input.Changed)
    def _typed_more(self, message: Input.Changed) -> None:
        message.stop()
        self.narrow()

    @on(Input.Submitted)
    def _entered(self, message: Input.Submitted) -> None:
        message.stop()
        self.take(self.highlighted, self.query_one(Field).answer_of(message.value))

    @on(OptionList.OptionSelected)
    def _clicked(self, message: OptionList.OptionSelected) -> None:
        message.stop()
        self.action_choose()

    @on(Field.Abandoned)
    def _abandoned(self, message: Field.Abandoned) -> None:
        message.stop()
        self.action_back()

    def action_choose(self) -> None:
        self.take(self.highlighted, self.query_one(Field).answer)

    def action_complete(self) -> None:
        if (choice := self.highlighted) is not None:
            self.query_one(Field).put(self.completion(choice))

    def completion(self, choice: Choice[T]) -> str:
        return choice.text

    def action_cursor_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_cursor_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()

    def action_page_down(self) -> None:
        self.query_one(OptionList).action_page_down()  # type: ignore[no-untyped-call]

    def action_page_up(self) -> None:
        self.query_one(OptionList).action_page_up()  # type: ignore[no-untyped-call]

    def action_back(self) -> None:
        self.dismiss(None)


def _line(choice: Choice[T], wide: int) -> Content:
    text = clean(choice.text, 120, lines=False).ljust(wide)
    return Content.assemble(text, ("  " + clean(choice.beside, 80, lines=False), "$quiet"))
