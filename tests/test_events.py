from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from engine import events
from engine.events import Event
from engine.runs import directory, follow, journal
from engine.runs.history import History

SAID = [
    events.Hello(pid=7, device="cpu", dtype="float32", versions={"torch": "2"}),
    events.PhaseBegan("loading"),
    events.DataReady(10, 8, 2, 0, 1, 55),
    events.Plan(token_budget=512, choices={"total_steps": 4}),
    events.Eval(step=0, loss=3.0, perplexity=20.0, examples=2, baseline=True),
    events.PhaseBegan("training"),
    events.Step(step=1, total_steps=4, loss=2.5, seconds=1.0),
    events.Step(step=2, total_steps=4, loss=2.0, seconds=1.0),
    events.Eval(step=2, loss=2.1, examples=2),
    events.Checkpoint(step=2, path="/x", bytes=10, best=True),
    events.Step(step=3, total_steps=4, loss=1.5, seconds=1.0),
]


def write(run: Path, bodies: list[events.Body]) -> None:
    run.mkdir(exist_ok=True)
    writer = journal.Journal(run)
    for body in bodies:
        writer.write(body)
    writer.close()


@pytest.mark.parametrize("kind", sorted(events.BODIES))
def test_every_kind_survives_its_line(kind: str) -> None:
    sample = {
        "int": 3,
        "float": 0.1 + 0.2,
        "str": "a\n\x1b[2Jü\ud7ff",
        "bool": True,
        "list[int]": [1, 2],
    }
    fields = {
        f.name: sample.get(str(f.type), {"a": 1}) for f in dataclasses.fields(events.BODIES[kind])
    }
    event = Event("run", 3, 1, 12.5, events.BODIES[kind](**fields))
    line = events.encode(event)
    assert "\n" not in line
    assert events.decode(line) == event


def test_nan_is_null_on_the_line_and_nan_again_when_read() -> None:
    line = events.encode(Event("r", 0, 0, 1.0, events.Eval(step=1, loss=math.nan)))
    assert json.loads(line)["loss"] is None
    back = events.decode(line)
    assert back is not None
    assert isinstance(back.body, events.Eval)
    assert math.isnan(back.body.loss)


def test_a_newer_versions_events_and_fields_are_passed_over() -> None:
    head = '"run":"r","seq":0,"attempt":0,"time":1'
    unknown = events.decode(f'{{{head},"kind":"telepathy","x":1}}')
    assert unknown is not None
    assert isinstance(unknown.body, events.Unknown)
    known = events.decode(f'{{{head},"kind":"step","step":4,"aura":"blue"}}')
    assert known is not None
    assert known.body == events.Step(step=4)


@pytest.mark.parametrize("line", ["", "{", "[]", "42", "null", '{"kind":"step"}', "\x00", "[" * 100_000,
                                  '{"run":"r","seq":0,"attempt":0,"time":1,"kind":"step","step":"four"}'])  # fmt: skip
def test_a_damaged_line_is_none(line: str) -> None:
    assert events.decode(line) is None


def test_a_journal_cut_at_any_byte_reads_as_a_prefix(tmp_path: Path) -> None:
    write(tmp_path / "whole", SAID)
    whole = follow.read(tmp_path / "whole")
    data = (tmp_path / "whole" / directory.EVENTS).read_bytes()
    cut = tmp_path / "cut"
    cut.mkdir()
    for size in range(0, len(data), 3):
        (cut / directory.EVENTS).write_bytes(data[:size])
        assert follow.read(cut) == whole[: data[:size].count(b"\n")]


def test_after_a_torn_tail_writing_goes_on_without_a_gap(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(run, SAID)
    file = run / directory.EVENTS
    file.write_bytes(file.read_bytes()[:-20])
    write(run, [events.Hello(), events.Resumed(from_step=2)])
    told = follow.read(run)
    assert [e.seq for e in told] == list(range(len(SAID) - 1 + 2))
    assert [e.attempt for e in told][-3:] == [0, 1, 1]


def test_a_bad_line_in_the_middle_costs_that_line_only(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(run, SAID)
    lines = (run / directory.EVENTS).read_bytes().splitlines(keepends=True)
    lines[4] = b"\xff\xfe garbage\n"
    (run / directory.EVENTS).write_bytes(b"".join(lines))
    history = History()
    for event in follow.read(run):
        history.apply(event)
    assert history.gaps == 1
    assert [p.step for p in history.train] == [1, 2, 3]


def test_history_folds_what_was_said(tmp_path: Path) -> None:
    write(tmp_path / "run", SAID)
    history = History()
    told = follow.read(tmp_path / "run")
    assert all(history.apply(event) for event in told)
    assert not any(history.apply(event) for event in told)
    assert (history.baseline, history.best_step, history.best_loss) == (3.0, 2, 2.1)
    assert history.status == "training"
    assert history.total_steps == 4
    write(tmp_path / "run", [events.Hello(), events.Resumed(from_step=2)])
    for event in follow.read(tmp_path / "run"):
        history.apply(event)
    assert [p.step for p in history.train] == [1, 2]
    assert [p.step for p in history.superseded] == [3]


def test_followers_see_every_event_once_whatever_the_socket_does(tmp_path: Path) -> None:
    """Two followers; the second comes late. A client that never reads must not slow the writer."""
    import os
    import socket

    from engine.runs.channel import Channel, socket_path

    run = tmp_path / "run"
    run.mkdir()
    path = socket_path(run)
    lock = directory.claim(run, str(path))
    channel, writer = Channel(path), journal.Journal(run)
    early = follow.Follower(run)
    early.start()
    with socket.socket(socket.AF_UNIX) as stalled:
        stalled.connect(str(path))
        for step in range(3000):
            channel.publish(writer.write(events.Step(step=step)))
        late = follow.Follower(run)
        late.start()
        channel.publish(writer.write(events.Done(step=3000)))
        for follower in (early, late):
            seen = []
            for event in follower:
                seen.append(event.seq)
                if isinstance(event.body, events.Done):
                    break
            follower.stop()
            assert seen == list(range(3001))
    channel.close()
    lock.close()
    assert not path.exists()
    assert os.stat(run / directory.EVENTS).st_mode & 0o077 == 0
