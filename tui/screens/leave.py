"""The question on leaving while a training goes on. The safe answer has the focus."""

from __future__ import annotations

from typing import Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from engine.text import clean
from tui import keys

Answer = Literal["detach", "stop", "kill", "stay"]


class Leave(ModalScreen[Answer], inherit_bindings=False):
    """Detach, stop and save, kill, or stay."""

    BINDINGS = keys.bindings("leave")
    AUTO_FOCUS = "OptionList"

    def __init__(self, run: str) -> None:
        super().__init__(classes="dialog")
        self._run = clean(run, 60, lines=False)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box -short") as box:
            box.border_title = Content("leave while training")
            yield Static(
                Content(
                    f"Run {self._run} is training. `finetui attach {self._run}` comes back to it."
                )
            )
            answers = [
                Option(
                    Content.assemble((f"{key.shown:<5}{key.hint:<15}", "bold"), key.words),
                    id=_answer(key),
                )
                for key in keys.TABLE["leave"]
            ]
            yield OptionList(*answers, markup=False)

    @on(OptionList.OptionSelected)
    def _chosen(self, message: OptionList.OptionSelected) -> None:
        self.dismiss(message.option_id)  # type: ignore[arg-type]

    def action_answer(self, answer: Answer) -> None:
        self.dismiss(answer)


def _answer(key: keys.Key) -> str:
    return key.action.split("'")[1]
