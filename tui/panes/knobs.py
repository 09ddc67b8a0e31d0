"""The knobs pane: a form made from the one table of knobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from engine.config import Config, Knob, knobs, parse_value, with_value
from engine.errors import Problem
from engine.text import clean
from engine.train.foresee import Foreseen, foresee
from engine.train.schedule import total_steps
from tui import keys
from tui.focus import focus
from tui.needs import needs
from tui.state import DATA_KNOBS
from tui.widgets.field import Field
from tui.widgets.knob_row import KnobRow, shown
from tui.widgets.pane import Pane

if TYPE_CHECKING:
    from engine.machine import Machine


class KnobList(VerticalScroll, can_focus=False, inherit_bindings=False):
    DEFAULT_CSS = "KnobList { height: 1fr; scrollbar-size-vertical: 1; overflow-x: hidden; }"


class More(Widget, can_focus=True):
    """The line that folds the rest of the knobs away."""

    DEFAULT_CSS = """
    More { height: 1; width: 1fr; }
    More:focus { background: $panel; text-style: bold; }
    """

    class Turned(Message):
        """The fold was opened or closed."""

    def __init__(self, names: list[str], count: int) -> None:
        super().__init__(id="more")
        self._names = names
        self._count = count
        self.is_open = False

    def render(self) -> Content:
        mark = "▾" if self.is_open else "▸"
        style = "" if self.has_focus else "$quiet"
        return Content.assemble(
            (f"{mark} ", "bold $primary"), (f" {self._line(self.size.width - 3)}", style)
        )

    def _line(self, room: int) -> str:
        """As many names as fit, none of them cut."""
        said = f"more ({self._count})"
        for place, name in enumerate(self._names):
            longer = said + (", " if place else ": ") + name
            if len(longer) + len(" …") > room:
                return f"{said} …"
            said = longer
        return said

    def turn(self) -> None:
        self.is_open = not self.is_open
        self.refresh()
        self.post_message(self.Turned())

    def on_click(self) -> None:
        self.turn()


class KnobsPane(Pane):
    """Shows every knob, edits them, and says what they come to."""

    NUMBER, TITLE, KEYS = 2, "knobs", "knobs"
    BINDINGS = keys.bindings("knobs")

    DEFAULT_CSS = """
    KnobsPane #knob-words { height: 4; }
    KnobsPane #knob-sum { height: 1; }
    KnobsPane #knob-needs { height: auto; max-height: 4; }
    KnobsPane #knobs-more { height: auto; display: none; }
    KnobsPane #knobs-more.-open { display: block; }
    KnobsPane .section { height: 1; color: $quiet; padding-left: 3; }
    """

    class Changed(Message):
        """A knob has another value; `reopen` when the data must be read anew for it."""

        def __init__(self, config: Config, path: str) -> None:
            super().__init__()
            self.config = config
            self.path = path
            self.reopen = path in DATA_KNOBS

    class Judged(Message):
        """Which knobs hold a value that does not do: path -> reason."""

        def __init__(self, wrong: dict[str, str]) -> None:
            super().__init__()
            self.wrong = wrong

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._config = config
        self._summary: dict[str, Any] | None = None
        self._machine: Machine | None = None
        self._wrong: dict[str, Problem] = {}
        self._first = [knob for knob in knobs() if knob.first]
        self._rest = [knob for knob in knobs() if not knob.first]

    def compose(self) -> ComposeResult:
        with KnobList():
            for knob in self._first:
                yield KnobRow(knob)
            yield More(
                [k.title for k in self._rest if k.section in ("method", "train")], len(self._rest)
            )
            yield Vertical(id="knobs-more")
        yield Static(id="knob-sum", markup=False)
        yield Static(id="knob-needs", markup=False)
        yield Static(id="knob-words", markup=False)

    def on_mount(self) -> None:
        self._show_all()

    # ------------------------------------------------------------ showing

    def put(self, config: Config, summary: dict[str, Any] | None) -> None:
        """Show these settings, and what they come to on this data."""
        self._config, self._summary = config, summary
        self._show_all()

    def see(self, machine: Machine) -> None:
        """Take note of the machine that a run will be on."""
        self._machine = machine
        if self.is_mounted:
            self._show_needs()

    def on_resize(self) -> None:
        self._show_needs()

    def _show_all(self) -> None:
        for row in self.query(KnobRow):
            if row.knob.path not in self._wrong:
                row.put(self._config.get(row.knob.path), self._instead(row.knob))
        self._show_sum()
        self._show_words()
        changed = len(self._config.changed())
        wrong = f" · {len(self._wrong)} wrong" if self._wrong else ""
        self.say(f"{changed} changed{wrong}" if changed or wrong else "as preset")

    def _instead(self, knob: Knob) -> str:
        """What happens when a knob is left open, for this method and data where that is known."""
        if knob.path == "train.learning_rate":
            return f"{shown(self._config.learning_rate)} for {self._config.method.name}"
        if knob.path == "data.max_length" and self._summary:
            return f"{self._summary['max_length']:,} tokens, from the data"
        return knob.empty

    def _show_sum(self) -> None:
        self.query_one("#knob-sum", Static).update(self._sum())
        self._show_needs()

    def _show_needs(self) -> None:
        """Memory and time, live; nothing until they can be told."""
        line = self.query_one("#knob-needs", Static)
        found: Foreseen | None = foresee(self._config, self._summary, self._machine)
        line.display = found is not None
        if found is not None:
            line.update(needs(found, self.content_size.width))

    def _sum(self) -> Content:
        train = self._config.train
        if self._summary is None:
            return Content.styled("the number of updates follows from the data", "$quiet")
        rows = int(self._summary["train"])
        updates = total_steps(self._config, rows)
        how = (
            "as set"
            if train.max_steps
            else f"{rows:,} rows x {shown(train.epochs)} / {train.batch_size}"
        )
        return Content.assemble("= ", (f"{updates:,} updates", "bold"), (f"   {how}", "$quiet"))

    def _show_words(self) -> None:
        row = self._row()
        text = _explain(row.knob, self._wrong.get(row.knob.path)) if row else Content("")
        self.query_one("#knob-words", Static).update(text)

    def _row(self) -> KnobRow | None:
        """The knob in focus, or the one it was in last."""
        focused = self.screen.focused if self.is_attached else None
        for node in (focused, self._stop):
            if isinstance(node, Field):
                node = node.parent  # type: ignore[assignment]
            if isinstance(node, KnobRow) and node.is_attached:
                return node
        return None

    def on_descendant_focus(self) -> None:
        super().on_descendant_focus()
        self._show_words()

    def stops(self) -> list[Widget]:
        """The rows; a field in a row is not a place of its own."""
        return [w for w in super().stops() if isinstance(w, (KnobRow, More))]

    # ------------------------------------------------------------ turning

    def action_move(self, by: int) -> None:
        stops = [w for w in self.stops() if self._is_open(w)]
        focused = self.screen.focused
        if focused in stops:
            at = stops.index(focused) + by
            focus(stops[min(max(at, 0), len(stops) - 1)])

    def action_end(self, end: str) -> None:
        stops = [w for w in self.stops() if self._is_open(w)]
        focus(stops[0] if end == "first" else stops[-1])

    def _is_open(self, widget: Widget) -> bool:
        more = self.query_one("#knobs-more")
        return more not in widget.ancestors or more.has_class("-open")

    def action_edit(self) -> None:
        focused = self.screen.focused
        if isinstance(focused, More):
            focused.turn()
        elif isinstance(focused, KnobRow):
            if focused.knob.choices and focused.knob.kind != "text":
                focused.choose(1)
            else:
                focused.edit()

    def action_choose(self, by: int) -> None:
        focused = self.screen.focused
        if isinstance(focused, More):
            focused.turn()
        elif isinstance(focused, KnobRow) and focused.knob.choices:
            focused.choose(by)

    def action_default(self) -> None:
        if row := self._row():
            self._accept(row, row.knob.default)

    @on(More.Turned)
    async def _fold(self, message: More.Turned) -> None:
        message.stop()
        await self.set_more(self.query_one(More).is_open)

    async def set_more(self, is_open: bool) -> None:
        """Open or close the fold; its rows are made when it is opened first."""
        more = self.query_one("#knobs-more", Vertical)
        if is_open and not more.children:
            await more.mount_all(_with_headings(self._rest))
            self._show_all()
        more.set_class(is_open, "-open")
        fold = self.query_one(More)
        if fold.is_open != is_open:
            fold.is_open = is_open
            fold.refresh()

    async def go_to(self, path: str) -> None:
        """Put the focus on a knob, in the fold or out of it."""
        if path not in [knob.path for knob in self._first]:
            await self.set_more(True)
        for row in self.query(KnobRow):
            if row.knob.path == path:
                focus(row)
                self.call_after_refresh(row.scroll_visible, animate=False)

    @on(KnobRow.Given)
    def _judge(self, message: KnobRow.Given) -> None:
        message.stop()
        row = message.row
        try:
            self._accept(row, _value(row.knob, message.text))
        except Problem as problem:
            self._wrong[row.knob.path] = problem
            row.refuse(message.text, problem.fix)
            self._say_wrong()

    def _accept(self, row: KnobRow, value: Any) -> None:
        config = with_value(self._config, row.knob.path, value)
        was_wrong = self._wrong.pop(row.knob.path, None)
        before, self._config = self._config, config
        row.put(config.get(row.knob.path), self._instead(row.knob))
        self._say_wrong()
        if was_wrong or config != before:
            self.post_message(self.Changed(config, row.knob.path))

    def _say_wrong(self) -> None:
        self._show_all()
        self.post_message(self.Judged({path: problem.fix for path, problem in self._wrong.items()}))


def _value(knob: Knob, text: str) -> Any:
    """What was typed, as the knob's kind reads it; nothing at all means not set."""
    if not text.strip():
        return None
    if knob.kind == "text" and not knob.choices:
        return text
    return parse_value(text)


def _with_headings(rest: list[Knob]) -> list[Widget]:
    found: list[Widget] = []
    section = ""
    for knob in rest:
        if knob.section != section:
            section = knob.section
            found.append(Static(section, classes="section", markup=False))
        found.append(KnobRow(knob))
    return found


def _explain(knob: Knob, problem: Problem | None) -> Content:
    """What the knob does, its usual range, its default and its limits; what is wrong first."""
    default = shown(knob.default) or knob.empty or "none"
    facts = [f"usual {knob.usual}"] if knob.usual else []
    facts.append(f"default {default}")
    facts += [knob.limits] if knob.limits else []
    wrong = (
        Content.styled(f"✗ {clean(problem.what, 200, lines=False)}\n", "$error")
        if problem
        else Content("")
    )
    return Content.assemble(wrong, knob.words, "\n", (" · ".join(facts), "$quiet"))
