"""The compare pane: what the base and the tuned model answer to the same prompt, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Static

from engine.config import Config
from engine.errors import Cancelled, Problem
from engine.runs.history import History
from engine.text import clean
from tui import keys
from tui.answers import (
    SIDES,
    Answer,
    Asking,
    Kept,
    Prompt,
    Side,
    Source,
    commonest_system,
    held_out,
    typed,
)
from tui.focus import focus
from tui.messages import Notice
from tui.widgets.pane import Pane
from tui.widgets.prompt_form import PromptForm
from tui.widgets.side_view import SideView

if TYPE_CHECKING:
    from engine.desk.client import Call, Desk

REPAINT_SECONDS = 0.125
BATCH = 8
MOST_CHARACTERS, MOST_LINES = 10_000, 300
SIDE_BY_SIDE = 50  # narrower than this, one answer stands below the other
ENDED = ("done", "stopped")


class ComparePane(Pane, can_focus=True):
    """Steps through prompts and lets both models answer; answers once given are kept."""

    NUMBER = 4
    TITLE = "compare"
    KEYS = "compare"
    BINDINGS = keys.bindings("compare")
    DEFAULT_CSS = """
    ComparePane #asked { height: auto; max-height: 30%; scrollbar-size-vertical: 1; }
    ComparePane #sides { height: 1fr; layout: horizontal; margin: 1 0 0 0; }
    ComparePane #base { border-right: vkey $border-blurred; padding-right: 1; }
    ComparePane #tuned { padding-left: 1; }
    ComparePane #wanted { height: auto; max-height: 25%; scrollbar-size-vertical: 1; }
    ComparePane.-asking #wanted { display: none; }
    ComparePane.-stacked #sides { layout: vertical; }
    ComparePane.-stacked #base { border-right: none; padding-right: 0; }
    ComparePane.-stacked #tuned { padding-left: 0; }
    """

    class Loaded(Message):
        """The held-out prompts have come, or what stood in their way."""

        def __init__(
            self, call: Call, prompts: list[Prompt], problem: Problem | None, total: int = 0
        ) -> None:
            super().__init__()
            self.call, self.prompts, self.problem, self.total = call, prompts, problem, total

    class Ended(Message):
        """An asking is over: answered, cancelled (neither) or failed."""

        def __init__(self, asking: Asking, answers: Kept, problem: Problem | None) -> None:
            super().__init__()
            self.asking, self.answers, self.problem = asking, answers, problem

    def __init__(self, id: str | None = None) -> None:  # noqa: A002
        self.asked = Static(markup=False)
        self.wanted = Static(markup=False)
        self.sides: dict[Side, SideView] = {side: SideView(side) for side in SIDES}
        self.form = PromptForm(id="form")
        self.prompts: list[Prompt] = []
        self.total = 0
        """How many rows are held out, where only the first of them are at hand."""
        self.place = 0
        self.kept: Kept = {}
        self.asking: Asking | None = None
        self.source = Source(Config())
        self._desk: Desk | None = None
        self._loading: Call | None = None
        self._training = False
        self._said = ""
        self._timer: Timer | None = None
        super().__init__(id=id)

    def compose(self) -> ComposeResult:
        yield VerticalScroll(self.asked, id="asked", can_focus=False)
        yield Container(*self.sides.values(), id="sides")
        yield VerticalScroll(self.wanted, id="wanted", can_focus=False)
        yield self.form

    def on_mount(self) -> None:
        self._timer = self.set_interval(REPAINT_SECONDS, self._drain, pause=True)
        self._paint()

    def on_resize(self) -> None:
        self.set_class(self.content_size.width < SIDE_BY_SIDE, "-stacked")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "drop" or self.asking is not None

    # ------------------------------------------------------------ what is asked, and of whom

    def set_source(
        self, desk: Desk, config: Config, run: Path | None, history: History | None
    ) -> None:
        """Ask this desk, with the rows of the open data or of a run; call it when they change."""
        other_rows = run is None or run != self.source.run or desk is not self._desk
        self._desk = desk
        self._training = history is not None and history.live
        step = history.best_step if history else 0
        self.source = Source(config, run, run is not None and _has_weights(history), step)
        if other_rows:
            self.reload()
        self._paint()

    def reload(self) -> None:
        """Fetch the held-out prompts again; typed ones stay."""
        if self._desk is None:
            return
        run = str(self.source.run) if self.source.run else None
        call = self._loading = self._desk.call("held_out", run=run)
        self.run_worker(lambda: self._fetch(call), thread=True, group="held out")

    def _fetch(self, call: Call) -> None:
        try:
            page = call.result()
            more = int(page["total"]) if page["total"] > page["most"] else 0
            self.post_message(self.Loaded(call, held_out(page), None, more))
        except Problem as problem:
            self.post_message(self.Loaded(call, [], problem))
        except Cancelled:
            pass

    @on(Loaded)
    def _take_prompts(self, message: Loaded) -> None:
        message.stop()
        if message.call is not self._loading:
            return
        current = self.current
        own = [prompt for prompt in self.prompts if not prompt.number]
        self.prompts, self.total = [*message.prompts, *own], message.total
        self.place = self.prompts.index(current) if current in self.prompts else 0
        self._said = clean(str(message.problem), 300) if message.problem else ""
        self._paint()

    @property
    def current(self) -> Prompt | None:
        return self.prompts[self.place] if self.place < len(self.prompts) else None

    # ------------------------------------------------------------ keys

    def action_move(self, by: int) -> None:
        if self.prompts:
            self.place = min(max(self.place + by, 0), len(self.prompts) - 1)
            self._paint()
            for side in self.sides.values():
                side.scroll.scroll_home(animate=False)

    def action_read(self, pages: int) -> None:
        for side in self.sides.values():
            side.scroll.scroll_relative(y=pages * side.scroll.size.height, animate=False)

    def action_ask(self) -> None:
        if self.current is not None:
            self._ask([self.current])

    def action_ask_more(self) -> None:
        """The rows from this one on that have an answer still to come."""
        ahead = self.prompts[self.place :]
        self._ask([prompt for prompt in ahead if self._missing(prompt)][:BATCH])

    def action_drop(self) -> None:
        if self.asking is not None and self.asking.call is not None:
            self.asking.call.cancel()

    def action_prompt(self) -> None:
        own = next((p for p in reversed(self.prompts) if not p.number), None)
        system = own.system if own else self._usual_system()
        self.add_class("-asking")
        self.form.open(system)

    @on(PromptForm.Given)
    def _take_typed(self, message: PromptForm.Given) -> None:
        message.stop()
        self.remove_class("-asking")
        focus(self)
        prompt = typed(message.system, message.words)
        if prompt not in self.prompts:
            self.prompts.append(prompt)
        self.place = self.prompts.index(prompt)
        self._paint()
        self.action_ask()

    @on(PromptForm.Closed)
    def _back_from_form(self, message: PromptForm.Closed) -> None:
        message.stop()
        self.remove_class("-asking")
        focus(self)

    def _usual_system(self) -> str:
        set_by_hand = self.source.config.data.system
        return set_by_hand or commonest_system(p for p in self.prompts if p.number)

    # ------------------------------------------------------------ asking

    def _missing(self, prompt: Prompt) -> list[Side]:
        return [s for s in self.source.sides if self.source.key(prompt, s) not in self.kept]

    def _ask(self, prompts: list[Prompt]) -> None:
        """Ask what is not known yet; one asking at a time."""
        sides = tuple(s for s in SIDES if any(s in self._missing(prompt) for prompt in prompts))
        if self._desk is None or not sides:
            self.post_message(Notice("both have answered already" if prompts else "nothing to ask"))
            return
        if self.asking is not None:
            self.post_message(Notice("answers are being written: esc drops them"))
            return
        self.asking = Asking(self.source, prompts, sides)
        self.asking.begin(self._desk)
        asking = self.asking
        self.run_worker(lambda: self._wait(asking), thread=True, group="answers")
        if self._timer:
            self._timer.resume()
        self._paint()

    def _wait(self, asking: Asking) -> None:
        """In a thread of its own: until the desk has answered."""
        assert asking.call is not None
        answers, problem = {}, None
        try:
            answers = asking.answers(asking.call.result())
        except Problem as met:
            problem = met
        except Cancelled:
            pass
        self.post_message(self.Ended(asking, answers, problem))

    def _drain(self) -> None:
        if self.asking is not None and self.asking.drain():
            self._paint()

    @on(Ended)
    def _take_answers(self, message: Ended) -> None:
        message.stop()
        self.kept.update(message.answers)
        self.asking = None
        self._said = clean(str(message.problem), 300) if message.problem else ""
        if self._timer:
            self._timer.pause()
        self._paint()

    # ------------------------------------------------------------ showing

    def _paint(self) -> None:
        if self._timer is None:
            return
        prompt = self.current
        self.say(self._title())
        self._update(self.asked, self._asked(prompt))
        for side, view in self.sides.items():
            self._paint_side(side, view, prompt)
        reference = shortened(prompt.reference if prompt else "")
        wanted = reference.replace("\n", "\n" + " " * len("wanted  "))
        self._update(self.wanted, Content.assemble(("wanted  ", "$quiet"), wanted))
        self.wanted.display = bool(reference)

    @staticmethod
    def _update(view: Static, content: Content) -> None:
        if content != view.content:
            view.update(content)

    def _title(self) -> str:
        if self.asking is not None:
            count = len(self.asking.prompts)
            what = f"{count} prompts" if count > 1 else "one prompt"
            return f"answering {what} · esc cancels"
        if self._training:
            return "while training"
        if self.source.trained and self.source.run is not None:
            return f"base and run {self.source.run.name}"
        return "before training"

    def _asked(self, prompt: Prompt | None) -> Content:
        if self._said:
            return Content.styled(self._said, "$error")
        if prompt is None:
            return Content.styled(
                "Held-out rows are compared here; p asks a prompt of yours.", "$quiet"
            )
        rows = sum(1 for p in self.prompts if p.number)
        own = [p for p in self.prompts if not p.number]
        more = f" of {self.total:,}" if self.total else ""
        where = (
            f"held out {prompt.number} / {rows}{more}"
            if prompt.number
            else f"yours {own.index(prompt) + 1} / {len(own)}"
        )
        return Content.assemble((f"{where}  ", "$quiet"), (shortened(prompt.words), "bold"))

    def _paint_side(self, side: Side, view: SideView, prompt: Prompt | None) -> None:
        answer = self._answer(side, prompt)
        if answer is not None and (answer.text or answer.whole):
            view.put(answer.form if answer.whole else "…", shortened(answer.text))
        elif answer is not None and self.asking is not None:
            view.put("…", clean(self.asking.phase, 80) or "thinking", said=True)
        elif side not in self.source.sides:
            view.put("", self._no_tuned(), said=True)
        else:
            view.put("", "g asks" if prompt else "", said=True)

    def _answer(self, side: Side, prompt: Prompt | None) -> Answer | None:
        if prompt is None:
            return None
        known = self.kept.get(self.source.key(prompt, side))
        return known or (self.asking.so_far(prompt, side) if self.asking else None)

    def _no_tuned(self) -> str:
        if self._training:
            return "training: its answers can be had when the run is done"
        return "train first (t), or pick a finished run (r)"


def shortened(text: str) -> str:
    """Foreign text made fit to be shown, and cut where it would make the screen slow."""
    lines = clean(text, MOST_CHARACTERS).split("\n")
    more = len(lines) - MOST_LINES
    return "\n".join(lines[:MOST_LINES]) + (f"\n(+{more:,} lines)" if more > 0 else "")


def _has_weights(history: History | None) -> bool:
    """Whether a run that has ended, well or not, left weights that can answer."""
    if history is None or history.live:
        return False
    return history.status in ENDED or history.checkpoint is not None
