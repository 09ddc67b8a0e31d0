"""The data pane: what is in the file, what was found in it, its rows as the model sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import events, on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from engine.config import Config
from engine.errors import Cancelled, Problem
from tui import facts, histogram, keys
from tui.focus import focus
from tui.messages import Notice
from tui.panes.mending import MendingPane
from tui.state import CHOSEN, Progress
from tui.widgets.field import Field
from tui.widgets.mapping import MappingForm
from tui.widgets.row_text import RowView
from tui.widgets.token_view import TokenView

if TYPE_CHECKING:
    from engine.desk.client import Call, Desk
    from tui.screens.checks import Answer

ROOM_FOR_BOTH = 24
"""Lines of the pane from which the histogram stands beside the facts without being asked for."""


class DataPane(MendingPane):
    """Opens data through the desk, shows what is in it, and walks through its rows."""

    NUMBER, TITLE, KEYS = 1, "data", "data"
    BINDINGS = keys.bindings("data")

    DEFAULT_CSS = """
    DataPane #data-facts { height: auto; max-height: 60%; }
    DataPane #row-head { height: 1; text-style: bold; background: $panel; }
    DataPane #find { display: none; dock: bottom; }
    """

    class Moved(Message):
        """The opening went on."""

        def __init__(self, progress: Progress) -> None:
            super().__init__()
            self.progress = progress

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, DataPane.Moved)

    class Opened(Message):
        """The data can be used."""

        def __init__(self, summary: dict[str, Any]) -> None:
            super().__init__()
            self.summary = summary

    class Partly(Message):
        """Some of the rows can be looked at while the others are read."""

        def __init__(self, summary: dict[str, Any], opening: int) -> None:
            super().__init__()
            self.summary, self.opening = summary, opening

    class Refused(Message):
        """The data cannot be used; None when the person cancelled."""

        def __init__(self, problem: Problem | None) -> None:
            super().__init__()
            self.problem = problem

    class Unmapped(Message):
        """The columns of the data are not known by name: the person says which is which."""

        def __init__(self, summary: dict[str, Any]) -> None:
            super().__init__()
            self.summary = summary

    class Mapped(Message):
        """The columns to read: knobs (`data.prompt_column` ...) and their values."""

        def __init__(self, columns: dict[str, str | None]) -> None:
            super().__init__()
            self.columns = columns

    class Wanted(Message):
        """The person wants to open another file, or to see the list of problems."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._call: Call | None = None
        self._other_view = False
        self._part: dict[str, Any] | None = None
        self._progress = Progress("reading")
        self._refusal: Problem | None = None
        self._opening = 0

    def compose(self) -> ComposeResult:
        yield Static(id="data-facts", markup=False)
        yield Static(id="row-head", markup=False)
        yield RowView()
        yield TokenView()
        yield Field(placeholder="row number, or words to find", id="find")

    # ------------------------------------------------------------ opening

    def open(self, config: Config) -> None:
        """Open the config's data; an opening in hand is dropped."""
        self._cancel_call()
        self._drop_search()
        self._drop_find()
        self._summary, self._stepping, self._part, self._at = None, "", None, 0
        self._refusal = None
        self.query(MappingForm).remove()
        self._view.display = True
        self._store.forget()
        self._blank()
        self._call = self._desk.call(
            "open_data",
            on_progress=self._watch(lambda progress: self._moved(self.Moved(progress))),
            on_item=self._part_teller(),
            config=config.to_dict(),
        )
        self._wait(self._call)

    def _part_teller(self) -> Callable[[dict[str, Any]], None]:
        """Passes on what can be looked at already; for this opening only."""
        self._opening += 1
        opening = self._opening

        def tell(item: dict[str, Any]) -> None:
            self.post_message(self.Partly(item["summary"], opening))

        return tell

    @work(thread=True, group="open", exit_on_error=False, description="opening data")
    def _wait(self, call: Call) -> None:
        try:
            summary = call.result()
        except Cancelled:
            self._tell(call, self.Refused(None))
        except Problem as problem:
            self._tell(call, self.Refused(problem))
        else:
            mapped = not summary.get("mapping")
            self._tell(call, self.Opened(summary) if mapped else self.Unmapped(summary))

    def _tell(self, call: Call, message: Message) -> None:
        """Pass the end of a call on, unless another one has taken its place."""
        if call is self._call:
            self.post_message(message)

    def _cancel_call(self) -> None:
        call, self._call = self._call, None
        if call is not None and self._summary is None:
            call.cancel()

    def _moved(self, message: Moved) -> None:
        self.post_message(message)

    @on(Moved)
    def _show_progress(self, message: Moved) -> None:
        if self._summary is None and self._call is not None:
            self.say(message.progress.phase)
            self._progress = message.progress
            self._facts(facts.opening(self._progress, self._width, self._part))

    @on(Partly)
    def _show_part(self, message: Partly) -> None:
        """Rows of a large source can be looked at while the rest is read and counted."""
        if self._summary is None and message.opening == self._opening:
            self._part = message.summary
            self._facts(facts.opening(self._progress, self._width, self._part))
            self._store.forget()
            self._want(self._at)

    @on(Opened)
    def _show_summary(self, message: Opened) -> None:
        self._summary = message.summary
        self.remove_class("-problem")
        self._retitle()
        self.show_facts()
        if self._part is None:
            self._at = 0
        self._store.forget()
        self._want(min(self._at, max(0, int(message.summary["rows"]) - 1)))

    @on(Unmapped)
    def _ask_for_columns(self, message: Unmapped) -> None:
        self._call = None
        self.say("which columns?")
        self._facts("")
        form = MappingForm(message.summary)
        within = self.has_focus_within
        self.mount(form, after=self.query_one("#row-head"))
        self._view.display = False
        if within:
            self.call_after_refresh(form.begin)

    @on(MappingForm.Chosen)
    def _take_columns(self, message: MappingForm.Chosen) -> None:
        message.stop()
        self._view.display = True
        focus(self._view)
        self.post_message(self.Mapped(message.columns))

    @on(Refused)
    def _show_problem(self, message: Refused) -> None:
        self._call, self._refusal = None, message.problem
        if message.problem is None:
            self.say("cancelled")
            self._facts(facts.cancelled())
        else:
            self.say("cannot be used")
            self._facts(facts.problem(message.problem))

    def _facts(self, content: Any) -> None:
        told = self.query_one("#data-facts", Static)
        told.update(content)
        told.display = bool(content)

    @property
    def _width(self) -> int:
        return self.content_size.width or 76

    def _blank(self) -> None:
        self._head("")
        self.query_one(RowView).put(())
        self.query_one(TokenView).put(())

    # ------------------------------------------------------------ facts and histogram

    def show_facts(self) -> None:
        """The facts, the histogram of lengths, or both where the pane has room."""
        if self._summary is None:
            return
        roomy = self.content_size.height >= ROOM_FOR_BOTH
        shown = self._has_histogram and roomy != self._other_view
        told = facts.lines(self._summary, self._width, more=self._has_histogram and not shown)
        if shown:
            chart = histogram.draw(self._summary, self._width, alone=not roomy)
            told = Content("\n").join([told, chart]) if roomy else chart
        self._facts(told)

    @property
    def _has_histogram(self) -> bool:
        return bool((self._summary or {}).get("histogram"))

    def action_view(self) -> None:
        if self._summary is None:
            return
        if self._has_histogram:
            self._other_view = not self._other_view
            self.show_facts()
        else:
            self.post_message(Notice("The lengths of these rows were not counted"))

    def on_resize(self, event: events.Resize) -> None:
        self.show_facts()

    # ------------------------------------------------------------ the rest

    def action_page(self, pages: int) -> None:
        for form in self.query(MappingForm):
            form.read_on(pages)
            return
        super().action_page(pages)

    def _show_hints(self, focused: bool) -> None:
        super()._show_hints(focused)
        if focused and self.query(MappingForm):
            self.hint("  ".join(f"{key} {word}" for key, word in keys.hints("form")[:3]))

    def action_cancel(self) -> None:
        """Drop the opening, the search or the change in hand."""
        if self._search is not None:
            self._stop_search()
        elif self._drop_find():
            self.post_message(Notice("The search was dropped"))
        elif self._change_call is not None:
            self._change_call.cancel()
        elif self._call is not None and self._summary is None:
            self._call.cancel()

    def action_reopen(self) -> None:
        self.post_message(self.Wanted("again"))

    def action_chosen(self) -> None:
        """Rows that hold compared answers are refused until the person says that the chosen ones are meant."""
        if self._refusal is not None and CHOSEN in str(self._refusal):
            self.post_message(self.Wanted("chosen"))
        else:
            self.post_message(Notice("These rows hold no compared answers"))

    def action_open(self) -> None:
        self.post_message(self.Wanted("file"))

    def action_problems(self) -> None:
        """List what was found; from there a row, the rows of a check, or a remedy is chosen."""
        from tui.screens.checks import ChecksScreen, found

        def take(answer: Answer | None) -> None:
            if answer is not None:
                self.follow(answer)

        if self._summary and found(self._summary):
            self.app.push_screen(ChecksScreen(self._summary), take)
        else:
            self.post_message(Notice("No problem was found in this data"))

    def follow(self, answer: Answer) -> None:
        """Do what was chosen for a check; afterwards `n` steps through its rows."""
        if answer.kind == "record":
            self.mend(answer.number)
            return
        if answer.kind == "drop":
            self.drop(answer.numbers)
            return
        self._stepping = answer.code
        if answer.kind == "remedy":
            self.remedy(answer.code, answer.action)
        elif answer.kind == "filter":
            self._show_only(None, {"check": answer.code})
        else:
            self._drop_search()
            self._store.forget()
            self._retitle()
            self._seek_number(answer.number)
