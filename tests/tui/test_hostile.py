"""Foreign text reaches the terminal as text, wherever it is shown: no control, no markup, no crash."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.events import Paste

from engine import events
from engine.config import Config, with_value
from engine.errors import Problem
from tests.tui import hostile
from tests.tui.fake_desk import (
    CHECKS,
    PROBLEMS,
    SUMMARY,
    FakeDesk,
    FakeRuns,
    row_view,
    some_runs,
    story,
)
from tests.tui.opened import NARROW, WIDE, Bench, opened
from tui.messages import Notice, Problemed
from tui.widgets.field import Field
from tui.widgets.row_text import lay_out
from tui.widgets.token_view import TokenLines, TokenView

EVIL = hostile.TOGETHER
NEEDLE = (
    "see docs"  # of the markup string that would run an action: it must be seen, brackets and all
)


def check(bench: Bench) -> None:
    """No segment on the screen holds a control character, a link or an action that came from text."""
    for strip in bench.strips():
        for segment in strip:
            found = hostile.FORBIDDEN.search(segment.text)
            assert not found, (found, segment.text)
            style = segment.style
            assert style is None or (style.link is None and "@click" not in style.meta), segment


@pytest.mark.parametrize("kind", ["special", "prompt", "answer", "cut"])
@pytest.mark.parametrize("text", hostile.ALL, ids=lambda text: ascii(text[:20]))
def test_a_row_is_laid_out_within_its_width(text: str, kind: str) -> None:
    for line in lay_out([[kind, text]], 50)[:2_000]:
        assert not hostile.FORBIDDEN.search(line.plain)
        assert line.cell_length <= 50


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_rows_of_the_data(size: tuple[int, int]) -> None:
    texts = [*hostile.SHORT, *hostile.SIZE]
    rows = [
        {**row_view(1), "segments": [["prompt", text], ["answer", text]], "user": text}
        for text in texts
    ]
    async with opened(size, FakeDesk(rows=rows)) as bench:
        for _ in texts:
            check(bench)
            await bench.press("down")


async def test_names_and_notes_of_the_data() -> None:
    told: dict[str, Any] = {
        "path": EVIL,
        "format": EVIL,
        "container": EVIL,
        "notes": [EVIL, EVIL],
        "system": EVIL,
    }
    async with opened(WIDE, FakeDesk(summary={**SUMMARY, **told})) as bench:
        check(bench)


async def test_what_was_found_in_the_data() -> None:
    found = [
        {**PROBLEMS[0], "code": text, "first": text, "meaning": text, "remedy": text}
        for text in hostile.SHORT
    ]
    async with opened(WIDE, FakeDesk(summary={**SUMMARY, "problems": found})) as bench:
        check(bench)
        await bench.press("p")
        for _ in hostile.SHORT:
            check(bench)
            await bench.press("enter")
            check(bench)
            await bench.press("escape", "down")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_checks_and_their_remedies(size: tuple[int, int]) -> None:
    texts = ("code", "title", "severity", "meaning", "remedy", "chosen")
    checks = [{**CHECKS[0], **dict.fromkeys(texts, t), "remedies": [t]} for t in hostile.SHORT]
    told = {**SUMMARY, "checks": checks, "overlap": {**SUMMARY["overlap"], "method": EVIL}}
    rows = [{**row_view(n), "checks": [EVIL]} for n in range(1, 30)]
    async with opened(size, FakeDesk(summary=told, rows=rows)) as bench:
        check(bench)
        await bench.press("f", "down", "right")
        check(bench)
        await bench.press("enter")
        check(bench)
        await bench.press("p")
        for _ in hostile.SHORT[:12]:
            check(bench)
            await bench.press("enter")
            check(bench)
            await bench.press("escape", "down")


@pytest.mark.parametrize("theme", ["dark", "ansi"])
async def test_tokens_of_a_row(theme: str) -> None:
    rows = [{**row_view(1), "segments": [["special", t], ["cut", t]]} for t in hostile.ALL]
    async with opened(desk=FakeDesk(rows=rows), theme=theme) as bench:
        await bench.press("T")
        for text in hostile.ALL:
            bench.app.screen.query_one(TokenView).put([["special", text, 1], ["cut", text, 2]] * 3)
            await bench.settle()
            check(bench)


@pytest.mark.parametrize("text", hostile.ALL, ids=lambda text: ascii(text[:20]))
def test_tokens_are_laid_out_within_their_width(text: str) -> None:
    for borders in (True, False):
        lines = TokenLines([["answer", text, 1], ["cut", text, 2]], 50, borders).upto(2_000)
        for mark, pieces in lines:
            line = mark + "".join(piece for piece, _, _ in pieces)
            assert not hostile.FORBIDDEN.search(line)
            assert cell_len(line) <= 50


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_row_in_the_editor_is_shown_harmless_and_kept_whole(size: tuple[int, int]) -> None:
    rows = []
    for place, text in enumerate(hostile.SHORT):
        messages = [{"role": "user", "content": text}, {"role": "assistant", "content": text}]
        rows.append({**row_view(place + 1), "messages": messages})
    async with opened(size, FakeDesk(rows=rows)) as bench:
        for place, text in enumerate(hostile.SHORT):
            await bench.press("e")
            check(bench)
            await bench.press("!")
            check(bench)
            await bench.press("ctrl+s")
            first, last = bench.desk.rows[place]["messages"]
            assert first["content"] == text
            assert last["content"] == text + "!"
            await bench.press("down")


async def test_what_is_pasted_into_the_editor() -> None:
    async with opened() as bench:
        await bench.press("a")
        for text in hostile.SHORT:
            assert bench.app.focused
            bench.app.focused.post_message(Paste(text))
            await bench.settle()
            check(bench)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_columns_to_choose_from(size: tuple[int, int]) -> None:
    names = list(hostile.SHORT)
    mapping = {
        "columns": names,
        "guess": {"prompt": names[0], "answer": names[1], "system": None},
        "rows": [{name: name for name in names}],
        "path": EVIL,
    }
    summary = {"path": EVIL, "container": EVIL, "rows": 3, "mapping": mapping}
    async with opened(size, FakeDesk(summary=summary)) as bench:
        for _ in names:
            check(bench)
            await bench.press("right")


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_problem_of_opening(size: tuple[int, int]) -> None:
    async with opened(size, FakeDesk(problem=Problem(EVIL, EVIL, EVIL))) as bench:
        check(bench)
        assert "cannot be used" in bench.text()


async def test_progress_of_an_unknown_phase() -> None:
    desk = FakeDesk(hold={"open_data"}, progress=((EVIL, 1, 3),))
    async with opened(desk=desk) as bench:
        check(bench)


async def test_values_in_the_config() -> None:
    config = Config()
    storable = EVIL.replace("\ud800", "")
    for path in ("data.system", "data.path", "model.name", "data.eval_path"):
        config = with_value(config, path, storable)
    async with opened(WIDE, config=config) as bench:
        check(bench)
        await bench.press("2", "G", "enter")
        for _ in range(12):
            await bench.press("down")
            check(bench)
            await bench.press("enter")
            check(bench)
            await bench.press("escape")
        assert bench.app.state.config.data.system == storable


async def test_names_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        text
        for text in hostile.SHORT
        if "/" not in text and "\0" not in text and len(text.encode("utf-8", "surrogatepass")) < 200
    ]
    names = [name for name in names if "\ud800" not in name]
    for name in names:
        (tmp_path / f"{name}.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    async with opened() as bench:
        await bench.press("o")
        for _ in names[1:]:
            check(bench)
            await bench.press("down")
        await bench.press("tab")
        check(bench)
        await bench.press("enter")
        opened_path = Path(bench.app.state.config.data.path or "")
    assert opened_path.parent == tmp_path
    assert opened_path.exists()  # noqa: ASYNC240


async def test_names_of_runs() -> None:
    first = some_runs()[0]
    found = [
        dataclasses.replace(first, id=text[:60], title=text, path=Path(f"/runs/{n}"))
        for n, text in enumerate(hostile.SHORT)
    ]
    async with opened(WIDE, runs=FakeRuns(story(51, 3), found=found)) as bench:
        await bench.press("r")
        for _ in range(5):
            check(bench)
            await bench.press("down", "G")
        await bench.press("enter")
        check(bench)


async def test_the_name_of_the_run_that_trains() -> None:
    async with opened(
        WIDE, FakeDesk(run=Path("/runs") / EVIL.replace("/", "|")), FakeRuns(story(51, 3))
    ) as bench:
        await bench.press("t")
        check(bench)
        await bench.press("q")
        assert bench.screen_name == "Leave"
        check(bench)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_words_of_a_failed_run(size: tuple[int, int]) -> None:
    failed = story(51, 3, events.Failed(code=EVIL, message=EVIL))
    async with opened(size, runs=FakeRuns(failed)) as bench:
        await bench.press("t")
        check(bench)
        assert "failed" in bench.text()


async def test_warnings_and_phases_of_a_run() -> None:
    told = [*story(51, 3), events.Warned(code=EVIL, message=EVIL), events.PhaseBegan(EVIL)]
    async with opened(WIDE, runs=FakeRuns(told)) as bench:
        await bench.press("t")
        check(bench)


async def test_toasts() -> None:
    async with opened() as bench:
        for text in hostile.SHORT:
            bench.app.post_message(Notice(text, "warning"))
            bench.app.post_message(Problemed(Problem(text, text, text)))
            await bench.settle()
            check(bench)
            assert len(bench.toasts()) == 2
            bench.app.clear_notifications()


async def test_markup_is_shown_as_it_is_written() -> None:
    rows = [{**row_view(1), "segments": [["prompt", "[@click=app.exit]see docs[/]"]]}]
    async with opened(desk=FakeDesk(rows=rows)) as bench:
        assert "[@click=app.exit]see docs[/]" in bench.text()
        y = next(n for n, line in enumerate(bench.text().splitlines()) if NEEDLE in line)
        await bench.pilot.click(offset=(30, y))
        assert bench.app.return_value is None


async def test_what_is_pasted_into_a_field() -> None:
    async with opened() as bench:
        for text in hostile.ALL:
            await bench.press("slash")
            field = bench.app.screen.query_one("#find", Field)
            field.post_message(Paste(text))
            await bench.pilot.pause()
            check(bench)
            assert len(field.value) <= 5_000
            await bench.press("enter")
            check(bench)
