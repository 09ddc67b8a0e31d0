"""The two lines on top: what this is, and what to do next."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from engine import events
from engine.config import Config, with_value
from engine.errors import Problem
from engine.machine import Gpu, Machine
from engine.runs.history import History
from tests.tui.fake_desk import DONE, SUMMARY, as_events, story
from tui.state import (
    Progress,
    State,
    duration,
    machine_words,
    next_step,
    refusal,
    what,
)

RUN = Path("/runs/14-amber-lute")


def ready(**changes: Any) -> State:
    return dataclasses.replace(State(Config(), summary=dict(SUMMARY)), **changes)


def history(*bodies: events.Body) -> History:
    told = History()
    for event in as_events(list(bodies)):
        told.apply(event)
    return told


def after(upto: int, ending: events.Body | None = None) -> State:
    return ready(run=RUN, history=history(*story(51, upto, ending)))


@pytest.mark.parametrize(
    ("state", "head", "says", "first_key"),
    [
        (State(Config()), "next", "", "o"),
        (ready(), "next", "", "t"),
        (
            State(Config(), opening=Progress("tokenizing", 120, 300)),
            "opening",
            "tokenizing 120 of 300",
            "esc",
        ),
        (State(Config(), problem=Problem("a.csv:3", "x", "y")), "data", "a.csv:3: x. Fix: y.", "o"),
        (ready(wrong={"train.epochs": "give 1"}), "knobs", "epochs: give 1", "t"),
        (ready(starting="preparing the run"), "starting", "preparing the run", "esc"),
        (ready(run=RUN, history=History()), "preparing", "loading the model", "s"),
        (after(31), "training", "step 31 of 51 · epoch 1.8 of 3", "s"),
        (dataclasses.replace(after(31), stopping=True), "stopping", "then saves", ""),
        (after(51, DONE), "done", "51 steps in 2m", "4"),
        (after(51, DONE), "done", "held-out loss 2.87 -> 0.71 ▼ better", "4"),
        (after(31, events.Stopped(step=31)), "stopped", "saved after 31 steps", "4"),
        (after(3, events.Failed(message="out of memory")), "failed", "out of memory", "3"),
        (
            dataclasses.replace(after(31), lost=True),
            "lost",
            "gone without a word after step 31",
            "3",
        ),
    ],
)
def test_the_next_sensible_step(state: State, head: str, says: str, first_key: str) -> None:
    found = next_step(state)
    assert found.head == head
    assert says in found.said
    assert (found.keys[0][0] if found.keys else "") == first_key


def test_a_loss_that_did_not_fall_is_called_so() -> None:
    worse = history(*story(51, 4), events.Done(step=4, best_step=0, best_loss=2.9))
    assert "2.87 -> 2.90 ▲ not better" in next_step(ready(run=RUN, history=worse)).said


@pytest.mark.parametrize(
    ("state", "reason", "path"),
    [
        (ready(), "", ""),
        (ready(wrong={"train.epochs": "give 1"}), "epochs: give 1", "train.epochs"),
        (ready(opening=Progress("reading"), summary=None), "still being opened", ""),
        (ready(problem=Problem("a", "b", "c"), summary=None), "cannot be used", ""),
        (ready(summary={**SUMMARY, "train": 0}), "no row to learn from", ""),
        (ready(starting="preparing"), "already starting", ""),
        (after(31), "a training is going on", ""),
        (after(51, DONE), "", ""),
    ],
)
def test_why_training_cannot_start(state: State, reason: str, path: str) -> None:
    said, knob = refusal(state)
    assert reason in said if reason else not said
    assert knob == path


def test_steps_that_are_set_win_over_epochs() -> None:
    assert ready(config=with_value(Config(), "train.max_steps", 7)).updates == 7


def test_what_this_is() -> None:
    state = ready(run=RUN, history=History(), config=with_value(Config(), "method.rank", 8))
    assert "".join(text for _, text in what(state)) == (
        "finetui  tickets.jsonl · smollm2-135m · LoRA r8 · run 14-amber-lute"
    )
    state.run_config = with_value(
        with_value(Config(), "method.name", "full"), "data.path", "/a/b.csv"
    )
    assert "b.csv · smollm2-135m · full" in "".join(text for _, text in what(state))


def test_the_machine_in_words() -> None:
    bare = Machine(cpus=2, memory_total=25_100_000_000, memory_used=3_300_000_000, gpus=())
    assert machine_words(ready(machine=bare)) == (
        "2 cores · 3.1 of 23.4 GB · no GPU",
        "3.1 of 23.4 GB",
    )
    gpu = Gpu(0, "NVIDIA H200", 150_000_000_000, 3_300_000_000, 0, 30)
    full, short = machine_words(ready(machine=dataclasses.replace(bare, gpus=(gpu, gpu))))
    assert full.endswith("H200 3.1 of 140 GB +1")
    assert short == "H200 3.1 of 140 GB +1"


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (
            Progress("downloading", 34_000_000, 92_000_000),
            "downloading the starter model 34 of 92 MB",
        ),
        (Progress("tokenizing", 120, 300), "tokenizing 120 of 300"),
        (Progress("reading", 1_200_000, 0), "reading rows 1,200,000"),
        (Progress("converting", 0, 0), "converting the starter model (once)"),
        (Progress("something new", 1, 2), "something new 1 of 2"),
    ],
)
def test_progress_in_words(progress: Progress, words: str) -> None:
    assert progress.words == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.4, "59s"), (112, "1m52s"), (3600, "1h00m"), (93_784, "26h03m")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_long_work_says_how_long_still() -> None:
    assert Progress("tokenizing", 20, 100, 1.0).words == "tokenizing 20 of 100"
    assert Progress("tokenizing", 20, 100, 10.0).words == "tokenizing 20 of 100 · 2.0/s · 40s left"
    assert (
        Progress("searching", 120_000, 1_000_000, 3.0).words
        == "searching 120,000 of 1,000,000 · 40,000/s · 22s left"
    )
    assert Progress("tokenizing", 100, 100, 10.0).words == "tokenizing 100 of 100"
    assert Progress("reading", 50_000, 200_000, 30.0).words == "reading rows 25% · 1m30s left"
    assert Progress("reading", 0, 200_000, 30.0).words == "reading rows 0%"
