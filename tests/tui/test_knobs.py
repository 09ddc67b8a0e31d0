"""The form: values are taken, refused beside the field, and what follows from them is told."""

from __future__ import annotations

import pytest

from engine.config import Config, knobs, with_value
from tests.tui.fake_desk import FakeDesk
from tests.tui.opened import WIDE, Bench, opened
from tui.panes.knobs import KnobsPane
from tui.widgets.field import Field
from tui.widgets.knob_row import KnobRow, shown


def line(bench: Bench, title: str) -> str:
    """The first line below the two on top that holds these words."""
    return next(found for found in bench.text().splitlines()[2:] if title in found)


async def give(bench: Bench, text: str) -> None:
    """Type a value into the knob in focus."""
    await bench.press("enter")
    bench.app.screen.query_one("KnobRow Field", Field).value = text
    await bench.press("enter")


@pytest.mark.parametrize("typed", ["5", "-1", "fast", "nan", "1e999", "0", "[1, 2]"])
async def test_a_wrong_learning_rate_is_marked_and_start_refused(typed: str) -> None:
    async with opened(WIDE) as bench:
        await bench.press("2")
        await give(bench, typed)
        found = line(bench, "learning rate")
        assert f"✗ learning rate    {typed} " in found
        assert "give above 0 to 1" in found
        assert "knobs  learning rate: give above 0 to 1" in bench.text()
        await bench.press("1", "t")
        assert bench.runs.started == []
        assert [name for name, _ in bench.desk.asked if name == "prepare"] == []
        assert bench.toasts() == []  # it would lie over the knob's own words
        focused = bench.app.focused
        assert isinstance(focused, KnobRow)
        assert focused.knob.path == "train.learning_rate"
        await bench.press("enter")
        assert bench.app.screen.query_one("KnobRow Field", Field).value == typed


async def test_a_mended_value_lets_training_start() -> None:
    async with opened() as bench:
        await bench.press("2")
        await give(bench, "5")
        await give(bench, "1e-4")
        assert "✗" not in line(bench, "learning rate")
        assert "● learning rate    1e-4" in line(bench, "learning rate")
        await bench.press("t")
        assert bench.runs.started == [bench.desk.run]
        (asked,) = [given for name, given in bench.desk.asked if name == "prepare"]
        assert asked["config"]["train"]["learning_rate"] == 1e-4


async def test_a_wrong_value_deep_in_the_fold_is_gone_to() -> None:
    async with opened() as bench:
        pane = bench.app.bench.query_one(KnobsPane)
        await pane.go_to("method.rank")
        await bench.settle()
        await give(bench, "0")
        await bench.press("1", "t")
        focused = bench.app.focused
        assert isinstance(focused, KnobRow)
        assert focused.knob.path == "method.rank"
        assert "give 1 to 512" in line(bench, " rank ")


async def test_the_number_of_updates_follows() -> None:
    async with opened() as bench:
        await bench.press("2")
        assert "= 51 updates" in bench.text()
        await bench.press("j", "j")
        await give(bench, "8")
        assert "= 102 updates" in bench.text()
        await bench.press("d")
        assert "= 51 updates" in bench.text()


async def test_the_border_counts_what_was_changed() -> None:
    async with opened() as bench:
        await bench.press("2", "j")
        assert "2 knobs · as preset" in bench.text()
        await give(bench, "4")
        assert "2 knobs · 1 changed" in bench.text()
        await bench.press("d")
        assert "2 knobs · as preset" in bench.text()


async def test_a_knob_of_the_data_opens_it_again_and_others_do_not() -> None:
    async with opened() as bench:
        pane = bench.app.bench.query_one(KnobsPane)

        def opens() -> int:
            return [name for name, _ in bench.desk.asked].count("open_data")

        await pane.go_to("train.weight_decay")
        await bench.settle()
        await give(bench, "0.1")
        assert opens() == 1
        await pane.go_to("data.eval_fraction")
        await bench.settle()
        await give(bench, "0.2")
        assert opens() == 2
        assert bench.desk.asked[-1][0] in ("rows", "held_out", "open_data")


async def test_the_default_rate_follows_the_method() -> None:
    async with opened() as bench:
        await bench.press("2")
        assert "2e-4 for lora" in line(bench, "learning rate")
        await bench.app.bench.query_one(KnobsPane).go_to("method.name")
        await bench.press("right", "g")
        assert "2e-5 for full" in line(bench, "learning rate")


async def test_a_system_prompt_is_text_whatever_it_looks_like() -> None:
    async with opened() as bench:
        await bench.app.bench.query_one(KnobsPane).go_to("data.system")
        await bench.settle()
        await give(bench, "You sort: tickets, and [more] {x}")
        assert bench.app.state.config.data.system == "You sort: tickets, and [more] {x}"


async def test_text_that_is_not_touched_stays_as_it_was() -> None:
    """The field shows one line; line ends of the value are lost only when it is changed."""
    config = with_value(Config(), "data.system", "one\ntwo")
    async with opened(config=config) as bench:
        await bench.app.bench.query_one(KnobsPane).go_to("data.system")
        await bench.press("enter", "enter")
        assert bench.app.state.config.data.system == "one\ntwo"


async def test_leaving_a_field_by_another_way_takes_what_was_typed() -> None:
    async with opened(WIDE) as bench:
        await bench.press("2", "j", "enter")
        bench.app.screen.query_one("KnobRow Field", Field).value = "9"
        await bench.press("tab")
        assert bench.app.state.config.train.epochs == 9
        assert bench.app.bench.current == 3


async def test_every_knob_has_its_line_with_words_and_range() -> None:
    async with opened() as bench:
        pane = bench.app.bench.query_one(KnobsPane)
        for knob in knobs():
            await pane.go_to(knob.path)
            await bench.pilot.pause()
            page = " ".join(bench.text().replace("┃", " ").split())
            assert knob.title in page
            assert knob.words.split(".")[0].split(":")[0] in page, knob.path


async def test_problems_of_the_data_keep_the_knobs_in_hand() -> None:
    async with opened(desk=FakeDesk()) as bench:
        await bench.press("2", "j")
        await give(bench, "2")
        assert bench.app.state.config.train.epochs == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2e-4, "2e-4"),
        (1e-3, "1e-3"),
        (0.03, "0.03"),
        (3.0, "3"),
        (0.0, "0"),
        (None, ""),
        (True, "on"),
        (16, "16"),
        (1e6, "1000000"),
    ],
)
def test_values_as_a_person_writes_them(value: object, words: str) -> None:
    assert shown(value) == words
