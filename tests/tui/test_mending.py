"""Records that cannot be read: listed by place, opened, mended, refused in place, left out; nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Problem
from tests.tui.fake_desk import PROBLEMS, SUMMARY, FakeDesk
from tests.tui.opened import NARROW, WIDE, Bench, opened
from tui.screens.record import RecordEditor

FOUND = {
    **PROBLEMS[0],
    "places": [[118, 42, "a string is not closed"], [203, 9, "a string is not closed"],
               [204, 1, "no object"]],
}  # fmt: skip


def faulty(**given: Any) -> FakeDesk:
    return FakeDesk(summary={**SUMMARY, "problems": [FOUND, PROBLEMS[1]]}, **given)


def asked(bench: Bench, name: str) -> list[dict[str, Any]]:
    return [given for call, given in bench.desk.asked if call == name]


def text_of(bench: Bench) -> RecordEditor:
    assert isinstance(bench.app.screen, RecordEditor)
    return bench.app.screen


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_record_is_opened_from_the_list_and_mended(size: tuple[int, int]) -> None:
    async with opened(size, faulty()) as bench:
        await bench.press("p", "enter")
        assert "record 118   line 118, column 42   a string is not closed" in bench.text()
        await bench.press("enter")
        page = bench.text()
        assert "record 118 · tickets.jsonl:118:42" in page
        assert "✗ a string is not closed" in page
        assert '"output": "half}' in page
        await bench.press("end")
        await bench.type("!")
        await bench.press("ctrl+s")
        assert asked(bench, "read_record")[0]["number"] == 118
        given = asked(bench, "mend_record")[0]
        assert given["text"] == '{"instruction": "q118", "output": "half}!'
        assert any("Record 118 is a row now" in toast for toast in bench.toasts())
        assert asked(bench, "place")[-1]["number"] == 118  # the row is gone to
        assert asked(bench, "draft_record")[-1] == {"number": 118, "text": None}
        await bench.press("p", "enter")
        assert "record 118" not in bench.text()
        assert "record 203" in bench.text()


async def test_text_that_cannot_be_read_stays_with_the_readers_words() -> None:
    refused = Problem("record 118, line 1, column 9", "not valid JSON", "mend it")
    async with opened(NARROW, faulty(record_problem=refused)) as bench:
        await bench.press("p", "enter", "enter", "!", "ctrl+s")
        assert "✗ record 118, line 1, column 9: not valid JSON. Fix: mend it." in bench.text()
        assert text_of(bench).text.cursor_location == (0, 8)
        assert asked(bench, "mend_record") == []
        bench.desk.record_problem = None
        await bench.press("ctrl+s")
        assert len(asked(bench, "mend_record")) == 1


async def test_what_is_half_mended_is_kept_and_gone_on_with() -> None:
    async with opened(NARROW, faulty()) as bench:
        await bench.press("p", "enter", "enter", "home", "!", "escape")
        assert "What you wrote is not saved yet: ctrl+s saves it." in bench.text()
        await bench.press("k")
        assert asked(bench, "draft_record")[-1]["text"].startswith("!{")
        assert "draft record 118 is half mended   d goes on with it" in bench.text()
        await bench.press("d")
        assert "!{" in bench.text()
        await bench.press("escape", "d")
        assert asked(bench, "draft_record")[-1] == {"number": 118, "text": None}
        assert "half mended" not in bench.text()


async def test_leaving_finetui_while_mending_keeps_the_draft() -> None:
    async with opened(NARROW, faulty()) as bench:
        await bench.press("p", "enter", "enter", "home", "!")
        await bench.pilot.press("ctrl+q")
        await bench.pilot.pause()
        assert bench.app.return_value == 0
    assert asked(bench, "draft_record")[-1]["text"].startswith("!{")


async def test_a_refused_mending_is_kept_as_a_draft() -> None:
    desk = faulty(change_problem=Problem("disk", "it is full", "free some space"))
    async with opened(NARROW, desk) as bench:
        await bench.press("p", "enter", "enter", "home", "!", "ctrl+s")
        assert any("it is full" in toast for toast in bench.toasts())
        assert asked(bench, "draft_record")[-1]["text"].startswith("!{")
        assert "d goes on with it" in bench.text()


async def test_one_record_or_all_listed_ones_are_left_out() -> None:
    async with opened(NARROW, faulty()) as bench:
        await bench.press("p", "enter", "enter", "ctrl+t")
        assert asked(bench, "drop_records") == [{"numbers": [118]}]
        await bench.press("p", "enter", "G", "enter")
        assert asked(bench, "drop_records")[-1] == {"numbers": [203, 204]}
        assert any("2 records are left out on purpose" in toast for toast in bench.toasts())


async def test_a_row_is_written_where_there_is_no_text() -> None:
    async with opened(NARROW, faulty(record={"text": ""})) as bench:
        await bench.press("p", "enter", "enter")
        assert "ctrl+n writes a row in its place" in bench.text()
        await bench.press("ctrl+s", "ctrl+n")
        await bench.type("yes")
        await bench.press("ctrl+s")
        given = asked(bench, "mend_record")[0]
        assert (given["number"], given["messages"][-1]["content"]) == (118, "yes")


async def test_what_cannot_be_mended_says_so() -> None:
    async with opened(NARROW, faulty(record={"text": "", "as_row": False})) as bench:
        await bench.press("p", "enter", "enter", "ctrl+n", "ctrl+s")
        assert "mend it in the file" in bench.text()
        await bench.press("escape")
        assert bench.screen_name == "Bench"
        assert asked(bench, "mend_record") == []


async def test_nothing_of_a_record_drives_the_terminal() -> None:
    record = {"text": "a\x1b]0;x\x07b", "what": "w\x1b[2J", "header": ["c\x9b"], "path": "/p\x1b"}
    async with opened(NARROW, faulty(record=record)) as bench:
        await bench.press("p", "enter", "enter")
        assert not set("\x1b\x07\x9b") & set(bench.text())
        await bench.press("end", "!", "ctrl+s")
        assert asked(bench, "mend_record")[0]["text"] == "a\x1b]0;x\x07b!"
