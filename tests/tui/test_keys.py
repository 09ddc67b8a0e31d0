"""Every key of the table does what the table says, and nothing is bound beside the table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.widgets import OptionList

from tests.tui.fake_desk import PROBLEMS, SUMMARY, FakeDesk, FakeRuns, some_runs, story, with_checks
from tests.tui.opened import NARROW, WIDE, Bench, opened
from tui import keys
from tui.panes.compare import ComparePane
from tui.panes.data import DataPane
from tui.panes.knobs import KnobsPane
from tui.panes.loss import LossPane
from tui.screens.editor import Editor
from tui.screens.sheet import Page
from tui.widgets.field import Field
from tui.widgets.form import Form
from tui.widgets.knob_row import KnobRow
from tui.widgets.row_text import RowView
from tui.widgets.token_view import TokenView


def all_keys(focus: keys.Focus) -> list[str]:
    return [one for key in keys.TABLE[focus] for one in key.keys.split(",")]


class Pressing:
    """Presses keys and remembers which: at the end of a test none of its focus may be left out."""

    def __init__(self, bench: Bench, focus: keys.Focus) -> None:
        self.bench, self.left = bench, set(all_keys(focus))

    async def __call__(self, key: str) -> None:
        self.left.discard(key)
        await self.bench.press(key)


def training() -> FakeRuns:
    return FakeRuns(story(51, 31))


@pytest.mark.parametrize("focus", keys.TABLE)
def test_a_key_means_one_thing_in_one_focus(focus: keys.Focus) -> None:
    found = all_keys(focus)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("focus", keys.PANES)
def test_no_pane_takes_a_global_key_but_escape(focus: keys.Focus) -> None:
    assert set(all_keys(focus)) & set(all_keys("everywhere")) <= {"escape"}


@pytest.mark.parametrize(
    ("pane", "focus"),
    [(DataPane, "data"), (KnobsPane, "knobs"), (LossPane, "loss"), (ComparePane, "compare")],
)
def test_every_key_of_a_pane_has_its_action(pane: type[Any], focus: keys.Focus) -> None:
    for key in keys.TABLE[focus]:
        assert hasattr(pane, "action_" + key.action.partition("(")[0]), key


def test_the_hints_fit_the_border_of_a_pane() -> None:
    for focus in keys.PANES:
        line = "  ".join(f"{key} {word}" for key, word in keys.hints(focus))
        assert len(line) <= 50, (focus, line)


async def test_keys_that_work_everywhere() -> None:
    async with opened(WIDE) as bench:
        press = Pressing(bench, "everywhere")
        for number in "1234":
            await press(number)
            assert bench.app.bench.current == int(number)
            assert bench.app.bench.panes[int(number) - 1].has_focus_within
        await press("tab")
        assert bench.app.bench.current == 1
        await press("shift+tab")
        assert bench.app.bench.current == 4
        await press("z")
        assert [p.NUMBER for p in bench.app.bench.panes if p.region.area] == [4]
        await bench.press("z")
        assert len([p for p in bench.app.bench.panes if p.region.area]) == 4
        for key in ("question_mark", "f1"):
            await press(key)
            assert bench.screen_name == "Sheet"
            await bench.press("escape")
        await press("ctrl+p")
        assert bench.screen_name == "Palette"
        await bench.press("escape")
        await press("r")
        assert bench.screen_name == "RunsScreen"
        await bench.press("r")
        assert bench.screen_name == "Bench"
        await press("ctrl+c")
        assert any("q leaves" in toast for toast in bench.toasts())
        await press("s")
        assert bench.runs.sent == []
        await press("t")
        assert bench.runs.started == [bench.desk.run]
        await press("escape")
        await press("q")
        assert bench.app.return_value is None  # a run that has not said a word may be training
        await bench.press("escape")
        await press("ctrl+q")
        assert bench.screen_name == "Leave"
        assert not press.left


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_leaving_when_nothing_trains(key: str) -> None:
    async with opened() as bench:
        await bench.pilot.press(key)
        await bench.pilot.pause()
        assert bench.app.return_value == 0


async def test_s_stops_a_training_and_saves() -> None:
    async with opened(runs=training()) as bench:
        await bench.press("t", "s")
        assert bench.runs.sent == [(bench.desk.run, "stop")]


async def test_escape_drops_what_is_being_opened() -> None:
    async with opened(desk=FakeDesk(hold={"open_data"})) as bench:
        await bench.press("3", "escape")
        await bench.pilot.press("1")
        await bench.app.workers.wait_for_complete()
        await bench.pilot.pause()
        assert "The opening was cancelled" in bench.text()


async def test_keys_of_the_data_pane() -> None:
    async with opened() as bench:
        pane = bench.app.bench.query_one(DataPane)
        press = Pressing(bench, "data")
        places = []
        for key in ("down", "j", "up", "k", "G", "g", "end", "home", "pagedown", "pageup"):
            await press(key)
            places.append(pane._at)
        assert places == [1, 2, 1, 0, 299, 0, 299, 0, 1, 0]
        seen = []
        for _ in range(3):
            await press("h")
            seen.append(
                bench.text().partition("▸")[2].partition("·")[0].strip().split(maxsplit=3)[2:]
            )
        assert seen == [["270", "to train on"], ["30", "held out"], ["300"]]
        await press("slash")
        assert isinstance(bench.app.focused, Field)
        await bench.press("4", "2", "enter")
        assert pane._at == 41
        await bench.press("slash")
        await bench.type("ticket 99")
        await bench.press("enter")
        assert pane._at == 98
        await press("n")
        assert pane._at == 98  # the only row with these words
        await press("N")
        assert pane._at == 98
        await press("p")
        assert any("No problem" in toast for toast in bench.toasts())
        await press("c")
        assert any("no compared answers" in toast for toast in bench.toasts())
        await press("f")
        assert bench.screen_name == "FormScreen"
        await bench.type("ticket 17)")
        await bench.press("enter")
        assert bench.text().count("1 of 300 · text: ticket 17)") == 1
        await press("escape")
        assert "1 data · alpaca · 300 rows" in bench.text()
        assert pane._at == 16
        await press("v")
        assert "tallest bar 61 rows" in bench.text()
        await press("T")
        assert isinstance(bench.app.focused, TokenView)
        await bench.press("T", "v")
        await press("e")
        assert bench.screen_name == "Editor"
        await bench.press("escape")
        await press("E")
        assert any("e changes the row here" in toast for toast in bench.toasts())
        await press("a")
        assert bench.screen_name == "Editor"
        await bench.press("!", "escape", "k")
        await press("d")
        assert bench.screen_name == "Editor"
        await bench.press("escape", "d")
        await press("x")
        assert bench.desk.rows[16]["excluded"]
        await press("u")
        assert not bench.desk.rows[16]["excluded"]
        await press("w")
        assert bench.screen_name == "FormScreen"
        await bench.press("escape")
        await press("o")
        assert bench.screen_name == "OpenData"
        await bench.press("escape")
        await press("R")
        assert [name for name, _ in bench.desk.asked].count("open_data") == 2
        assert not press.left


async def test_keys_of_a_form() -> None:
    async with opened(desk=FakeDesk(summary=with_checks())) as bench:
        press = Pressing(bench, "form")
        await bench.press("f")
        form = bench.app.screen.query_one(Form)
        places = []
        for key in ("down", "tab", "up", "shift+tab"):
            await press(key)
            places.append(bench.app.focused and bench.app.focused.id)
        assert places == ["entry-check", "entry-state", "entry-check", "entry-text"]
        await bench.press("down")
        chosen = []
        for key in ("right", "space", "left"):
            await press(key)
            chosen.append(form.values["check"])
        assert chosen == ["empty_answer", "near_copy", "empty_answer"]
        await press("escape")
        assert bench.screen_name == "Bench"
        assert "300 rows" in bench.text()
        await bench.press("f", "down", "right")
        await press("enter")
        assert bench.screen_name == "Bench"
        assert "of 300 · check:" in bench.text()
        assert not press.left


async def test_keys_of_the_checks() -> None:
    async with opened(desk=FakeDesk(summary=with_checks())) as bench:
        press = Pressing(bench, "checks")
        await bench.press("p")
        listed = bench.app.screen.query_one(OptionList)
        places = []
        for key in ("down", "j", "up", "k", "G", "g", "end", "home"):
            await press(key)
            places.append(listed.highlighted)
        assert places == [1, 2, 1, 0, 2, 0, 2, 0]
        await press("enter")
        assert bench.screen_name == "CheckScreen"
        await press("escape")
        assert bench.screen_name == "ChecksScreen"
        await bench.press("escape")
        assert bench.screen_name == "Bench"
        assert not press.left


async def test_keys_of_the_editor() -> None:
    async with opened() as bench:
        press = Pressing(bench, "editor")
        await bench.press("e")
        editor = bench.app.screen
        assert isinstance(editor, Editor)
        places = []
        for key in ("tab", "shift+tab"):
            await press(key)
            places.append(editor._current)
        assert places == [0, 2]
        await press("f2")
        assert '"name"' in editor.turns[2].calls.text.text
        await press("f3")
        assert '"name"' in editor.tools.text.text
        await bench.press("escape", "d", "e")
        editor = bench.app.screen
        await press("ctrl+n")
        await press("ctrl+r")
        assert [turn.role for turn in editor.turns][-2:] == ["assistant", "assistant"]
        await press("ctrl+t")
        assert len(editor.turns) == 3
        await press("escape")
        assert bench.screen_name == "Bench"  # nothing was changed in the end
        await bench.press("e", "!")
        await press("ctrl+s")
        assert bench.screen_name == "Bench"
        assert bench.desk.rows[0]["answer"].endswith("address!")
        await bench.press("e")
        other = bench.app.screen
        assert isinstance(other, Editor)
        await press("f2")
        assert other.turns[-1].calls is not None
        assert other.turns[-1].calls.text.has_focus
        await press("f3")
        assert other.tools is not None
        assert other.tools.text.has_focus
        assert not press.left


async def test_keys_of_a_record() -> None:
    desk = FakeDesk(summary={**SUMMARY, "problems": PROBLEMS})
    async with opened(desk=desk) as bench:
        press = Pressing(bench, "record")
        asked = ["draft_record", "drop_records", "mend_record"]
        for key, screen in (
            ("escape", "Bench"), ("ctrl+n", "Editor"), ("ctrl+t", "Bench"), ("ctrl+s", "Bench"),
        ):  # fmt: skip
            await bench.press("p", "enter", "enter")
            assert bench.screen_name == "RecordEditor"
            await press(key)
            assert bench.screen_name == screen
            await bench.press(*(["escape"] if screen == "Editor" else []))
        done = [name for name, _ in desk.asked if name in asked]
        assert done[:2] == ["drop_records", "mend_record"]
        assert not press.left


@pytest.mark.parametrize(("key", "screen"), [("d", "Bench"), ("k", "Bench"), ("escape", "Editor")])
async def test_keys_of_leaving_a_changed_row(key: str, screen: str) -> None:
    async with opened() as bench:
        await bench.press("e", "!", "escape")
        assert bench.screen_name == "Unsaved"
        await bench.press(key)
        assert bench.screen_name == screen
        assert ("d goes on with it" in bench.text()) == (key == "k")


def test_each_answer_to_leaving_a_changed_row_is_tried() -> None:
    assert set(all_keys("unsaved")) == {"d", "k", "escape"}


async def test_keys_of_the_knobs_pane() -> None:
    async with opened() as bench:
        press = Pressing(bench, "knobs")
        await bench.press("2")

        def path() -> str:
            focused = bench.app.focused
            return focused.knob.path if isinstance(focused, KnobRow) else ""

        for key, expected in {
            "down": "train.epochs",
            "j": "train.batch_size",
            "up": "train.epochs",
            "k": "train.learning_rate",
        }.items():
            await press(key)
            assert path() == expected
        for key in ("G", "end"):
            await press(key)
            assert path() == ""  # the fold
        await press("enter")  # opens it
        await bench.press("G")
        assert path() == "compare.max_tokens"
        for key in ("g", "home"):
            await press(key)
            assert path() == "train.learning_rate"
        while path() != "train.schedule":
            await bench.press("down")
        for key, expected in {
            "right": "linear",
            "l": "constant",
            "space": "cosine",
            "left": "constant",
            "h": "linear",
        }.items():
            await press(key)
            assert bench.app.state.config.train.schedule == expected
        await press("d")
        assert bench.app.state.config.train.schedule == "cosine"
        assert not press.left


async def test_keys_of_a_field() -> None:
    async with opened() as bench:
        press = Pressing(bench, "field")
        await bench.press("2", "j", "enter", "7")
        await press("enter")
        assert bench.app.state.config.train.epochs == 7
        await bench.press("enter", "9")
        await press("escape")
        assert bench.app.state.config.train.epochs == 7
        assert not press.left


async def test_keys_of_the_runs() -> None:
    async with opened(runs=FakeRuns(story(51, 31), found=some_runs())) as bench:
        press = Pressing(bench, "runs")
        await bench.press("r")
        listed = bench.app.screen.query_one(OptionList)
        for key, expected in {
            "down": 1,
            "j": 2,
            "up": 1,
            "k": 0,
            "G": 2,
            "g": 0,
            "end": 2,
            "home": 0,
        }.items():
            await press(key)
            assert listed.highlighted == expected, key
        await press("escape")
        assert bench.screen_name == "Bench"
        await bench.press("r")
        await press("enter")
        assert bench.app.state.run == Path("/nowhere/runs/14-amber-lute")
        assert not press.left


@pytest.mark.parametrize(
    ("key", "sent"), [("d", []), ("s", ["stop"]), ("k", ["kill"]), ("enter", []), ("escape", [])]
)
async def test_keys_of_leaving(key: str, sent: list[str]) -> None:
    """The first answer, which `enter` takes, is to leave and let the training go on."""
    async with opened(runs=training()) as bench:
        await bench.press("t", "q")
        assert bench.screen_name == "Leave"
        await bench.pilot.press(key)
        if sent:
            await bench.app.workers.wait_for_complete()
        await bench.pilot.pause()
        assert [name for _, name in bench.runs.sent] == sent
        assert bench.app.return_value == (None if key == "escape" else 0)


def test_each_answer_to_leaving_is_tried() -> None:
    assert set(all_keys("leave")) == {"d", "s", "k", "escape"}


async def test_keys_of_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        (tmp_path / f"{number:02d}.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    async with opened() as bench:
        press = Pressing(bench, "list")
        await bench.press("o")
        listed = bench.app.screen.query_one(OptionList)
        assert listed.highlighted == 1
        await press("down")
        assert listed.highlighted == 2
        await press("up")
        assert listed.highlighted == 1
        await press("pagedown")
        assert (listed.highlighted or 0) > 5
        await press("pageup")
        assert (listed.highlighted or 0) <= 1
        await bench.press("down", "down")
        await press("tab")
        assert bench.app.screen.query_one(Field).value.endswith(".jsonl")
        await press("escape")
        assert bench.screen_name == "Bench"
        await bench.press("o", "down")
        await press("enter")
        assert bench.app.state.config.data.path == str(tmp_path / "01.jsonl")
        assert not press.left


async def test_keys_of_a_sheet() -> None:
    async with opened() as bench:
        press = Pressing(bench, "sheet")
        await bench.press("question_mark")
        page = bench.app.screen.query_one(Page)
        places = []
        for key in ("down", "j", "up", "k", "pagedown", "pageup", "G", "g", "end", "home"):
            await press(key)
            places.append(page.scroll_offset.y)
        down, page_down, bottom = 1, places[4], places[6]
        assert places == [down, 2, 1, 0, page_down, 0, bottom, 0, bottom, 0]
        assert 5 < page_down < bottom
        for key in ("escape", "question_mark", "enter"):
            await press(key)
            assert bench.screen_name == "Bench"
            await bench.press("question_mark")
        assert not press.left


def mentioned(page: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word not in page]


def test_help_and_palette_hold_the_whole_table() -> None:
    from tui.screens.palette import commands
    from tui.screens.sheet import keys_page

    page = keys_page("data").plain
    assert mentioned(page, [words for _, _, words in keys.rows()]) == []
    assert page.startswith(keys.NAMES["data"])
    actions = {choice.value for choice in commands("data")}
    assert {f"focused.{key.action}" for key in keys.TABLE["data"]} <= actions
    assert {
        "app.train",
        "app.stop",
        "app.runs",
        "app.zoom",
        "app.leave",
        "app.help",
        "app.pane(3)",
    } <= actions


async def test_a_command_of_the_palette_is_run() -> None:
    async with opened(NARROW) as bench:
        await bench.press("ctrl+p")
        await bench.type("theme: light")
        await bench.press("enter")
        assert bench.app.theme == "light"


async def test_letters_are_text_in_a_field() -> None:
    async with opened() as bench:
        await bench.press("slash")
        await bench.type("qzt1?")
        assert bench.app.screen.query_one(Field).value == "qzt1?"
        assert bench.app.is_running


async def test_reading_on_in_a_long_row() -> None:
    desk = FakeDesk()
    desk.rows[0]["segments"] = [["prompt", "\n".join(f"line {n}" for n in range(200))]]
    async with opened(desk=desk) as bench:
        pane = bench.app.bench.query_one(DataPane)
        view = pane.query_one(RowView)
        await bench.press("pagedown")
        assert (pane._at, view.scroll_offset.y > 5) == (0, True)
        for _ in range(30):
            await bench.press("pagedown")
            if pane._at:
                break
        assert (pane._at, view.scroll_offset.y) == (1, 0)


async def test_keys_that_come_in_one_burst_take_effect_in_the_order_typed() -> None:
    """A slow line delivers what was typed all at once: open the field, change the value, accept, go on."""
    async with opened(WIDE) as bench:
        await bench.press("2")
        for typed in ("1e-4", "3e-4", "1e-5"):
            burst(bench.app, "enter", "ctrl+a", "ctrl+k", *typed, "enter", "1")
            await bench.settle()
            assert f"learning rate    {typed} " in bench.text()
        burst(bench.app, "1", "down", "down", "slash", *"invoice")
        await bench.settle()
        focused = bench.app.focused
        assert isinstance(focused, Field)
        assert focused.value == "invoice"


def burst(app: App[int], *keys: str) -> None:
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))
