"""A row, turn by turn, to be changed, with the tools it has; the whole screen is its own."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static, TextArea

from engine.errors import Problem
from engine.text import clean
from tui import keys
from tui.screens.unsaved import Answer, Unsaved
from tui.widgets.hints import Hints
from tui.widgets.turn import NEW_TOOLS, Turn, Written, tools_text
from tui.widgets.turn_text import write_in

ROLES = ("system", "user", "assistant", "tool")
DRAFT_EVERY = 1.0


class Editor(Screen[Written | None], inherit_bindings=False):
    """Gives back what to keep, or None. `keep_draft` is told what is half written, or None."""

    BINDINGS = keys.bindings("editor")
    AUTO_FOCUS = None
    DEFAULT_CSS = """
    Editor #editor-turns { height: 1fr; scrollbar-size-vertical: 1; }
    Editor #editor-said { color: $quiet; height: auto; margin-bottom: 1; }
    """

    def __init__(
        self,
        title: str,
        given: Written,
        keep_draft: Callable[[Written | None], None],
        began_as: Written,
    ) -> None:
        super().__init__(classes="page")
        self._title, self._keep_draft, self._began_as = title, keep_draft, began_as
        self._draft_at, self._draft_waits = -DRAFT_EVERY, False
        self._has_draft = given != began_as
        held = [str(message.get("tool_calls") or "") for message in began_as.messages]
        self.tools = tools_text(given.tools, [began_as.tools]) if given.tools else None
        self.turns = [Turn(dict(message), held) for message in given.messages]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box -whole") as box:
            box.border_title = Content(clean(self._title, 120, lines=False))
            yield Static(
                "Your file stays as it is: the change is kept beside it.", id="editor-said"
            )
            with VerticalScroll(id="editor-turns", can_focus=False):
                if self.tools is not None:
                    yield self.tools
                yield from self.turns
        hints = Hints()
        hints.put(keys.hints("editor"))
        yield hints

    def on_mount(self) -> None:
        if turns := self.turns:
            answers = [turn for turn in turns if turn.role == "assistant"]
            empty = not any(turn.text.text for turn in turns)  # a new row begins with its question
            write_in(turns[0].text if empty else (answers or turns)[-1].text)
        self.set_interval(DRAFT_EVERY / 2, self._send_draft)

    def on_unmount(self) -> None:
        self._send_draft(at_once=True)

    @property
    def written(self) -> Written:
        """As it is written, whether it can be read or not."""
        tools = self.tools.written if self.tools else ""
        return Written([turn.message for turn in self.turns], tools)

    @property
    def changed(self) -> bool:
        return self.written != self._began_as

    @property
    def _current(self) -> int:
        """Which turn has the focus."""
        return next(
            (n for n, turn in enumerate(self.turns) if any(t.has_focus for t in turn.texts)), 0
        )

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
                self._keep_draft(self.written)

    # ------------------------------------------------------------ keys

    def action_turn(self, by: int) -> None:
        texts = [self.tools.text] if self.tools else []
        texts += [text for turn in self.turns for text in turn.texts]
        at = next((n for n, text in enumerate(texts) if text.has_focus), 0)
        if texts:
            write_in(texts[(at + by) % len(texts)])

    async def action_calls(self) -> None:
        """Room for the calls of this answer."""
        turn = self.turns[self._current]
        if turn.role != "assistant":
            self.notify("Only an answer calls tools", severity="warning", markup=False)
            return
        write_in(await turn.add_calls())
        self._draft_waits = True

    async def action_tools(self) -> None:
        """Room for the tools that the answers of this row can call."""
        if self.tools is None:
            self.tools = tools_text(NEW_TOOLS)
            await self.query_one("#editor-turns").mount(self.tools, before=0)
            self._draft_waits = True
        write_in(self.tools.text)

    async def action_add_turn(self) -> None:
        """A turn below this one; after a question comes an answer."""
        turns = self.turns
        before = turns[self._current] if turns else None
        role = "assistant" if before and before.role == "user" else "user"
        turn = Turn({"role": role, "content": ""})
        self.turns.insert(self._current + 1 if turns else 0, turn)
        await self.query_one("#editor-turns").mount(turn, after=before)
        self._draft_waits = True
        write_in(turn.text)

    def action_remove_turn(self) -> None:
        turns = self.turns
        if len(turns) < 2:
            self.notify("A row has at least one turn", severity="warning", markup=False)
            return
        at = self._current
        write_in(turns[at - 1 if at else 1].text)
        turns.pop(at).remove()  # not awaited: the key comes out of the text that goes
        self._draft_waits = True

    def action_role(self) -> None:
        if turns := self.turns:
            turn = turns[self._current]
            at = ROLES.index(turn.role) if turn.role in ROLES else -1
            turn.take(ROLES[(at + 1) % len(ROLES)])
            self._draft_waits = True

    def action_save(self) -> None:
        """Give the row back; what is wrong in its calls or tools is said below them, and has the focus."""
        for place in [self.tools, *(turn.calls for turn in self.turns)]:
            if place is None:
                continue
            try:
                place.read()
            except Problem:
                write_in(place.text)
                return
        self._draft_waits = False
        tools = self.tools.read() if self.tools else ""
        self.dismiss(Written([turn.read() for turn in self.turns], tools))

    def action_abandon(self) -> None:
        """Leave; asks first when something was changed."""
        if not self.changed:
            self._close(keep=False)
            return

        def answer(said: Answer | None) -> None:
            if said in ("drop", "keep"):
                self._close(keep=said == "keep")

        self.app.push_screen(Unsaved("the row was changed"), answer)

    def _close(self, keep: bool) -> None:
        self._draft_waits = False
        if keep:
            self._keep_draft(self.written)
        elif self._has_draft:
            self._keep_draft(None)
        self.dismiss(None)
