"""A small form: fields to type into and lines to choose from, taken all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from engine.text import clean
from tui import keys
from tui.focus import focus
from tui.widgets.field import Field


@dataclass(frozen=True)
class Entry:
    """One line of a form: text to type, or one of some choices (value, what it says)."""

    name: str
    title: str
    value: Any = ""
    choices: Sequence[tuple[Any, str]] = ()
    placeholder: str = ""


class Chooser(Widget, can_focus=True):
    """One of some values; shows them all where they fit, else the one and where it stands."""

    DEFAULT_CSS = """
    Chooser { height: 1; width: 1fr; }
    Chooser:focus { background: $panel; text-style: bold; }
    """

    class Changed(Message):
        """Another value was chosen."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(id=f"entry-{entry.name}")
        self._choices = list(entry.choices)
        values = [value for value, _ in self._choices]
        self._at = values.index(entry.value) if entry.value in values else 0

    @property
    def answer(self) -> Any:
        return self._choices[self._at][0] if self._choices else None

    def choose(self, by: int) -> None:
        if self._choices:
            self._at = (self._at + by) % len(self._choices)
            self.refresh()
            self.post_message(self.Changed())

    def on_click(self, event: events.Click) -> None:
        event.stop()
        focus(self)
        self.choose(1)

    def render(self) -> Content:
        said = clean(self._choices[self._at][1], 200, lines=False) if self._choices else "none"
        ends = ("‹ ", " ›") if self.has_focus else ("  ", "  ")
        place = f"  {self._at + 1} of {len(self._choices)}" if len(self._choices) > 1 else ""
        line = Content.assemble((ends[0], "bold $primary"), said, (ends[1], "bold $primary"))
        return line.truncate(max(4, self.size.width - len(place)), ellipsis=True) + Content.styled(
            place, "$quiet"
        )


class Name(Widget):
    """What an entry is called."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def render(self) -> Content:
        return Content(self._title)


class Form(Vertical):
    """Lines of title and value; `accept` and `abandon` are its ends."""

    BINDINGS = keys.bindings("form")
    DEFAULT_CSS = """
    Form { height: auto; width: 1fr; }
    Form Horizontal { height: 1; }
    Form Name { width: 17; color: $quiet; }
    Form Field, Form Field:focus { padding: 0 2; }
    Form .form-fault { color: $error; display: none; }
    """

    class Accepted(Message):
        """Enter was pressed: what each entry holds by its name."""

        def __init__(self, form: Form, values: dict[str, Any]) -> None:
            super().__init__()
            self.form, self.values = form, values

    class Abandoned(Message):
        """Escape was pressed."""

    class Changed(Message):
        """A value is another now."""

        def __init__(self, values: dict[str, Any]) -> None:
            super().__init__()
            self.values = values

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__()
        self._entries = list(entries)

    def compose(self) -> ComposeResult:
        for entry in self._entries:
            with Horizontal():
                yield Name(entry.title)
                if entry.choices:
                    yield Chooser(entry)
                else:
                    yield Field(
                        str(entry.value), entry.placeholder, id=f"entry-{entry.name}",
                        select_on_focus=False,
                    )  # fmt: skip
        yield Static(classes="form-fault", markup=False)

    @property
    def values(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for entry in self._entries:
            place = self.query_one(f"#entry-{entry.name}")
            found[entry.name] = place.answer if isinstance(place, Field | Chooser) else entry.value
        return found

    @property
    def places(self) -> list[Widget]:
        return [self.query_one(f"#entry-{entry.name}") for entry in self._entries]

    def begin(self) -> None:
        """Give the focus to the first entry."""
        if places := self.places:
            focus(places[0])

    def refuse(self, why: str) -> None:
        """Say under the form why it was not taken."""
        told = self.query_one(".form-fault", Static)
        told.update(Content(f"✗ {clean(why, 400, lines=False)}"))
        told.display = True

    def action_field(self, by: int) -> None:
        places = self.places
        at = next((n for n, place in enumerate(places) if place.has_focus), 0)
        focus(places[(at + by) % len(places)])

    def action_choose(self, by: int) -> None:
        if isinstance(self.screen.focused, Chooser):
            self.screen.focused.choose(by)

    def action_accept(self) -> None:
        self.post_message(self.Accepted(self, self.values))

    def action_abandon(self) -> None:
        self.post_message(self.Abandoned())

    @on(Field.Submitted)
    def _entered(self, message: Field.Submitted) -> None:
        message.stop()
        values: Mapping[str, Any] = self.values
        if isinstance(message.input, Field) and message.input.id:
            own = message.input.id.removeprefix("entry-")
            values = {**values, own: message.input.answer_of(message.value)}
        self.post_message(self.Accepted(self, dict(values)))

    @on(Field.Abandoned)
    def _left(self, message: Field.Abandoned) -> None:
        message.stop()
        self.action_abandon()

    @on(Chooser.Changed)
    @on(Input.Changed)
    def _changed(self, message: Message) -> None:
        message.stop()
        if self.is_mounted:
            self.post_message(self.Changed(self.values))
