"""The workbench: keeps the state, answers the global keys, hands the work to desk and runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import App
from textual.drivers.headless_driver import HeadlessDriver
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from engine.config import Config, with_value
from engine.errors import Problem
from engine.text import clean
from tui import crash, dialogs, keys, state, terminal
from tui.messages import Notice, Problemed, Severity
from tui.panes.data import DataPane
from tui.panes.knobs import KnobsPane
from tui.runs import Runs
from tui.screens.bench import Bench
from tui.state import CHOSEN, State
from tui.theme import dress, remember
from tui.training import Training

if TYPE_CHECKING:
    from engine.desk.client import Desk

TOAST = 8.0


class Workbench(App[int], inherit_bindings=False):
    """finetui, full screen."""

    CSS_PATH = "app.tcss"
    TITLE = "finetui"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = keys.bindings("everywhere")

    def __init__(
        self,
        desk: Desk,
        config: Config,
        run: Path | None = None,
        theme: str | None = None,
        runs: Runs | None = None,
    ) -> None:
        super().__init__()
        self.desk = desk
        self.runs = runs or Runs()
        self.state = State(config)
        self.animation_level = "none"
        self._asked_run = run
        self._said = dress(self, theme)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"quiet": "#888888"}

    def get_default_screen(self) -> Bench:
        return Bench(self.desk, self.state)

    # ------------------------------------------------------------ beginning and end

    def on_mount(self) -> None:
        if not isinstance(self._driver, HeadlessDriver):
            terminal.guard(self._leave_at_once)
        self.training = Training(self)
        self.call_after_refresh(self._begin)

    async def _begin(self) -> None:
        """What can wait until the first picture is on the screen."""
        self.open_data()
        await self.bench.fill()
        if self._said:
            self.say(self._said, "warning")
        if self._asked_run:
            self.training.attach(self._asked_run)
        self.training.look()

    def on_unmount(self) -> None:
        self.training.close()
        self.desk.close()

    def _leave_at_once(self, code: int) -> None:
        """Called from a signal or the terminal's watch: not in the app's own thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: self.exit(code, return_code=code))

    def _fatal_error(self) -> None:
        """An error of our own: a log file and a few plain words, never a traceback."""
        from rich.text import Text

        error = self._exception
        report = crash.write_report(error) if error else None
        self._exit_renderables.append(Text(crash.last_words(report)))
        self._close_messages_no_wait()

    @on(Worker.StateChanged)
    def _worker_failed(self, message: Worker.StateChanged) -> None:
        if message.state is WorkerState.ERROR and message.worker.error is not None:
            error = message.worker.error
            if isinstance(error, Problem):
                self.say(str(error), "error")
            else:
                report = crash.write_report(error)
                self.say(
                    f"{message.worker.description or 'something'} failed. Log: {report}", "error"
                )

    async def on_event(self, event: events.Event) -> None:
        """Keys take effect in the order typed, also when a slow line brings many at once.

        Left alone, a key goes to the widget in focus and its binding is looked up only when it comes back,
        behind the keys that were typed after it. What goes into a text field is the field's own.
        """
        if (
            isinstance(event, events.Key)
            and not event.is_forwarded
            and not isinstance(self.focused, Input)
            and not getattr(self.focused, "TAKES_TEXT", False)
            and (found := self.screen.active_bindings.get(event.key))
            and found.enabled
            and await self.run_action(found.binding.action, found.node)
        ):
            return
        await super().on_event(event)

    # ------------------------------------------------------------ saying

    @property
    def bench(self) -> Bench:
        found = self.screen_stack[0]
        assert isinstance(found, Bench)
        return found

    def say(self, text: str, severity: Severity = "information") -> None:
        self.notify(clean(text, 600), severity=severity, timeout=TOAST, markup=False)

    @on(Notice)
    def _say_notice(self, message: Notice) -> None:
        self.say(message.text, message.severity)

    @on(Problemed)
    def _say_problem(self, message: Problemed) -> None:
        self.say(str(message.problem), "error")

    def show(self) -> None:
        """Bring the screen in line with the state."""
        now = self.state
        if self.bench.loss:
            self.bench.loss.show(now.history, now.training, now.machine)
        if now.machine and not now.training:  # a run's own memory is not taken from the next one's
            self.bench.query_one(KnobsPane).see(now.machine)
        self.bench.refresh_lines()

    def show_source(self) -> None:
        now = self.state
        if self.bench.compare:
            config = now.run_config or now.config
            self.bench.compare.set_source(self.desk, config, now.run, now.history)

    # ------------------------------------------------------------ data and knobs

    def open_data(self) -> None:
        now = self.state
        now.opening, now.summary, now.problem = state.Progress("reading"), None, None
        self.bench.query_one(DataPane).open(now.config)
        self.bench.refresh_lines()

    @on(DataPane.Moved)
    def _data_moved(self, message: DataPane.Moved) -> None:
        if self.state.opening:
            self.state.opening = message.progress
            self.bench.refresh_lines()

    @on(DataPane.Opened)
    @on(DataPane.Recounted)
    def _data_opened(self, message: DataPane.Opened | DataPane.Recounted) -> None:
        self.state.opening, self.state.summary = None, message.summary
        self.bench.query_one(KnobsPane).put(self.state.config, message.summary)
        self.show()
        self.show_source()
        self.training.warm_up()

    @on(DataPane.Refused)
    def _data_refused(self, message: DataPane.Refused) -> None:
        self.state.opening, self.state.problem = None, message.problem
        self.bench.query_one(KnobsPane).put(self.state.config, None)
        self.bench.refresh_lines()

    @on(DataPane.Unmapped)
    def _data_unmapped(self, message: DataPane.Unmapped) -> None:
        what, fix = "its columns are not known by name", "choose them in the data pane"
        self.state.opening = None
        self.state.problem = Problem(state.data_name(self.state.config, message.summary), what, fix)
        self.bench.query_one(KnobsPane).put(self.state.config, None)
        self.bench.refresh_lines()

    @on(DataPane.Mapped)
    def _data_mapped(self, message: DataPane.Mapped) -> None:
        config = self.state.config
        try:
            for path, column in message.columns.items():
                config = with_value(config, path, column)
        except Problem as problem:
            self.say(str(problem), "error")
            return
        self._take_config(config)
        self.open_data()

    @on(DataPane.Wanted)
    def _data_wanted(self, message: DataPane.Wanted) -> None:
        if message.what == "again":
            self.open_data()
        elif message.what == "chosen":
            self._take_config(with_value(self.state.config, CHOSEN, True))
            self.open_data()
        else:
            dialogs.choose_data(self)

    def open_path(self, path: str) -> None:
        """Open other data in place of this."""
        config = with_value(self.state.config, "data.path", path)
        for column in ("data.prompt_column", "data.answer_column", "data.system_column"):
            config = with_value(config, column, None)  # another file has other columns
        self._take_config(with_value(config, "data.eval_path", None))
        self.open_data()

    @on(KnobsPane.Changed)
    def _knob_changed(self, message: KnobsPane.Changed) -> None:
        self._take_config(message.config)
        if message.reopen:
            self.open_data()

    @on(KnobsPane.Judged)
    def _knobs_judged(self, message: KnobsPane.Judged) -> None:
        self.state.wrong = message.wrong
        self.bench.refresh_lines()

    def _take_config(self, config: Config) -> None:
        self.state.config = config
        self.bench.query_one(KnobsPane).put(config, self.state.summary)
        self.bench.refresh_lines()

    # ------------------------------------------------------------ training

    async def action_train(self) -> None:
        self.to_bench()
        reason, path = state.refusal(self.state)
        if reason:
            if path:  # the knob says itself what is wrong; a toast would lie over its words
                self.bench.go(2)
                await self.bench.query_one(KnobsPane).go_to(path)
            else:
                self.say(reason, "warning")
            return
        self.training.start(self.state.config)

    def action_stop(self) -> None:
        self.training.stop()

    # ------------------------------------------------------------ moving about

    def to_bench(self) -> None:
        while len(self.screen_stack) > 1:
            self.pop_screen()

    async def action_back(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()

    def action_pane(self, number: int) -> None:
        self.to_bench()
        self.bench.go(number)

    def action_next_pane(self) -> None:
        self.to_bench()
        self.bench.walk(1)

    def action_previous_pane(self) -> None:
        self.to_bench()
        self.bench.walk(-1)

    def action_zoom(self) -> None:
        if isinstance(self.screen, Bench):
            self.bench.zoom()

    def action_cancel(self) -> None:
        if not self.training.cancel():
            self.bench.query_one(DataPane).action_cancel()

    def action_copy(self) -> None:
        selected = self.screen.get_selected_text()
        if selected is None:
            self.say("q leaves finetui; a training goes on if you like")
        else:
            self.copy_to_clipboard(clean(selected))
            self.say("Sent to the terminal's clipboard (OSC 52); not every terminal takes it")

    def action_runs(self) -> None:
        dialogs.choose_run(self)

    def action_help(self) -> None:
        dialogs.show_help(self)

    def action_palette(self) -> None:
        dialogs.choose_command(self)

    def action_wear(self, name: str) -> None:
        """Put on a theme, and remember it."""
        self.theme = name
        try:
            remember(name)
        except Problem as problem:
            self.say(str(problem), "warning")

    def action_leave(self) -> None:
        if self.state.starting:
            self.say("The run is being prepared: esc drops it, then q leaves", "warning")
        elif self.state.training and self.state.run is not None:
            dialogs.ask_before_leaving(self, self.state.run)
        else:
            self.exit(0)
