"""A form laid over the workbench: its title, its lines, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui import keys
from tui.widgets.form import Entry, Form
from tui.widgets.hints import Hints


class FormScreen(ModalScreen[dict[str, Any] | None], inherit_bindings=False):
    """Gives back what `read` makes of the values; a ValueError of it is shown and the form stays."""

    AUTO_FOCUS = None

    def __init__(
        self,
        title: str,
        entries: Sequence[Entry],
        read: Callable[[dict[str, Any]], dict[str, Any]] = lambda values: values,
        said: Content | str = "",
    ) -> None:
        super().__init__(classes="dialog")
        self._title, self._entries, self._read, self._said = title, entries, read, said

    def compose(self) -> ComposeResult:
        with Vertical(classes="box -short") as box:
            box.border_title = Content(self._title)
            if self._said:
                yield Static(self._said, markup=False)
            yield Form(self._entries)
            hints = Hints()
            hints.put(keys.hints("form"))
            yield hints

    def on_mount(self) -> None:
        self.query_one(Form).begin()

    @on(Form.Accepted)
    def _accept(self, message: Form.Accepted) -> None:
        try:
            answer = self._read(message.values)
        except ValueError as error:
            message.form.refuse(str(error))
        else:
            self.dismiss(answer)

    @on(Form.Abandoned)
    def _abandon(self) -> None:
        self.dismiss(None)
