"""Pictures of every state, from the recorded words of the real desk and of a real run.

A change of look is reviewed by eye and accepted with `pytest --snapshot-update tests/tui/test_pictures.py`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from engine import config as settings
from engine import events
from engine.config import Config
from engine.errors import Problem
from tests.tui.opened import NARROW, WIDE, Bench
from tests.tui.recorded.replay import RUN, ReplayDesk, ReplayRuns, story_until
from tui.app import Workbench
from tui.panes.data import DataPane

BROKEN = Problem(
    "tickets.jsonl:118:42", "a string is not closed", "add the quote, or take the line out"
)
FAILED = events.Failed(
    code="problem",
    message="step 212: the loss is not a number; the weights were not touched by it (rows 17, 40). "
    "Fix: try a third of the learning rate, or look at these rows.",
)
STOPPED = events.Stopped(step=30, path=f"{RUN}/final")
FAULTY: dict[str, Any] = {"said": "jsonl.json"}
FOUND = [{"count": 1204, "title": "exact copies"}, {"count": 12, "title": "likely secrets"}]
PART = {"rows": 1_000_000, "stage": "rows", "checks": FOUND}
Do = Callable[[Bench], Awaitable[None]]


async def nothing(bench: Bench) -> None: ...


async def attach(bench: Bench) -> None:
    bench.app.training.attach(RUN)
    await bench.settle()


async def ask(bench: Bench) -> None:
    await attach(bench)
    await bench.press("4", "g")


async def wrong_rate(bench: Bench) -> None:
    await bench.press("2", "enter", *["backspace"] * 8)
    await bench.type("7")
    await bench.press("enter")


def pressing(*pressed: str, then: Do = nothing) -> Do:
    async def do(bench: Bench) -> None:
        await then(bench)
        await bench.press(*pressed)

    return do


async def edit_calls(bench: Bench) -> None:
    """A row that calls a tool, opened at its tools."""
    row = bench.app.bench.query_one(DataPane).row
    assert row is not None
    function = {"name": "find_order", "arguments": {"number": 118}}
    row["tools"] = json.dumps([{"type": "function", "function": {"name": "find_order"}}])
    answer = row["messages"][-1]
    calls = json.dumps([{"type": "function", "function": function}])
    row["messages"][-1:] = [
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "shipped", "name": "find_order"},
        answer,
    ]
    await bench.press("e", "shift+tab", "shift+tab")


# name: what the desk is given, what the run has told, what the person does
STATES: dict[str, tuple[dict[str, Any], list[Any], Do]] = {
    "loading": (
        {"hold": {"open_data"}, "progress": (("downloading", 34_000_000, 91_891_552),)},
        [],
        nothing,
    ),
    "ready": ({}, [], nothing),
    "data-error": ({"problem": BROKEN}, [], nothing),
    "knob-error": ({}, [], wrong_rate),
    "preparing": ({}, story_until(phase="evaluating"), attach),
    "training": ({}, story_until(step=40), attach),
    "stopped": ({}, story_until(step=30, ending=STOPPED), attach),
    "failed": ({}, story_until(step=12, ending=FAILED), attach),
    "done": ({}, story_until(), ask),
    "help": ({}, [], pressing("question_mark")),
    "faulty": (FAULTY, [], nothing),
    "partly": (
        {
            **FAULTY,
            "hold": {"open_data"},
            "progress": (("tokenizing", 20_000, 1_000_000),),
            "part": PART,
        },
        [],
        nothing,
    ),
    "checks": (FAULTY, [], pressing("p")),
    "check": (FAULTY, [], pressing("p", "down", "enter")),
    "tokens": (FAULTY, [], pressing("T")),
    "histogram": (FAULTY, [], pressing("v")),
    "filter": (FAULTY, [], pressing("f")),
    "editor": (FAULTY, [], pressing("e")),
    "problem": (FAULTY, [], pressing("p", "enter")),
    "record": (FAULTY, [], pressing("p", "down", "enter", "enter")),
    "calls": (FAULTY, [], edit_calls),
    "mapping": ({"said": "csv.json"}, [], nothing),
}
PANES = {
    "loading": "14", "ready": "1234", "data-error": "12", "knob-error": "2", "preparing": "3", "training": "34",
    "stopped": "3", "failed": "3", "done": "34", "help": "1", "faulty": "1", "partly": "1", "checks": "-", "check": "-",
    "tokens": "-", "histogram": "-", "filter": "-", "editor": "-", "mapping": "-", "problem": "-", "record": "-",
    "calls": "-",
}  # fmt: skip


def picture(snap_compare: Any, name: str, size: tuple[int, int], pane: str = "") -> bool:
    given, told, do = STATES[name]
    desk, runs = ReplayDesk(**given), ReplayRuns(told)
    config = settings.with_text(Config(), "data.system", "You sort support tickets.")
    config = settings.with_text(config, "data.path", "sample_data/tickets.jsonl")
    app = Workbench(cast(Any, desk), config, theme="dark", runs=cast(Any, runs))

    async def before(pilot: Pilot[Any]) -> None:
        bench = Bench(app, pilot, desk, runs)
        await bench.settle()
        await do(bench)
        if pane.isdigit() and name != "help":
            await bench.press(pane)
        await bench.settle()

    found = bool(snap_compare(app, terminal_size=size, run_before=before))
    desk.let_all_go()
    return found


@pytest.fixture(autouse=True)
def same_home(_home: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths on the pictures must not differ from day to day; nothing is written there."""
    monkeypatch.setenv("FINETUI_HOME", "/home/me/finetui")


# the scrollbar of the tokens knows only what is laid out so far: a matter of time, so not here
@pytest.mark.parametrize("name", [name for name in STATES if name != "tokens"])
def test_the_workbench(snap_compare: Any, name: str) -> None:
    assert picture(snap_compare, name, WIDE)


@pytest.mark.parametrize(
    ("name", "pane"), [(name, pane) for name, panes in PANES.items() for pane in panes]
)
def test_one_pane_at_a_time(snap_compare: Any, name: str, pane: str) -> None:
    assert picture(snap_compare, name, NARROW, pane)
