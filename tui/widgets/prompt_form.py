"""Two fields for a prompt of the person's own: the system prompt, and what is asked."""

from __future__ import annotations

from textual import on
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Label

from tui.focus import focus
from tui.widgets.field import Field


class PromptForm(Vertical):
    """Hidden until it is opened; enter gives the prompt, escape closes it."""

    BINDINGS = [
        Binding("up,down,tab,shift+tab", "other_field", "other field", show=False),
    ]
    DEFAULT_CSS = """
    PromptForm { height: auto; display: none; }
    PromptForm Label { height: 1; color: $quiet; }
    """

    class Given(Message):
        """A prompt to ask."""

        def __init__(self, system: str, words: str) -> None:
            super().__init__()
            self.system, self.words = system, words

    class Closed(Message):
        """Escape was pressed."""

    def open(self, system: str) -> None:
        """Show the fields, the system prompt as it stands in most rows."""
        self._close()
        words = Field(id="words", placeholder="what would a person ask?")
        self.mount(
            Label("system prompt (↑ to change it)", markup=False),
            Field(system, placeholder="none", id="system-prompt", select_on_focus=False),
            Label("your prompt: enter asks, esc closes", markup=False),
            words,
        )
        self.display = True
        focus(words)

    def action_other_field(self) -> None:
        other = "#words" if self.query_one("#system-prompt").has_focus else "#system-prompt"
        focus(self.query_one(other, Field))

    @on(Field.Submitted)
    def _give(self, message: Field.Submitted) -> None:
        message.stop()
        words, system = self.query_one("#words", Field), self.query_one("#system-prompt", Field)
        given = words.answer_of(message.value) if message.input is words else words.answer
        if not given.strip():
            focus(words)
            return
        self.post_message(self.Given(system.answer, given))
        self._close()

    @on(Field.Abandoned)
    def _abandon(self, message: Field.Abandoned) -> None:
        message.stop()
        self._close()
        self.post_message(self.Closed())

    def _close(self) -> None:
        self.display = False
        self.query("*").remove()
