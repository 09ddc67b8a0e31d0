"""The data pane: opening with progress, refusals, the facts, and finding rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Problem
from tests.tui.fake_desk import PROBLEMS, SUMMARY, FakeDesk, row_view, with_checks
from tests.tui.opened import NARROW, WIDE, opened
from tui import facts
from tui.panes.data import DataPane
from tui.rows import PIECE, RowStore
from tui.state import Progress
from tui.widgets.field import Field
from tui.widgets.row_text import lay_out


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_opening_shows_how_far_it_is_and_how_to_stop_it(size: tuple[int, int]) -> None:
    desk = FakeDesk(hold={"open_data"}, progress=(("downloading", 34_000_000, 92_000_000),))
    async with opened(size, desk) as bench:
        page = bench.text()
        assert (
            page.count("downloading the starter model 34 of 92 MB") == 2
        )  # on top and in the pane
        assert "37%" in page
        assert "esc cancels" in page
        desk.let_go("open_data")
        await bench.settle()
        assert "270 train   30 held out" in bench.text()
        assert "overlap 0 exact · 0 normalised · 0 near" in bench.text()
        assert "p50 62 · p95 88 · longest 101" in bench.text()
        assert "nothing found" in bench.text()


async def test_an_opening_can_be_cancelled_and_tried_again() -> None:
    desk = FakeDesk(hold={"open_data"})
    async with opened(desk=desk) as bench:
        await bench.pilot.press("escape")
        await bench.settle()
        assert "cancelled" in bench.text()
        assert "next   o open data to learn from" in bench.text()
        await bench.press("t")
        assert bench.runs.started == []
        desk.hold.clear()
        await bench.press("R")
        assert "270 train" in bench.text()


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_data_that_cannot_be_used_says_where_what_and_how_to_fix_it(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    desk = FakeDesk(problem=Problem("bad.json:3:1", "no row can be used", "see the format"))
    async with opened(size, desk) as bench:
        pane = bench.app.bench.query_one("#data-facts").render_line(0).text
        assert "bad.json:3:1: no row can be used. Fix: see" in pane
        await bench.press("t")
        assert bench.runs.started == []
        desk.problem = None
        await bench.press("o", "enter")
        assert desk.asked[-1][0] in ("rows", "held_out")
        assert bench.app.state.config.data.path == str(tmp_path / "good.jsonl")
        assert "270 train" in bench.text()


async def test_the_end_of_an_older_opening_does_not_count() -> None:
    desk = FakeDesk(hold={"open_data"})
    async with opened(desk=desk) as bench:
        bench.app.open_path("/data/other.jsonl")
        await bench.pilot.pause()
        assert [name for name, _ in desk.asked].count("open_data") == 2
        desk.let_go("open_data")
        await bench.settle()
        assert "270 train" in bench.text()
        assert "cancelled" not in bench.text()


async def test_what_was_found_is_counted_and_listed() -> None:
    told = {
        **SUMMARY,
        "problems": PROBLEMS,
        "overlap": {"exact": 1, "normalised": 2},
        "truncated": 4,
        "eval": 0,
    }
    async with opened(WIDE, FakeDesk(summary=told)) as bench:
        page = bench.text()
        for words in (
            "▲ 0 held out",
            "▲ overlap 1 exact · 2 normalised",
            "✗ 4 cut",
            "▲ 4 problems",
            "tickets.jsonl:118:42",
        ):
            assert words in page
        await bench.press("p")
        page = bench.text()
        for words in (
            "✗ bad           3  unclosed string",
            "The line is no JSON object",
            "118, 203, 204",
            "Mend the line in an editor.",
        ):
            assert words in page


async def test_words_are_found_in_any_case_and_round_the_end() -> None:
    async with opened() as bench:
        pane = bench.app.bench.query_one(DataPane)
        await bench.press("G", "slash")
        bench.app.screen.query_one("#find", Field).value = "CAMERA"
        await bench.press("enter")
        assert pane._at == 1  # the first with it, after the last row
        await bench.press("n")
        assert pane._at == 4
        await bench.press("slash")
        bench.app.screen.query_one("#find", Field).value = "nowhere to be found"
        await bench.press("enter")
        assert pane._at == 4
        assert "No row with nowhere to be found" in bench.toasts()


def test_a_number_means_the_row_in_the_file_or_the_next_there_is() -> None:
    desk = FakeDesk(rows=[row_view(n) for n in (2, 3, 5, 8, 13)])
    store = RowStore(desk)  # type: ignore[arg-type]
    assert [store.with_number(n) for n in (1, 2, 4, 8, 9, 13, 14)] == [0, 0, 2, 3, 4, 4, None]


async def test_a_search_for_words_says_how_far_it_is_and_can_be_stopped() -> None:
    desk = FakeDesk(hold={"find"})
    async with opened(desk=desk) as bench:
        pane = bench.app.bench.query_one(DataPane)
        await bench.press("slash")
        bench.app.screen.query_one("#find", Field).value = "camera"
        await bench.press("enter", "j", "j")
        assert "▸ 3 of 300" in bench.text()  # rows can be looked at meanwhile
        pane._show_find(Progress("searching", 120_000, 1_000_000, 2.0))
        await bench.settle()
        assert "searching 120,000 of 1,000,000" in bench.text()
        await bench.press("escape")
        assert "The search was dropped" in bench.toasts()
        desk.let_go("find")
        await bench.settle()
        assert "▸ 3 of 300" in bench.text()
        assert "1 data · alpaca · 300 rows" in bench.text()


async def test_rows_of_a_filter_are_shown_as_they_are_found() -> None:
    desk = FakeDesk(hold={"search"}, searched=False)
    async with opened(WIDE, desk=desk) as bench:
        pane = bench.app.bench.query_one(DataPane)
        await bench.press("f")
        await bench.type("camera")
        await bench.press("enter")
        asked = [given for name, given in desk.asked if name == "search"]
        assert asked == [{"side": None, "where": {"text": "camera"}}]
        assert "▸ 1 of 3" in bench.text()
        assert "1 data · 3 found · searching · text: camera" in bench.text()
        assert pane._search is not None
        pane._show_search(Progress("searching", 120_000, 1_000_000, 4.0))
        pane._show_found(pane._search, 40)
        await bench.settle()
        await bench.press("z")
        words = "40 found · searching 120,000 of 1,000,000 · 30,000/s · 29s left · text: camera"
        assert words in bench.text()
        await bench.press("j")
        assert "▸ 2 of 40" in bench.text()
        pane._at = 30  # on its way from the desk
        pane._show_found(pane._search, 41)
        assert pane._at == 30
        pane._want(1)
        desk.let_go("search")
        await bench.settle()
        assert "▸ 2 of 100" in bench.text()  # it stays where it was
        assert "1 data · 100 of 300 · text: camera" in bench.text()


async def test_a_search_that_is_stopped_keeps_what_it_found_and_begins_anew_when_asked() -> None:
    desk = FakeDesk(hold={"search"}, searched=False)
    async with opened(NARROW, desk=desk) as bench:
        await bench.press("f")
        await bench.type("camera")
        await bench.press("enter", "escape")
        assert "1 data · 3 found, 290 not searched · text: camera" in bench.text()
        await bench.press("j", "k")
        assert len([name for name, _ in desk.asked if name == "search"]) == 1
        await bench.press("f", "enter")
        assert len([name for name, _ in desk.asked if name == "search"]) == 2
        await bench.press("escape", "escape")
        assert "1 data · alpaca · 300 rows" in bench.text()


async def test_the_pane_says_which_side_is_shown_and_how_many_rows_it_has() -> None:
    async with opened() as bench:
        await bench.press("h", "h")
        assert "1 data · 30 of 300 · held out" in bench.text()
        await bench.press("f", "down", "down", "right", "right", "enter")
        asked = bench.desk.asked[-1][1]
        assert (asked["where"], asked["side"]) == ({"state": "excluded"}, "eval")
        assert "1 data · 0 of 300 · left out · held out" in bench.text()
        await bench.press("escape")
        assert "1 data · alpaca · 300 rows" in bench.text()


def test_pieces_of_another_side_are_not_kept() -> None:
    store = RowStore(FakeDesk())  # type: ignore[arg-type]
    piece = store.fetch(PIECE + 3)
    store.forget("eval")
    assert not store.keep(piece)
    assert store.get(PIECE + 3) is None
    assert store.keep(store.fetch(3))
    found = store.get(3)
    assert found
    assert found["number"] == 40


def test_what_is_learned_and_what_is_cut_is_marked_without_colour() -> None:
    lines = lay_out(
        [
            ["special", "<|im_start|>"],
            ["prompt", "user\nhi\n"],
            ["answer", "yes\nno"],
            ["cut", "\nlost"],
        ],
        40,
    )
    assert [line.plain[:2] for line in lines] == ["  ", "  ", "▌ ", "▌ ", "✗ "]
    assert [line.plain[2:] for line in lines] == ["<|im_start|>user", "hi", "yes", "no", "lost"]


@given(
    st.lists(st.booleans(), min_size=1, max_size=60), st.integers(0, 59), st.sampled_from([1, -1])
)
def test_stepping_through_a_check_goes_round_all_its_rows(
    marked: list[bool], start: int, by: int
) -> None:
    rows = [{**row_view(n + 1), "checks": ["x"] if yes else []} for n, yes in enumerate(marked)]
    store = RowStore(FakeDesk(rows=rows))  # type: ignore[arg-type]
    at = start % len(marked)
    order = [(at + by * step) % len(marked) for step in range(1, len(marked) + 1)]
    expected = next((place for place in order if marked[place]), None)
    assert store.of_check("x", at + 1, by) == expected


async def test_the_filter_says_what_is_shown_and_goes_with_escape() -> None:
    desk = FakeDesk(summary=with_checks())
    async with opened(NARROW, desk) as bench:
        await bench.press("j", "j", "f")
        await bench.type("CARD")
        await bench.press("down", "right", "down", "down", "right", "down")
        await bench.type("60")
        await bench.press("enter")
        asked = desk.asked[-1][1]
        assert asked["where"] == {"text": "CARD", "check": "empty_answer", "min_tokens": 60}
        assert asked["side"] == "train"
        assert "0 of 300 · text: CARD · check: empty answers" in bench.text()
        assert "no rows to train on like this: esc shows all" in bench.text()
        await bench.press("escape")
        assert "1 data · alpaca · 300 rows" in bench.text()
        assert "▸ 1 of 300" in bench.text()


async def test_a_filter_with_letters_for_a_number_is_refused_in_place() -> None:
    async with opened() as bench:
        await bench.press("f", "up")
        await bench.type("many")
        await bench.press("enter")
        assert bench.screen_name == "FormScreen"
        assert "must be a whole number" in bench.text()


async def test_checks_stand_on_one_line_the_worst_and_commonest_first() -> None:
    async with opened(WIDE, FakeDesk(summary=with_checks())) as bench:
        await bench.press("z")
        line = next(line for line in bench.text().splitlines() if "checks ✗" in line)
        places = [
            line.index(words)
            for words in (
                "✗ bad: 2 empty answers",
                "▲ warning: 12 near copies",
                "• note: 1 very long answers",
                "p lists them",
            )
        ]
        assert places == sorted(places)
        assert "(near: at least 0.8 alike, word 3-grams of the user text)" in bench.text()


@pytest.mark.parametrize("width", range(20, 140, 7))
def test_facts_fit_the_pane_and_keep_the_number_of_each_severity(width: int) -> None:
    told = {**with_checks(), "problems": PROBLEMS, "set_aside": 3}
    for line in facts.lines(told, width).split("\n"):
        assert line.cell_length <= width
    if width > 50:
        page = facts.lines(told, width).plain
        assert all(glyph in page for glyph in "✗▲•")


async def test_the_first_rows_of_a_large_file_can_be_read_while_the_rest_is_counted() -> None:
    part = {**SUMMARY, "rows": 200, "stage": "first rows"}
    desk = FakeDesk(hold={"open_data"}, progress=(("reading", 10, 100),), part=part)
    async with opened(WIDE, desk) as bench:
        await bench.settle()
        assert "the first 200 rows can be looked at" in bench.text()
        await bench.press("down", "down")
        assert "▸ 3 of 300" in bench.text()
        assert "reading" in bench.text()
        await bench.press("e")  # nothing can be changed yet
        assert bench.screen_name == "Bench"
        desk.let_go("open_data")
        await bench.settle()
        assert "▸ 3 of 300" in bench.text()  # it stays where it was
        assert "can be looked at" not in bench.text()


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_rows_with_compared_answers_offer_to_train_on_the_chosen(
    size: tuple[int, int],
) -> None:
    refused = Problem("pairs.jsonl", "the rows hold compared answers", "set data.chosen: true")
    async with opened(size, FakeDesk(problem=refused)) as bench:
        assert "c train on the chosen answers" in bench.text()
        bench.desk.problem = None
        await bench.press("c")
        given = [given for name, given in bench.desk.asked if name == "open_data"]
        assert [each["config"]["data"]["chosen"] for each in given] == [False, True]
        assert "270 train" in bench.text()
