"""A row, turn by turn, to be changed; the whole screen is its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static, TextArea

from engine.text import clean
from tui import keys
from tui.focus import focus
from tui.screens.unsaved import Answer, Unsaved
from tui.widgets.hints import Hints
from tui.widgets.turn_text import TurnText, as_messages

ROLES = ("system", "user", "assistant", "tool")
DRAFT_EVERY = 1.0
Messages = list[dict[str, Any]]


class Turn(Vertical):
    """One message: its role above, its text below."""

    DEFAULT_CSS = """
    Turn { height: auto; margin-bottom: 1; }
    Turn > .role { height: 1; color: $quiet; }
    Turn:focus-within > .role { color: $foreground; text-style: bold; }
    """

    def __init__(self, message: dict[str, Any]) -> None:
        super().__init__()
        self.was = message
        self.role = str(message.get("role", "user"))
        self.text = TurnText(str(message.get("content", "")))

    def compose(self) -> ComposeResult:
        yield Static(self._said(), classes="role", markup=False)
        yield self.text

    def take(self, role: str) -> None:
        self.role = role
        self.query_one(".role", Static).update(self._said())

    def _said(self) -> Content:
        learned = self.role == "assistant" and self.was.get("trained") is not False
        more = " · calls tools" if self.was.get("tool_calls") else ""
        name = clean(self.role, 40, lines=False)
        return Content.assemble(("▌ " if learned else "  ", "bold $success"), f"{name}{more}")


class Editor(Screen[Messages | None], inherit_bindings=False):
    """Gives back the messages to keep, or None. `keep_draft` is told what is half written, or None."""

    BINDINGS = keys.bindings("editor")
    AUTO_FOCUS = None
    DEFAULT_CSS = """
    Editor #editor-turns { height: 1fr; scrollbar-size-vertical: 1; }
    Editor #editor-said { color: $quiet; height: auto; margin-bottom: 1; }
    """

    def __init__(
        self,
        title: str,
        messages: Sequence[dict[str, Any]],
        keep_draft: Callable[[Messages | None], None],
        began_as: Sequence[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(classes="page")
        self._title = title
        self._given = [dict(message) for message in messages]
        self._began_as = [dict(m) for m in (messages if began_as is None else began_as)]
        self._keep_draft = keep_draft
        self._draft_at = 0.0
        self._draft_waits = False
        self._has_draft = self._given != self._began_as
        self.turns = [Turn(message) for message in self._given]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box -whole") as box:
            box.border_title = Content(clean(self._title, 120, lines=False))
            yield Static(
                "Your file stays as it is: the change is kept beside it.", id="editor-said"
            )
            with VerticalScroll(id="editor-turns", can_focus=False):
                yield from self.turns
        hints = Hints()
        hints.put(keys.hints("editor"))
        yield hints

    def on_mount(self) -> None:
        if turns := self.turns:
            answers = [turn for turn in turns if turn.role == "assistant"]
            empty = not any(turn.text.text for turn in turns)  # a new row begins with its question
            focus(turns[0].text if empty else (answers or turns)[-1].text)
        self.set_interval(DRAFT_EVERY / 2, self._send_draft)

    def on_unmount(self) -> None:
        self._send_draft(at_once=True)

    @property
    def messages(self) -> Messages:
        return as_messages([(turn.was, turn.role, turn.text.answer) for turn in self.turns])

    @property
    def changed(self) -> bool:
        return self.messages != self._began_as

    @property
    def _current(self) -> int:
        return next((n for n, turn in enumerate(self.turns) if turn.text.has_focus), 0)

    # ------------------------------------------------------------ drafts

    @on(TextArea.Changed)
    def _typed(self, message: TextArea.Changed) -> None:
        message.stop()
        self._draft_waits = True

    def _send_draft(self, at_once: bool = False) -> None:
        """What is half written goes to the desk: once a second at most, and on leaving."""
        now = time.monotonic()
        if self._draft_waits and (at_once or now - self._draft_at >= DRAFT_EVERY):
            self._draft_at, self._draft_waits = now, False
            if self.changed:
                self._has_draft = True
                self._keep_draft(self.messages)

    # ------------------------------------------------------------ keys

    def action_turn(self, by: int) -> None:
        if turns := self.turns:
            focus(turns[(self._current + by) % len(turns)].text)

    async def action_add_turn(self) -> None:
        """A turn below this one; after a question comes an answer."""
        turns = self.turns
        before = turns[self._current] if turns else None
        role = "assistant" if before and before.role == "user" else "user"
        turn = Turn({"role": role, "content": ""})
        self.turns.insert(self._current + 1 if turns else 0, turn)
        await self.query_one("#editor-turns").mount(turn, after=before)
        self._draft_waits = True
        focus(turn.text)

    def action_remove_turn(self) -> None:
        turns = self.turns
        if len(turns) < 2:
            self.notify("A row has at least one turn", severity="warning", markup=False)
            return
        at = self._current
        focus(turns[at - 1 if at else 1].text)
        turns.pop(at).remove()  # not awaited: the key comes out of the text that goes
        self._draft_waits = True

    def action_role(self) -> None:
        if turns := self.turns:
            turn = turns[self._current]
            at = ROLES.index(turn.role) if turn.role in ROLES else -1
            turn.take(ROLES[(at + 1) % len(ROLES)])
            self._draft_waits = True

    def action_save(self) -> None:
        self._draft_waits = False
        self.dismiss(self.messages)

    def action_abandon(self) -> None:
        """Leave; asks first when something was changed."""
        if not self.changed:
            self._close(keep=False)
            return

        def answer(said: Answer | None) -> None:
            if said in ("drop", "keep"):
                self._close(keep=said == "keep")

        self.app.push_screen(Unsaved(), answer)

    def _close(self, keep: bool) -> None:
        self._draft_waits = False
        if keep:
            self._keep_draft(self.messages)
        elif self._has_draft:
            self._keep_draft(None)
        self.dismiss(None)
