"""The question on leaving a row or record that was changed. Going on has the focus."""

from __future__ import annotations

from typing import Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui import keys

Answer = Literal["drop", "keep", "stay"]


class Unsaved(ModalScreen[Answer], inherit_bindings=False):
    """Drop what was changed, keep it as a draft, or go on."""

    BINDINGS = keys.bindings("unsaved")
    AUTO_FOCUS = "OptionList"

    def __init__(self, title: str) -> None:
        super().__init__(classes="dialog")
        self._title = title

    def compose(self) -> ComposeResult:
        with Vertical(classes="box -short") as box:
            box.border_title = Content(self._title)
            yield Static("What you wrote is not saved yet: ctrl+s saves it.", markup=False)
            answers = [
                Option(
                    Content.assemble((f"{key.shown:<5}{key.hint:<15}", "bold"), key.words),
                    id=key.action.split("'")[1],
                )
                for key in reversed(keys.TABLE["unsaved"])
            ]
            yield OptionList(*answers, markup=False)

    @on(OptionList.OptionSelected)
    def _chosen(self, message: OptionList.OptionSelected) -> None:
        self.dismiss(message.option_id)  # type: ignore[arg-type]

    def action_answer(self, answer: Answer) -> None:
        self.dismiss(answer)
