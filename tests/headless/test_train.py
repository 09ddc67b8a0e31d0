"""Watching a run from a plain terminal: what is printed, how it ends, what signals do."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import events
from engine.commands import Command
from engine.events import Body, Event
from engine.runs.history import History
from tests.hostile import STRINGS, drives_a_terminal
from tests.tui.fake_desk import DONE, as_events, story
from tui.headless import console, report, watching
from tui.headless.report import EventLines, Report
from tui.headless.signals import Signals


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "001-rows"
    folder.mkdir()
    return folder


@pytest.fixture
def trainer() -> Iterator[int]:
    """A process that lives as long as the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


def write(run: Path, bodies: list[Body], start: int = 0) -> None:
    with (run / "events.jsonl").open("a") as out:
        for event in as_events(bodies, run.name, start):
            out.write(events.encode(event) + "\n")


def watch(run: Path, pid: int, watcher: object = None, seen: int = -1) -> tuple[int, str]:
    stream = io.StringIO()
    with Signals() as signals:
        code = watching.watch(run, pid, seen, watcher or Report(run, stream), signals)  # type: ignore[arg-type]
    return code, stream.getvalue()


class Signalling:
    """Sends a signal at the first step, and again at the next when there are two."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)
        self.killed = False

    def take(self, event: Event, history: History, new: bool) -> None:
        if isinstance(event.body, events.Step) and self.numbers:
            os.kill(os.getpid(), self.numbers.pop(0))

    def tick(self, history: History) -> None: ...

    def end(self, history: History, killed: bool) -> None:
        self.killed = killed


def test_a_run_that_is_done(run: Path, trainer: int) -> None:
    write(run, story(ending=DONE))
    code, out = watch(run, trainer)
    assert code == 0
    lines = out.split("\n")
    assert "run 001-rows: 270 rows to learn from, 30 held out" in lines
    assert any(line.split()[:4] == ["0", "0.0", "-", "2.870"] for line in lines)
    assert any(line.split()[:2] == ["48", "2.8"] and "● best" in line for line in lines)
    assert "done: 51 steps in" in out
    assert "held-out loss 2.87 -> 0.71 ▼ better (best at step 48, kept)" in out
    assert "finetui compare 001-rows" in out
    assert "base 2.87" in out, "the chart"
    assert "\x1b" not in out, "no colour where there is no terminal"
    assert not drives_a_terminal(out)


@pytest.mark.parametrize(
    ("ending", "code", "words"),
    [
        (events.Stopped(step=20, path="final"), 0, "finetui train --resume 001-rows"),
        (events.Failed("nan", "the loss is not a number"), 1, "the loss is not a number"),
    ],
)
def test_other_ends(run: Path, trainer: int, ending: Body, code: int, words: str) -> None:
    write(run, story(upto=20, ending=ending))
    found, out = watch(run, trainer)
    assert found == code
    assert words in out


def test_a_trainer_that_dies_without_a_word_is_lost(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LAST_WORD_SECONDS", 0.0)
    write(run, story(upto=20))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    code, out = watch(run, dead.pid)
    dead.wait()
    assert code == 1
    assert "gone without a word after step 20" in out


def test_events_as_json_lines_and_nothing_else(
    run: Path, trainer: int, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = story(upto=3, ending=events.Stopped(step=3))
    write(run, bodies)
    code, _ = watch(run, trainer, EventLines())
    out, err = capsys.readouterr()
    found = [json.loads(line) for line in out.strip().split("\n")]
    assert [each["kind"] for each in found] == [body.kind for body in bodies]
    assert [each["seq"] for each in found] == list(range(len(bodies)))
    assert err == ""
    assert code == 0


def test_a_resumed_run_is_not_ended_by_its_earlier_last_word(run: Path, trainer: int) -> None:
    first = story(upto=20, ending=events.Stopped(step=20))
    write(run, first)
    write(run, [events.Hello(), events.Resumed(20), DONE], start=len(first))
    code, out = watch(run, trainer, seen=len(first) - 1)
    assert code == 0
    assert "goes on from step 20" in out
    assert "done:" in out
    assert out.count("held out") == 1, "the table of the earlier attempt is not told again"


@pytest.mark.parametrize(
    ("numbers", "names", "code"),
    [
        ((signal.SIGINT,), ["stop"], 130),
        ((signal.SIGTERM,), ["stop"], 143),
        ((signal.SIGINT, signal.SIGINT), ["stop", "kill"], 130),
        ((signal.SIGTERM, signal.SIGINT), ["stop", "kill"], 143),
    ],
)
def test_the_first_signal_stops_and_the_second_kills(
    run: Path, trainer: int, numbers: tuple[int, ...], names: list[str], code: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    told: list[str] = []

    def send(path: Path, command: Command) -> None:
        told.append(command.name)
        if told == names:
            write(run, [events.Stopped(step=2)], start=100)

    monkeypatch.setattr(watching.control, "send", send)
    write(run, story(upto=2))
    watcher = Signalling(*numbers)
    assert watch(run, trainer, watcher)[0] == code
    assert told == names
    assert watcher.killed is (names == ["stop", "kill"])
    assert "once more ends it at once" in capsys.readouterr().err


def test_a_hangup_leaves_the_run_alone(
    run: Path, trainer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(watching.control, "send", lambda path, command: told.append(command.name))
    write(run, story(upto=2))
    code, _ = watch(run, trainer, Signalling(signal.SIGHUP))
    assert (code, told) == (0, [])


def test_an_output_that_breaks_leaves_the_run_alone(run: Path, trainer: int) -> None:
    class Broken(Signalling):
        def take(self, event: Event, history: History, new: bool) -> None:
            raise BrokenPipeError

    kept = os.dup(1)
    write(run, story(upto=2))
    try:
        assert watch(run, trainer, Broken())[0] == 0
    finally:
        os.dup2(kept, 1)


def test_signals_are_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Signals() as signals, pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    assert signals.exit_code == 143
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("string", STRINGS, ids=range(len(STRINGS)))
def test_hostile_words_of_a_run_are_inert(run: Path, trainer: int, string: str) -> None:
    string = string.replace("\ud800", "")  # no UTF-8 file can hold it
    bodies = [events.Hello(device=string), events.Warned("x", string), events.Failed("x", string)]
    write(run, bodies)
    code, out = watch(run, trainer)
    assert code == 1
    assert not drives_a_terminal(out)
    assert all(len(line) < 700 for line in out.split("\n"))


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_live_line_fits(width: int) -> None:
    history = History()
    for event in as_events(story(upto=31)):
        history.apply(event)
    line = report.status(history, width)
    assert len(line) < width
    assert "step 31 of 51" in line
    if width >= 60:
        assert "loss 0.707" in line


def test_a_chart_in_ascii_where_the_stream_knows_no_more() -> None:
    from tui.chart import draw
    from tui.curves import Curves

    curves, history = Curves(), History()
    for event in as_events(story()):
        history.apply(event)
    curves.update(history)
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    picture = console.picture(draw(curves, 60, 12), stream)
    assert picture.isascii()
    assert "base 2.87" in picture
    assert "o" in picture
