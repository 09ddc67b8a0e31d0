"""Tokens: all are there, within the width, their borders seen; a long row is not laid out whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.opened import NARROW, opened
from tests.tui.panes import PaneApp, shown
from tui.panes.data import DataPane
from tui.widgets.token_view import AHEAD, TokenLines, TokenView


@pytest.fixture(autouse=True)
def _many_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")


WORDS = st.text(alphabet="ab 漢é", min_size=1, max_size=60)
KINDS = st.sampled_from(["prompt", "special", "answer"])


@given(st.lists(st.tuples(KINDS, WORDS, st.integers(0, 9)), max_size=30), st.integers(6, 60))
def test_every_letter_of_every_token_stands_in_some_line(
    tokens: list[tuple[str, str, int]], width: int
) -> None:
    lines = TokenLines(tokens, width, borders=False).upto(10_000)
    letters = "".join(text for _, pieces in lines for text, _, _ in pieces)
    assert letters == "".join(text for _, text, _ in tokens)
    for mark, pieces in lines:
        assert cell_len(mark + "".join(text for text, _, _ in pieces)) <= width
        assert (mark == "▌ ") == any(kind == "answer" for _, kind, _ in pieces)


def test_grounds_change_from_token_to_token_and_borders_stand_between_them() -> None:
    tokens = [["prompt", "one", 1], ["prompt", " two", 2], ["answer", "three\n", 3]]
    line = TokenLines(tokens, 40, borders=False).upto(9)[0]
    assert [other for _, _, other in line[1]] == [False, True, False, False]
    texts = [text for text, _, _ in TokenLines(tokens, 40, borders=True).upto(9)[0][1]]
    assert "".join(texts) == "one¦ two¦three↵"


def test_what_is_cut_is_said_in_words() -> None:
    lines = TokenLines([["answer", "kept", 1], ["cut", "lost", 2]], 90, borders=False).upto(9)
    assert [mark for mark, _ in lines] == ["▌ ", "✗ ", "✗ "]
    assert lines[1][1][0][0].startswith("cut from here on")


async def test_a_row_of_a_hundred_thousand_tokens_is_laid_out_as_far_as_it_is_read() -> None:
    view = TokenView()
    app = PaneApp(view)
    async with app.run_test(size=NARROW) as pilot:
        view.display = True
        view.put([["prompt", f" token{n}", n] for n in range(100_000)])
        await pilot.pause()
        assert "token0" in shown(app)
        assert len(view._lines.done) <= NARROW[1] + AHEAD + 1
        assert view.read_on(1)
        await pilot.pause()
        assert "token0 " not in shown(app)
        assert view.read_on(-1)
        assert not view.read_on(-1)
        await pilot.pause()
        assert "token0 " in shown(app)


async def test_the_last_line_can_be_reached_and_then_comes_the_next_row() -> None:
    async with opened() as bench:
        bench.desk.rows[0]["segments"] = [["answer", " word" * 2_000]]
        await bench.press("R", "T")
        pane = bench.app.bench.query_one(DataPane)
        pages = 0
        while pane._at == 0:
            await bench.press("pagedown")
            pages += 1
        assert 5 < pages < 40
        assert "2 of 300" in bench.text()
        await bench.press("T")
        assert "▌ area: bug" in bench.text()


async def test_borders_are_seen_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as bench:
        await bench.press("T")
        assert "¦" not in bench.text()
        monkeypatch.setenv("NO_COLOR", "1")
        await bench.press("T", "T")
        assert "You¦ sort¦ support" in bench.text()
