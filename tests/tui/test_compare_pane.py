"""The compare pane: stepping, asking, streaming, cancelling, typed prompts; foreign text stays inert."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.config import Config
from engine.errors import Problem
from engine.runs.history import History
from tests.hostile import STRINGS, drives_a_terminal
from tests.tui.fake_desk import FakeDesk
from tests.tui.panes import PaneApp, shown
from tui.messages import Notice
from tui.panes.compare import ComparePane

RUN = Path("/nowhere/runs/14-amber-lute")
DONE = History(run=RUN.name, status="done")
SIZES = [(80, 24), (120, 40), (48, 30)]


class Scripted(FakeDesk):
    """A desk whose answers are streamed by the test, piece by piece."""

    pieces: tuple[str, ...] = ()

    def _answer(
        self, name: str, given: dict[str, Any], on_item: Callable[[dict[str, Any]], None] | None
    ) -> dict[str, Any]:
        if name != "answers":
            return super()._answer(name, given, on_item)
        text = "".join(self.pieces)
        one = {"text": text, "tokens": 3, "seconds": 0.5, "stopped": False}
        return {"answers": [dict.fromkeys(given["sides"], one) for _ in given["prompts"]]}

    def call(self, name: str, **arguments: Any) -> Any:
        stream = arguments.get("on_item")
        if name == "answers" and stream:
            for piece in self.pieces:
                stream({"prompt": 0, "side": "base", "text": piece, "done": False})
        return super().call(name, **arguments)


@asynccontextmanager
async def opened(
    desk: FakeDesk,
    history: History | None = DONE,
    size: tuple[int, int] = (80, 24),
    config: Config | None = None,
) -> AsyncIterator[tuple[ComparePane, Pilot[None]]]:
    pane = ComparePane()
    app = PaneApp(pane)
    async with app.run_test(size=size) as pilot:
        pane.set_source(desk, config or Config(), RUN if history else None, history)
        pane.focus()
        await settled(pilot)
        yield pane, pilot
        desk.close()


async def settled(pilot: Pilot[None]) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> str:
    for key in keys:
        await pilot.press(key)
    await settled(pilot)
    return shown(pilot.app)


def asked(desk: FakeDesk) -> list[dict[str, Any]]:
    return [given for name, given in desk.asked if name == "answers"]


@pytest.mark.parametrize("size", SIZES)
async def test_a_held_out_row_and_both_answers(size: tuple[int, int]) -> None:
    desk = FakeDesk()
    async with opened(desk, size=size) as (_, pilot):
        seen = shown(pilot.app)
        assert "4 compare · base and run 14-amber-lute" in seen
        assert "held out 1 / 30" in seen
        assert "wanted  area:" in seen
        assert "g asks" in seen
        seen = await press(pilot, "g")
        assert "18 tokens 1.2 s" in seen
        assert "I'm sorry to hear" in seen
        assert "urgency: high" in seen
        lines = seen.split("\n")
        beside = any("base" in line and "tuned" in line for line in lines)
        assert beside is (size[0] > 50)
    assert asked(desk)[0]["sides"] == ["base", "tuned"]
    assert asked(desk)[0]["run"] == str(RUN)


async def test_stepping_stays_within_the_rows() -> None:
    desk = FakeDesk()
    async with opened(desk) as (_, pilot):
        assert "held out 1 / 30" in await press(pilot, "up", "left", "b")
        assert "held out 5 / 30" in await press(pilot, "down", "j", "right", "n")
        assert "held out 4 / 30" in await press(pilot, "k")
        assert "held out 30 / 30" in await press(pilot, *["down"] * 40)


async def test_answers_once_given_are_kept() -> None:
    desk = FakeDesk()
    async with opened(desk) as (pane, pilot):
        await press(pilot, "g", "down")
        assert "urgency: high" in await press(pilot, "up")
        await press(pilot, "g")
        assert len(asked(desk)) == 1
        pane.set_source(desk, Config(), RUN.with_name("15-other"), DONE)
        await settled(pilot)
        await press(pilot, "g")
    assert asked(desk)[1]["sides"] == ["tuned"], "the base model's answer outlives a run"


async def test_before_training_only_the_base_model_is_asked() -> None:
    desk = FakeDesk()
    async with opened(desk, history=None) as (_, pilot):
        assert "before training" in shown(pilot.app)
        seen = await press(pilot, "g")
        assert "I'm sorry to hear" in seen
        assert "train first (t)" in seen
    assert asked(desk)[0]["sides"] == ["base"]
    assert asked(desk)[0]["run"] is None


async def test_while_training_the_tuned_side_says_so() -> None:
    desk = FakeDesk()
    async with opened(desk, history=History(run=RUN.name, status="training")) as (_, pilot):
        seen = shown(pilot.app)
        assert "while training" in seen
        assert "training: its answers" in seen


async def test_eight_rows_are_asked_in_one_call_and_known_ones_left_out() -> None:
    desk = FakeDesk()
    async with opened(desk) as (pane, pilot):
        await press(pilot, "g", "G")
        assert [len(given["prompts"]) for given in asked(desk)] == [1, 8]
        wanted = [[t for _, t in p.messages][-1] for p in pane.prompts[1:9]]
        assert [p["messages"][-1]["content"] for p in asked(desk)[1]["prompts"]] == wanted
        assert "urgency: high" in await press(pilot, *["down"] * 8)
        assert "g asks" in await press(pilot, "down")


async def test_a_typed_prompt_takes_the_commonest_system_prompt() -> None:
    desk = FakeDesk()
    async with opened(desk) as (_, pilot):
        seen = await press(pilot, "p")
        assert "You sort support tickets." in seen
        seen = await press(pilot, *"hi 1", "enter")
        assert "yours 1 / 1" in seen
        assert "urgency: high" in seen
        assert "held out 30 / 30" in await press(pilot, "up")
    assert asked(desk)[0]["prompts"][0]["messages"] == [
        {"role": "system", "content": "You sort support tickets."},
        {"role": "user", "content": "hi 1"},
    ]


async def test_the_system_prompt_can_be_changed_and_taken_away() -> None:
    desk = FakeDesk()
    async with opened(desk) as (_, pilot):
        await press(pilot, "p", "up", "!", "down", "a", "enter")
        await press(pilot, "p", "up", "ctrl+u", "enter", *"b", "enter")
    first, second = (given["prompts"][0]["messages"] for given in asked(desk))
    assert first[0]["content"] == "You sort support tickets.!"
    assert [turn["role"] for turn in second] == ["user"]


async def test_escape_closes_the_form_and_drops_an_answer() -> None:
    desk = FakeDesk(hold={"answers"})
    async with opened(desk) as (pane, pilot):
        await press(pilot, "p", "x", "escape")
        assert pane.has_focus
        assert asked(desk) == []
        await pilot.press("g")
        await pilot.pause()
        assert "answering one prompt · esc cancels" in shown(pilot.app)
        await pilot.press("down", "g")
        await pilot.pause()
        assert len(asked(desk)) == 1, "one asking at a time"
        assert "answering" not in await press(pilot, "escape")
        assert pane.kept == {}


async def test_what_has_come_is_shown_before_the_end() -> None:
    desk = Scripted(hold={"answers"})
    desk.pieces = ("My", " first", " words")
    async with opened(desk) as (pane, pilot):
        await pilot.press("g")
        await pilot.pause()
        pane._drain()
        await pilot.pause()
        assert "My first words" in shown(pilot.app)
        desk.let_go("answers")
        await settled(pilot)
        assert "3 tokens 0.5 s cut" in shown(pilot.app)


async def test_a_problem_is_said_in_one_line() -> None:
    class Broken(FakeDesk):
        def _answer(self, name: str, given: Any, on_item: Any) -> dict[str, Any]:
            if name == "answers":
                raise Problem("desk", "out of memory", "take a smaller model")
            return super()._answer(name, given, on_item)

    async with opened(Broken()) as (_, pilot):
        assert "desk: out of memory. Fix: take a smaller model." in await press(pilot, "g")


@pytest.mark.parametrize("string", STRINGS, ids=range(len(STRINGS)))
async def test_hostile_prompts_references_and_answers_are_inert(string: str) -> None:
    desk = Scripted(hold={"answers"})
    for row in desk.rows:
        row["user"] = row["answer"] = row["system"] = string
    desk.pieces = tuple(string[:2000])
    async with opened(desk) as (pane, pilot):
        assert not drives_a_terminal(shown(pilot.app))
        await pilot.press("g")
        await pilot.pause()
        pane._drain()
        await pilot.pause()
        assert not drives_a_terminal(shown(pilot.app))
        desk.let_go("answers")
        await settled(pilot)
        seen = await press(pilot, "p", "a", "enter")
        assert not drives_a_terminal(seen)
        assert "4 compare" in seen
    typed = asked(desk)[1]["prompts"][0]["messages"]
    assert typed[0]["content"] == string or not string.strip(), "the model gets what the rows hold"


async def test_nothing_to_ask_is_told() -> None:
    said: list[str] = []
    pane = ComparePane()
    app = PaneApp(pane)
    async with app.run_test(
        message_hook=lambda m: said.append(m.text) if isinstance(m, Notice) else None
    ) as pilot:
        pane.focus()
        assert "p asks a prompt of yours" in await press(pilot, "g", "G", "up", "pagedown")
    assert "nothing to ask" in said
