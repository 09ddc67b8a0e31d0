"""The loss pane in each state of a run, small and large, and what its keys do."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import events
from engine.events import Body
from engine.machine import Gpu, Machine
from engine.runs.history import History
from tests.hostile import STRINGS, drives_a_terminal
from tests.tui.fake_desk import DONE, as_events, story
from tests.tui.panes import PaneApp, shown
from tui import figures
from tui.panes.loss import LossPane

SIZES = [(80, 24), (120, 40)]
WARNED = events.Warned(code="slow", message="2 rows are longer than the rest")


@pytest.fixture(autouse=True)
def short_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a path fits on a line of the smallest screen."""
    monkeypatch.setenv("FINETUI_HOME", "/h")


def folded(bodies: list[Body]) -> History:
    history = History(run="14-amber-lute")
    for event in as_events(bodies):
        history.apply(event)
    return history


async def screen_of(
    history: History | None,
    running: bool = True,
    size: tuple[int, int] = (80, 24),
    keys: tuple[str, ...] = (),
    machine: Machine | None = None,
) -> str:
    pane = LossPane()
    app = PaneApp(pane)
    async with app.run_test(size=size) as pilot:
        pane.show(history, running, machine)
        pane.focus()
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()
        return shown(app)


@pytest.mark.parametrize("size", SIZES)
async def test_before_a_run_it_says_what_will_be_seen(size: tuple[int, int]) -> None:
    seen = await screen_of(None, size=size)
    assert "3 loss · not started" in seen
    assert "A healthy run: both lines fall, then level off." in seen
    assert "training loss" not in seen.replace("while training loss", "")


@pytest.mark.parametrize("size", SIZES)
async def test_while_preparing_it_says_what_is_done_and_how_far(size: tuple[int, int]) -> None:
    bodies = [
        events.Hello(),
        events.PhaseBegan("tokenizing"),
        events.Progress("tokenizing", 120, 300),
    ]
    seen = await screen_of(folded(bodies), size=size)
    assert "preparing" in seen
    assert "tokenizing 120 of 300" in seen
    assert figures.FULL in seen


@pytest.mark.parametrize("size", SIZES)
async def test_while_training_every_number_is_there(size: tuple[int, int]) -> None:
    seen = await screen_of(folded(story(upto=31)), size=size)
    for part in (
        "training loss", "0.707", "held-out loss", "0.858 ▼", "0.858 at 28", "learning rate",
        "1e-4", "gradient norm", "0.80", "371 tok/s", "memory", "1.6 GB", "step 31 of 51",
        "epoch 1.8 of 3", "left", "base 2.87", "51 steps",
    ):  # fmt: skip
        assert part in seen, part
    assert not drives_a_terminal(seen)


async def test_gpu_use_stands_where_there_is_one() -> None:
    gpu = Gpu(1, "H200", 140 << 30, 9 << 30, 63, 71)
    machine = Machine(cpus=2, memory_total=1, memory_used=1, gpus=(gpu,))
    bodies = story(upto=31)
    bodies[0] = events.Hello(device="cuda:1")
    assert "63%, 71 °C" in await screen_of(folded(bodies), machine=machine)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("ending", "parts"),
    [
        (
            DONE,
            ("● done", "51 steps in", "held-out loss 2.87 -> 0.71 ▼ better", "best step 48, kept"),
        ),
        (events.Stopped(step=31), ("■ stopped", "saved after step 31", "2.87 -> 0.86 ▼ better")),
        (
            events.Failed("nan", "the loss is not a number"),
            ("✗ failed", "the loss is not a number", "14-amber-lute/worker.log"),
        ),
    ],
)
async def test_how_a_run_ended(ending: Body, parts: tuple[str, ...], size: tuple[int, int]) -> None:
    upto = 51 if ending is DONE else 31
    seen = await screen_of(folded(story(upto=upto, ending=ending)), running=False, size=size)
    for part in parts:
        assert part in seen, part


async def test_a_live_run_without_its_process_is_lost() -> None:
    seen = await screen_of(folded(story(upto=31)), running=False)
    assert "✗ lost" in seen
    assert "its process is gone without a word, after step 31" in seen
    assert "finetui train --resume 14-amber-lute" in seen


async def test_the_last_warning_stands_below_the_chart() -> None:
    assert "! 2 rows are longer than the rest" in await screen_of(folded([*story(upto=3), WARNED]))


@pytest.mark.parametrize("string", STRINGS, ids=range(len(STRINGS)))
async def test_a_hostile_failure_is_inert(string: str) -> None:
    history = folded(story(upto=3, ending=events.Failed("x", string)))
    seen = await screen_of(history, running=False)
    assert "✗ failed" in seen
    assert "step 3 of 51" in seen, "the numbers keep their place"
    assert not drives_a_terminal(seen)


async def test_keys_read_a_step_smooth_and_change_the_axis() -> None:
    history = folded(story(upto=31))
    seen = await screen_of(history, keys=("right", "right", "right"))
    assert "step 2 · training 2.417 · held out 2.870 (step 0)" in seen
    seen = await screen_of(history, keys=("left",))
    assert "step 31 · training 0.707 · held out 0.858 (step 28)" in seen
    seen = await screen_of(history, keys=("left", "escape"))
    assert "training 0.707" not in seen
    assert "smoothed (light)" in await screen_of(history, keys=("m",))
    assert "smoothed" not in await screen_of(history, keys=("m", "m", "m"))
    assert await screen_of(history, keys=("y",)) != await screen_of(history)


@pytest.mark.parametrize("size", [(30, 8), (60, 16), (200, 60)])
async def test_any_size_is_survived(size: tuple[int, int]) -> None:
    assert "3 loss" in await screen_of(folded(story(upto=31)), size=size)


def test_no_gpu_no_heat_and_numbers_keep_their_columns() -> None:
    history = folded(story(upto=31))
    before = figures.rows(history, 76)
    history.apply(
        as_events([events.Step(step=32, total_steps=51, loss=123.4, epoch=2)], start=99)[0]
    )
    after = figures.rows(history, 76)
    assert [len(row) for row in before[:-1]] == [len(row) for row in after[:-1]]
    assert figures.height(76) == len(before)


@pytest.mark.parametrize(
    ("value", "said"), [(1.2e-4, "1.2e-4"), (2e-5, "2e-5"), (0.0, "0"), (1.0, "1e0")]
)
def test_rates(value: float, said: str) -> None:
    assert figures.rate(value) == said


def test_the_log_is_named_where_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tui.panes.loss import outcome

    monkeypatch.setenv("FINETUI_HOME", str(tmp_path))
    history = folded(story(upto=2, ending=events.Failed("x", "no")))
    assert str(tmp_path / "runs" / "14-amber-lute" / "worker.log") in outcome(history, "failed")
