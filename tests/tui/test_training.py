"""From `t` to the last word of a run, with all that can come between."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import events
from engine.errors import Problem
from tests.tui.fake_desk import DONE, FakeDesk, FakeRuns, as_events, story
from tests.tui.opened import NARROW, WIDE, Bench, opened


def hear(bench: Bench, *bodies: events.Body) -> None:
    """The run reports something more, and the app looks."""
    assert bench.runs.follower
    told = bench.app.state.history
    assert told
    for event in as_events(list(bodies), start=told.seq + 1):
        bench.runs.follower.queue.put(event)
    bench.app.training.tick()


async def test_a_run_from_start_to_end() -> None:
    async with opened(WIDE) as bench:
        await bench.press("t")
        names = [name for name, _ in bench.desk.asked]
        assert names.index("prepare") < names.index("release")
        assert bench.runs.started == [bench.desk.run]
        assert "preparing" in bench.text()
        hear(bench, *story(51, 31))
        await bench.settle()
        assert "step 31 of 51" in bench.text()
        hear(bench, *story(51, 51)[-26:], DONE)
        await bench.settle()
        assert "held-out loss 2.87 -> 0.71 ▼ better   4 compare" in bench.text()
        assert bench.runs.follower
        assert bench.runs.follower.stopped


async def test_one_press_too_many_starts_one_run() -> None:
    async with opened(desk=FakeDesk(hold={"prepare"})) as bench:
        await bench.pilot.press("t", "t", "t")
        await bench.pilot.pause()
        assert "starting  preparing the run" in bench.text()
        bench.desk.let_go("prepare")
        await bench.settle()
        await bench.press("t")
        assert len(bench.runs.started) == 1
        assert any("already starting" in toast for toast in bench.toasts())


async def test_a_start_can_be_dropped_while_it_is_prepared() -> None:
    async with opened(desk=FakeDesk(hold={"prepare"})) as bench:
        await bench.pilot.press("t")
        await bench.pilot.press("escape")
        await bench.settle()
        assert bench.runs.started == []
        assert "next   t train" in bench.text()


async def test_a_run_that_cannot_be_prepared_says_why() -> None:
    problem = Problem("/home", "the disk is full", "free 2 GB")
    async with opened(desk=FakeDesk(prepare_problem=problem)) as bench:
        await bench.press("t")
        assert bench.runs.started == []
        assert str(problem) in bench.toasts()
        assert "next   t train" in bench.text()


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_failed_run_says_why_and_where_its_log_is(size: tuple[int, int]) -> None:
    failed = story(51, 3, events.Failed(code="oom", message="out of memory at step 3"))
    async with opened(size, runs=FakeRuns(failed)) as bench:
        await bench.press("t")
        assert "failed  out of memory at step 3" in bench.text()
        assert "worker.log" in bench.text()


async def test_a_run_whose_process_is_gone_is_called_lost() -> None:
    async with opened(WIDE, runs=FakeRuns(story(51, 3))) as bench:
        await bench.press("t")
        bench.runs.lost = True
        bench.app.training.look()
        await bench.settle()
        assert "lost  its process is gone without a word after step 3" in bench.text()
        await bench.press("q")
        assert bench.app.return_value == 0


async def test_after_a_run_the_next_can_be_started() -> None:
    async with opened(runs=FakeRuns(story(51, 51, DONE))) as bench:
        await bench.press("t")
        await bench.press("t")
        assert len(bench.runs.started) == 2


async def test_stopping_is_said_until_it_is_done() -> None:
    async with opened(runs=FakeRuns(story(51, 31))) as bench:
        await bench.press("t", "s")
        assert "stopping  it ends this step, then saves" in bench.text()
        hear(bench, events.Stopped(step=32))
        await bench.settle()
        assert "stopped  saved after 31 steps" in bench.text()


async def test_the_app_can_be_opened_on_a_run() -> None:
    path = Path("/nowhere/runs/13-calm-otter")
    async with opened(WIDE, runs=FakeRuns(story(51, 51, DONE)), run=path) as bench:
        assert bench.app.state.run == path
        assert "done  51 steps" in bench.text()
        assert "run 13-calm-otter" in bench.text()


async def test_a_long_story_is_read_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    from tui import follow

    monkeypatch.setattr(follow, "PORTION", 0.0)
    watch = follow.Watch(FakeRuns(story(51, 3)), Path("/nowhere/14"))  # type: ignore[arg-type]
    portions = 1
    while watch.drain()[1]:
        portions += 1
    assert portions > len(story(51, 3)) - 1
    assert watch.history.step
    assert watch.history.step.step == 3


async def test_an_error_of_our_own_in_a_worker_is_a_line_and_a_log() -> None:
    runs = FakeRuns()

    def break_down(path: Path) -> None:
        raise RuntimeError("broken pipe in the works")

    runs.start = break_down  # type: ignore[method-assign]
    async with opened(runs=runs) as bench:
        await bench.press("t")
        (said,) = [toast for toast in bench.toasts() if "failed. Log:" in toast]
        log = said.partition("Log: ")[2]
        assert "Traceback" not in bench.text()
        assert "next   t train" in bench.text()
    assert "broken pipe in the works" in Path(log).read_text()  # noqa: ASYNC240
    assert Path(log).stat().st_mode & 0o077 == 0  # noqa: ASYNC240


async def test_nothing_is_painted_while_nothing_changes() -> None:
    async with opened(WIDE, runs=FakeRuns(story(51, 51, DONE))) as bench:
        await bench.press("t")
        await bench.settle()
        bench.app.show()
        await bench.settle()
        painted: list[object] = []
        bench.app._display = lambda screen, renderable: painted.append(renderable)  # type: ignore[method-assign]
        for _ in range(3):
            bench.app.training.tick()
            bench.app.show()
            await bench.pilot.pause()
        assert painted == []


@pytest.mark.parametrize("size", [(59, 24), (80, 15), (20, 5), (1, 1)])
async def test_a_terminal_too_small_says_so(size: tuple[int, int]) -> None:
    async with opened(size) as bench:
        if size[0] > 50:
            assert f"terminal too small ({size[0]}x{size[1]}, need 60x16)" in bench.text()
        await bench.pilot.resize_terminal(*NARROW)
        await bench.settle()
        assert "270 train" in bench.text()


async def test_resizing_keeps_the_pane_and_the_focus() -> None:
    async with opened(WIDE) as bench:
        await bench.press("2", "j")
        for width, height in ((80, 24), (200, 60), (60, 16), (120, 40)):
            await bench.pilot.resize_terminal(width, height)
            await bench.settle()
            assert "batch size" in bench.text()
        assert bench.app.bench.current == 2
        assert bench.app.focused is not None
        assert bench.app.focused.id == "knob-train-epochs"
