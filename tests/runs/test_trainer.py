"""The trainer as a process: what it reports, how it stops, that a killed run goes on as if nothing had happened."""

from __future__ import annotations

import json
import math
import os
import signal
import stat
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from engine import commands, events
from engine.data.frozen import load_frozen
from engine.runs import control, directory, follow, listing
from engine.runs.history import History
from engine.train import checkpoint
from engine.train.batches import rows_of_step
from engine.train.schedule import learning_rate
from tests import golden
from tests.runs import made
from tests.tiny_model import rows_of, tiny_model

SHORT = {
    "train__max_steps": 12,
    "train__batch_size": 6,
    "train__learning_rate": 0.01,
    "eval__every": 4,
}


def the(kind: type, told: list[events.Event]) -> list:  # type: ignore[type-arg]
    return [e.body for e in told if isinstance(e.body, kind)]


def weights(run: Path) -> dict[str, torch.Tensor]:
    folder = run / "final"
    name = (
        "adapter_model.safetensors"
        if (folder / "adapter_config.json").is_file()
        else "model.safetensors"
    )
    return load_file(folder / name)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return made.write_rows(tmp_path / "rows.jsonl")


def test_a_run_from_end_to_end(tiny_model_folder: Path, rows: Path) -> None:
    """Everything the journal says, against what the frozen rows and the plain loop say."""
    run = made.make_run(tiny_model_folder, rows, **SHORT, method__name="full")
    rows.unlink()  # a run never needs its source again
    told = made.finish(run)

    assert [e.seq for e in told] == list(range(len(told)))
    assert {e.attempt for e in told} == {0}
    frozen = load_frozen(run / "data")
    train, held_out = rows_of(frozen.train), rows_of(frozen.eval)
    (data,) = the(events.DataReady, told)
    assert (data.train, data.eval, data.rows) == (len(train), len(held_out), 56)

    twin = tiny_model()
    evals = [e for e in the(events.Eval, told) if e.all_rows]
    assert evals[0].baseline
    assert evals[0].loss == pytest.approx(golden.mean_loss(twin, held_out), rel=1e-5)
    batches = [[train[r] for r in rows_of_step(s, len(train), 6, 42, True)] for s in range(12)]
    rates = [learning_rate(s, 12, 0.01, "cosine", 0.03) for s in range(12)]
    wanted = golden.train(twin, batches, rates, weight_decay=0.01, max_norm=1.0)
    steps = the(events.Step, told)
    np.testing.assert_allclose([s.loss for s in steps], wanted, rtol=1e-3)
    assert [e.step for e in evals[:4]] == [0, 4, 8, 12]
    assert evals[3].loss == pytest.approx(golden.mean_loss(twin, held_out), rel=1e-3)

    (done,) = the(events.Done, told)
    assert Path(done.path) == run / "final"
    history = History()
    for event in told:
        history.apply(event)
    assert history.status == "done"
    assert history.gaps == 0
    assert directory.read_json(run / "exit.json")["code"] == 0


def test_the_final_adapter_is_plain_pefts(tiny_model_folder: Path, rows: Path) -> None:
    """PEFT and transformers alone load it and give the loss that the run reported."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = made.make_run(tiny_model_folder, rows, **SHORT, method__rank=4)
    (done,) = the(events.Done, made.finish(run))
    base = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
    model = PeftModel.from_pretrained(base, done.path)
    held_out = rows_of(load_frozen(run / "data").eval)
    assert golden.mean_loss(model, held_out) == pytest.approx(done.best_loss, rel=1e-4)
    assert AutoTokenizer.from_pretrained(done.path).chat_template
    trained = sum(p.numel() for n, p in model.named_parameters() if "lora_" in n)
    shapes = [(32, 32), (32, 16), (32, 16), (32, 32), (32, 48), (32, 48), (48, 32)]
    assert trained == 2 * sum(4 * (i + o) for i, o in shapes)


@pytest.mark.parametrize("settings", [
    {"method__name": "full", "runtime__dtype": "bfloat16"},
    {"method__name": "lora", "method__rank": 4, "method__dropout": 0.2},
])  # fmt: skip
def test_killed_and_resumed_is_bit_equal(
    tiny_model_folder: Path, rows: Path, settings: dict
) -> None:  # type: ignore[type-arg]
    given = {**SHORT, **settings, "train__max_steps": 20}
    whole = made.make_run(tiny_model_folder, rows, **given)
    unbroken = the(events.Step, made.finish(whole))

    broken = made.make_run(tiny_model_folder, rows, **given)
    made.kill_after(broken, events.Step, 10)
    history = listing.load_history(broken)
    assert history.status == "lost"
    told = made.finish(broken)

    (resumed,) = the(events.Resumed, told)
    assert resumed.from_step in (8, 12)
    assert {e.attempt for e in told} == {0, 1}
    assert [e.seq for e in told] == list(range(len(told)))
    history = History()
    for event in told:
        history.apply(event)
    assert [p.step for p in history.train] == list(range(1, 21))
    assert [p.loss for p in history.train] == [s.loss for s in unbroken]
    one, other = weights(whole), weights(broken)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_stop_saves_and_a_second_start_goes_on(tiny_model_folder: Path, rows: Path) -> None:
    run = made.make_run(
        tiny_model_folder, rows, **{**SHORT, "train__max_steps": 4000, "eval__every": 1000}
    )
    trainer = made.start(run)
    follower = follow.Follower(run)
    follower.start()
    order = commands.command("stop")
    sent = False
    for event in follower:
        if isinstance(event.body, events.Step) and not sent:
            control.send(run, order)
            sent = True
        if isinstance(event.body, events.LAST_WORDS):
            break
    follower.stop()
    assert trainer.wait(timeout=600) == 0
    told = follow.read(run)
    (taken,) = the(events.CommandTaken, told)
    assert (taken.id, taken.name, taken.ok) == (order.id, "stop", True)
    (stopped,) = the(events.Stopped, told)
    last = checkpoint.newest(run)
    assert last is not None
    assert checkpoint.read_state(last).step == stopped.step == the(events.Step, told)[-1].step
    assert weights(run)
    assert listing.describe(run).status == "stopped"


def test_sigterm_stops_and_saves(tiny_model_folder: Path, rows: Path) -> None:
    run = made.make_run(
        tiny_model_folder, rows, **{**SHORT, "train__max_steps": 4000, "eval__every": 1000}
    )
    trainer = made.start(run)
    follower = follow.Follower(run)
    follower.start()
    next(e for e in follower if isinstance(e.body, events.Step))
    os.kill(trainer.pid, signal.SIGHUP)  # a dropped line must not matter
    os.kill(trainer.pid, signal.SIGTERM)
    assert trainer.wait(timeout=600) == 0
    follower.stop()
    assert the(events.Stopped, follow.read(run))


def test_save_and_eval_on_command_by_the_file(tiny_model_folder: Path, rows: Path) -> None:
    """The command file alone, as when the socket is gone."""
    run = made.make_run(tiny_model_folder, rows, **SHORT)
    with (run / directory.COMMANDS).open("w") as out:
        out.write("")
    trainer = made.start(run)
    while not (run / directory.EVENTS).is_file():
        assert trainer.poll() is None, (run / "worker.log").read_text()
        time.sleep(0.01)
    orders = [commands.command("save"), commands.command("eval")]
    with (run / directory.COMMANDS).open("a") as out:
        out.write("not a command\n" + "".join(commands.encode(o) + "\n" for o in orders))
    assert trainer.wait(timeout=600) == 0
    assert {c.id for c in the(events.CommandTaken, follow.read(run))} == {o.id for o in orders}


def test_a_second_trainer_is_refused_and_the_first_goes_on(
    tiny_model_folder: Path, rows: Path
) -> None:
    run = made.make_run(
        tiny_model_folder, rows, **{**SHORT, "train__max_steps": 4000, "eval__every": 1000}
    )
    first = made.start(run)
    follower = follow.Follower(run)
    follower.start()
    next(e for e in follower if isinstance(e.body, events.Step))
    second = made.start(run)
    assert second.wait(timeout=600) == 1
    assert f"process {first.pid}" in (run / "worker.log").read_text()
    assert directory.alive(run)
    control.send(run, commands.command("kill"))
    first.wait(timeout=600)
    follower.stop()
    assert listing.describe(run).status == "lost"


def test_a_model_that_answers_no_number_fails_in_one_line(
    tiny_model_folder: Path, rows: Path
) -> None:
    from safetensors.torch import save_file

    run = made.make_run(tiny_model_folder, rows, **SHORT)

    poisoned = Path(directory.read_json(run / "meta.json")["model_path"])
    copy = run / "poisoned"
    copy.mkdir()
    for file in poisoned.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    tensors = load_file(copy / "model.safetensors")
    tensors["model.norm.weight"][0] = math.inf
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    meta = json.loads((run / "meta.json").read_text())
    directory.write_json(run / "meta.json", {**meta, "model_path": str(copy)})
    trainer = made.start(run)
    assert trainer.wait(timeout=600) == 1
    (failed,) = the(events.Failed, follow.read(run))
    assert "not a number" in failed.message
    assert "Fix:" in failed.message
    assert listing.describe(run).status == "failed"


def test_what_a_run_keeps_is_private(tiny_model_folder: Path, rows: Path) -> None:
    run = made.make_run(tiny_model_folder, rows, **SHORT)
    made.finish(run)
    for path in [run, *run.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, f"{path} is {mode:o}"
        assert path.suffix not in (".pt", ".bin", ".pkl")
    assert not list(run.rglob(".tmp-*"))


def test_a_partial_or_damaged_checkpoint_is_never_chosen(
    tiny_model_folder: Path, rows: Path
) -> None:
    run = made.make_run(tiny_model_folder, rows, **SHORT, save__keep=3)
    made.finish(run)
    *_, earlier, last = checkpoint.checkpoints(run)
    (run / "checkpoints" / "step-999999").mkdir()
    assert checkpoint.newest(run) == last
    file = last / "trainer.safetensors"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    os.utime(earlier, (0, 0))
    assert checkpoint.newest(run) == earlier


def test_nothing_held_out_is_saved_all_the_same(tiny_model_folder: Path, rows: Path) -> None:
    run = made.make_run(tiny_model_folder, rows, **SHORT, data__eval_fraction=0)
    made.kill_after(run, events.Checkpoint, 8)
    last = checkpoint.newest(run)
    assert last is not None
    assert checkpoint.read_state(last).step >= 8


def test_a_resumed_run_leaves_no_earlier_result_standing(
    tiny_model_folder: Path, rows: Path
) -> None:
    """Done, then its last words lost: the resume measures the best again and makes `final/` anew."""
    from engine.desk.answering import tuned_weights

    run = made.make_run(tiny_model_folder, rows, **SHORT)
    told = made.finish(run)
    (done,) = the(events.Done, told)
    assert tuned_weights(run) == (run / "final", done.best_step)
    journal = run / directory.EVENTS
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    assert listing.describe(run).status == "lost"
    assert tuned_weights(run) == (
        run / "checkpoints" / f"step-{done.best_step:06d}",
        done.best_step,
    )
    (again,) = the(events.Done, made.finish(run))
    assert (again.best_step, again.best_loss) == (done.best_step, pytest.approx(done.best_loss))


def test_stopping_before_the_first_step_is_told(tiny_model_folder: Path, rows: Path) -> None:
    run = made.make_run(tiny_model_folder, rows, **SHORT)
    trainer = made.start(run)
    while not (run / directory.LOCK).is_file() or not directory.alive(run):
        assert trainer.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(trainer.pid, signal.SIGTERM)
    assert trainer.wait(timeout=600) == 0
    assert the(events.Stopped, follow.read(run))
    assert listing.describe(run).status == "stopped"


def test_a_trainer_that_died_before_its_first_word_is_lost(
    tiny_model_folder: Path, rows: Path
) -> None:
    run = made.make_run(tiny_model_folder, rows, **SHORT)
    assert listing.describe(run).status == "queued"
    (run / directory.LOCK).write_text(
        json.dumps({"pid": 1, "start_time": "0", "boot_id": "x", "host": "", "socket": ""})
    )
    history = History()
    assert directory.owner(run) is not None
    held = directory.read_json(run / directory.LOCK)
    import socket

    directory.write_json(run / directory.LOCK, {**held, "host": socket.gethostname()})
    assert listing.status_now(run, history) == "lost"
