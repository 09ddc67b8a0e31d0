"""Data whose columns are not known by name: the person says which is the prompt and which the answer."""

from __future__ import annotations

import pytest

from tests.tui.fake_desk import MAPPING, SUMMARY, FakeDesk
from tests.tui.opened import NARROW, WIDE, opened


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_columns_are_chosen_with_the_first_row_before_the_eyes(size: tuple[int, int]) -> None:
    desk = FakeDesk(summary=MAPPING)
    async with opened(size, desk) as bench:
        page = bench.text()
        for words in (
            "which columns?",
            "‹ frage ›",
            "antwort",
            "Where is my parcel?",
            "▌ In Leipzig.",
        ):
            assert words in page
        await bench.press("pagedown")
        assert "rolle  Be brief." in bench.text()
        await bench.press("T", "e", "x", "p", "v", "f")  # there is no row yet to do this with
        assert bench.screen_name == "Bench"
        await bench.press("pageup")
        await bench.press("t")
        assert bench.runs.started == []
        await bench.press("down", "down", "left")
        assert "  Be brief." in bench.text()
        desk.summary = dict(SUMMARY)
        await bench.press("enter")
        data = bench.app.state.config.data
        assert (data.prompt_column, data.answer_column, data.system_column) == (
            "frage",
            "antwort",
            "rolle",
        )
        assert [name for name, _ in desk.asked].count("open_data") == 2
        assert "270 train" in bench.text()
        await bench.press("down")
        assert "2 of 300" in bench.text()


async def test_an_answer_must_be_chosen_and_no_column_twice() -> None:
    async with opened(desk=FakeDesk(summary=MAPPING)) as bench:
        await bench.press("right", "enter")
        assert "one column is chosen twice" in bench.text()
        await bench.press("down", "right", "right", "enter")
        assert "choose the column that holds the answers" in bench.text()
        assert bench.app.state.config.data.prompt_column is None


async def test_other_data_can_be_opened_instead() -> None:
    desk = FakeDesk(summary=MAPPING)
    async with opened(desk=desk) as bench:
        await bench.press("o")
        assert bench.screen_name == "OpenData"
        await bench.press("escape")
        desk.summary = dict(SUMMARY)
        bench.app.open_path("/data/other.jsonl")
        await bench.settle()
        assert "which columns?" not in bench.text()
        assert "270 train" in bench.text()
