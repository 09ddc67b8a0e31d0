"""One turn of a row to be changed: its role above, its text below, and the tools that it calls as JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from engine.data.tool_edit import laid_out, read_calls_text, read_tools_text
from engine.errors import Problem
from engine.text import clean
from tui.widgets.turn_text import TurnText

NEW_CALLS = '[{"name": "", "arguments": {}}]'
NEW_TOOLS = '[{"name": "", "description": "", "parameters": {"type": "object", "properties": {}}}]'


@dataclass
class Written:
    """What is written of a row: its messages as the desk names them, and the JSON text of its tools."""

    messages: list[dict[str, Any]]
    tools: str = ""


class JsonText(Vertical):
    """JSON text over several lines. `held` are texts that the row holds: such a one is kept letter by letter."""

    DEFAULT_CSS = """
    JsonText { height: auto; }
    VerticalScroll > JsonText { margin-bottom: 1; }
    JsonText > .json-said { height: 1; color: $quiet; }
    JsonText > .json-fault { height: auto; color: $error; display: none; }
    """

    def __init__(
        self, given: str, said: str, read: Callable[[str], str], held: Collection[str]
    ) -> None:
        super().__init__()
        self._given, self._said, self._read, self._held = given, said, read, held
        self._first = laid_out(given)
        self.text = TurnText(self._first)
        self.text.move_cursor((0, 0))

    def compose(self) -> ComposeResult:
        yield Static(self._said, classes="json-said", markup=False)
        yield self.text
        yield Static(classes="json-fault", markup=False)

    @property
    def written(self) -> str:
        return self._given if self.text.answer == self._first else self.text.answer

    def read(self) -> str:
        """What the row is to hold. Raises Problem, which is also shown below the text."""
        told = self.query_one(".json-fault", Static)
        told.display = False
        written = self.written
        if written in self._held:
            return written
        try:
            return self._read(written)
        except Problem as problem:
            told.update(Content(f"✗ {clean(str(problem), 600)}"))
            told.display = True
            raise


class Turn(Vertical):
    """One message. `message` is what is written, `read` the same with its calls read."""

    DEFAULT_CSS = """
    Turn { height: auto; margin-bottom: 1; }
    Turn > .role { height: 1; color: $quiet; }
    Turn:focus-within > .role { color: $foreground; text-style: bold; }
    """

    def __init__(self, message: dict[str, Any], held: Collection[str] = ()) -> None:
        super().__init__()
        self.was = message
        self.role = str(message.get("role", "user"))
        self.text = TurnText(str(message.get("content", "")))
        calls = str(message.get("tool_calls") or "")
        self.calls = _calls(calls, held) if calls else None

    def compose(self) -> ComposeResult:
        yield Static(self._said(), classes="role", markup=False)
        yield self.text
        if self.calls is not None:
            yield self.calls

    @property
    def texts(self) -> list[TurnText]:
        return [self.text, *([self.calls.text] if self.calls else [])]

    @property
    def message(self) -> dict[str, Any]:
        return self._message(self.calls.written if self.calls else "")

    def read(self) -> dict[str, Any]:
        """The message with its calls read. Raises Problem with line and column of what is wrong in them."""
        return self._message(self.calls.read() if self.calls else "")

    def _message(self, calls: str) -> dict[str, Any]:
        """What else the turn held stays with its role."""
        rest = dict(self.was) if self.was.get("role") == self.role else {}
        rest.pop("tool_calls", None)
        told = {"tool_calls": calls} if calls.strip() else {}
        return {**rest, "role": self.role, "content": self.text.answer, **told}

    def take(self, role: str) -> None:
        self.role = role
        self.query_one(".role", Static).update(self._said())

    async def add_calls(self) -> TurnText:
        """Room for calls; where it is there already, that."""
        if self.calls is None:
            self.calls = _calls(NEW_CALLS, ())
            await self.mount(self.calls)
        return self.calls.text

    def _said(self) -> Content:
        learned = self.role == "assistant" and self.was.get("trained") is not False
        kept = [str(self.was[name]) for name in ("name", "tool_call_id") if self.was.get(name)]
        more = "".join(f" · {clean(each, 40, lines=False)}" for each in kept)
        if self.role == "assistant" and self.was.get("trained") is False:
            more += " · not learned"
        name = clean(self.role, 40, lines=False)
        return Content.assemble(("▌ " if learned else "  ", "bold $success"), f"{name}{more}")


def _calls(given: str, held: Collection[str]) -> JsonText:
    return JsonText(given, "  calls, as a JSON list; empty: none", read_calls_text, held)


def tools_text(given: str, held: Collection[str] = ()) -> JsonText:
    """The tools of a row."""
    said = "  tools that the answers can call, as a JSON list; empty: none"
    return JsonText(given, said, read_tools_text, held)
