"""The probe measures and leaves no trace but the plan; running out of memory is survived in all work."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import events
from engine.errors import Problem
from engine.model.attend import by_document
from engine.train import afford, checkpoint, loop, machine, probe
from engine.train.afford import Line
from engine.train.plan import LEAST_BUDGET, Plan
from engine.train.probe import Part
from tests.tiny_model import random_side, tiny_model
from tests.train.bench import make_job

GB = 1 << 30


def job_in(folder: Path, settings: dict[str, Any] | None = None, **given: Any) -> loop.Job:
    folder.mkdir(exist_ok=True)
    given = {"train.batch_size": 4, "train.max_steps": 6, "eval.every": 3, "method.rank": 4,
             "method.dropout": 0.2, **(settings or {}), **given}  # fmt: skip
    return make_job(
        tiny_model(), random_side(12), random_side(9, seed=4), folder, given, budget=512
    )


def measured(job: loop.Job) -> None:
    with by_document(job.model):
        probe.probe(job)


def state_of(job: loop.Job) -> dict[str, torch.Tensor]:
    weights = {f"weights.{n}": p.detach().clone() for n, p in job.model.named_parameters()}
    return {**weights, **{n: t.clone() for n, t in job.optimizer.state().items()}}


@pytest.mark.parametrize("name", ["lora", "full"])
def test_the_probe_leaves_weights_averages_and_random_numbers_as_they_were(
    tmp_path: Path, name: str
) -> None:
    job = job_in(tmp_path, {"method.name": name})
    job.optimizer.fill()
    before, random = state_of(job), torch.get_rng_state()
    measured(job)
    assert job.plan.measured["micro_batches"]
    assert torch.equal(torch.get_rng_state(), random)
    after = state_of(job)
    assert after.keys() == before.keys()
    for key, tensor in before.items():
        assert torch.equal(after[key], tensor), key
    assert all(p.grad is None for p in job.model.parameters())
    assert all(m.grad is None for m in job.optimizer.masters.values())
    assert job.model.training
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_run_is_the_same_to_the_bit_with_and_without_it(tmp_path: Path) -> None:
    with_it, without = job_in(tmp_path / "with"), job_in(tmp_path / "without")
    without.plan = replace(without.plan, measured={"skipped": "as the test wants"})
    for job in (with_it, without):
        assert loop.train(job)
    assert "micro_batches" in with_it.plan.measured
    one, other = state_of(with_it), state_of(without)
    for key, tensor in one.items():
        assert torch.equal(other[key], tensor), key
    losses = [[s.loss for s in job.report.of(events.Step)] for job in (with_it, without)]  # type: ignore[attr-defined]
    assert losses[0] == losses[1]


def test_adams_averages_made_beforehand_change_no_step(tmp_path: Path) -> None:
    early, late = job_in(tmp_path / "early"), job_in(tmp_path / "late")
    early.optimizer.fill()
    for job in (early, late):
        with by_document(job.model):
            for step in range(3):
                loop.update(job, step)
    one, other = state_of(early), state_of(late)
    assert one.keys() == other.keys()
    for key, tensor in one.items():
        assert torch.equal(other[key], tensor), key


def test_a_resume_takes_the_plan_and_measures_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = job_in(tmp_path)
    measured(first)
    kept = Plan.from_json(json.loads((tmp_path / "plan.json").read_text()))
    assert kept == first.plan
    again = job_in(tmp_path)
    again.plan = kept

    def no_more(*_: Any) -> Any:
        raise AssertionError("measured twice")

    monkeypatch.setattr(probe, "measure", no_more)
    measured(again)
    assert again.plan == kept
    assert not again.report.of(events.Plan)  # type: ignore[attr-defined]


def test_the_event_carries_estimate_and_measured_by_part(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job.plan = replace(job.plan, estimate={"tokens": 1000.0, "seconds": 2.0})
    measured(job)
    (said,) = job.report.of(events.Plan)  # type: ignore[attr-defined]
    found = said.measured
    assert said.estimate == job.plan.estimate
    assert said.peak_bytes == found["peak_bytes"] >= found["parts"]["held"] > 0
    assert said.seconds == found["seconds"] > 0
    assert said.choices["token_budget"] == said.token_budget == job.plan.token_budget
    assert found["save"] == "written"
    assert "estimate" not in said.choices


def test_a_short_run_that_surely_fits_is_not_measured_and_says_so(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    job.plan = replace(job.plan, estimate={"peak_bytes": 1 << 20})
    measured(job)
    (said,) = job.report.of(events.Plan)  # type: ignore[attr-defined]
    assert said.choices["probe"].startswith("skipped: it would be ")
    assert said.peak_bytes == 1 << 20
    long = job_in(tmp_path, {"train.max_steps": 10_000})
    long.plan = replace(long.plan, estimate={"peak_bytes": 1 << 20})
    measured(long)
    assert "micro_batches" in long.plan.measured


def test_both_parts_are_real_rows_in_the_order_of_training(tmp_path: Path) -> None:
    job = job_in(tmp_path, {"train.shuffle": True})
    rows = probe.first_rows(job, 60)
    order = [r for s in range(3) for r in loop.rows_of_step(s, 12, 4, 42, True)]
    assert rows.tolist() == order[: len(rows)]
    lengths = [afford.length(job.data.train, r) for r in order]
    assert sum(lengths[: len(rows)]) <= 60 < sum(lengths[: len(rows) + 1])
    assert len(probe.first_rows(job, 1)) == 1
    assert len(probe.first_rows(job, 10**9)) == 12


# ---------------------------------------------------------------- deciding


def with_room(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr(machine, "room", lambda device: (int(free), 64 * GB))


def test_the_budget_is_what_fits_by_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_in(tmp_path)
    line = Line(1 * GB, GB / 1000)
    with_room(monkeypatch, 2 * GB)
    assert afford.budget_by(job, line) == 768  # 1.8 GB hold 800 tokens
    with_room(monkeypatch, 40 * GB)
    assert afford.budget_by(job, line) == afford.CPU_BUDGET
    with_room(monkeypatch, 1.2 * GB)
    assert afford.budget_by(job, line) == LEAST_BUDGET
    with_room(monkeypatch, 1.01 * GB)
    with pytest.raises(
        Problem, match=r"memory: the smallest part of an update \(\d+ tokens\) needs"
    ):
        afford.budget_by(job, line)


def test_a_budget_asked_for_is_kept_where_it_fits_and_else_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_in(tmp_path, {"runtime.token_budget": 100})
    with_room(monkeypatch, 40 * GB)
    assert afford.budget_by(job, Line(GB, GB / 1000)) == 100
    assert not job.report.of(events.Warned)  # type: ignore[attr-defined]
    big = job_in(tmp_path, {"runtime.token_budget": 8192})
    with_room(monkeypatch, 2 * GB)
    assert afford.budget_by(big, Line(GB, GB / 1000)) == 768
    (said,) = big.report.of(events.Warned)  # type: ignore[attr-defined]
    assert "runtime.token_budget 8,192 does not fit" in said.message


def test_a_disk_that_cannot_hold_the_checkpoints_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_in(tmp_path)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(9, 9, 1000))
    with pytest.raises(Problem, match=r"3 checkpoints of .* Fix: free disk space, lower save.keep"):
        measured(job)
    assert not job.report.of(events.Step)  # type: ignore[attr-defined]


def test_lines_go_through_their_points(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    line = probe.memory_line(job, Part(100, 1000, 1.0), Part(200, 1500, 1.5))
    assert (line.at(0), line.at(400)) == (500, 2500)
    job.plan = replace(job.plan, estimate={"a_token": 6.0})
    line = probe.memory_line(job, Part(100, 1500, 1.0), Part(200, 1500, 1.5))
    assert line.at(400) == 1500 + 200 * 6, "a flat line means memory that was free already"
    assert probe.time_line(Part(100, 0, 1.2), Part(200, 0, 2.2)).at(400) == pytest.approx(4.2)
    slow_start = probe.time_line(Part(100, 0, 9.0), Part(200, 0, 2.0))
    assert slow_start.at(400) == pytest.approx(4.0)


# ---------------------------------------------------------------- out of memory


def failing(real: Any, times: int, error: Exception) -> Any:
    """Like `real`, but the first `times` calls end in `error`."""
    left = [times]

    def work(*given: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise error
        return real(*given, **named)

    return work


CPU_ERROR = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory"
)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(), CPU_ERROR])
def test_out_of_memory_in_the_probe_halves_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    job = job_in(tmp_path, {"runtime.token_budget": 512})
    monkeypatch.setattr(probe, "label_loss", failing(probe.label_loss, 1, error))
    measured(job)
    (said,) = job.report.of(events.OutOfMemory)  # type: ignore[attr-defined]
    assert (said.before, said.after) == (512, 256)
    assert job.plan.measured["micro_batches"]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(), CPU_ERROR, MemoryError()])
def test_out_of_memory_in_a_save_gives_back_and_saves_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    job = job_in(tmp_path, {"method.dropout": 0.0})
    assert loop.train(job)
    plain = {
        p.name: checkpoint.sha256(p) for p in loop.save(job).iterdir() if "safetensors" in p.name
    }
    monkeypatch.setattr(checkpoint, "save_weights", failing(checkpoint.save_weights, 1, error))
    path = loop.save(job)
    assert checkpoint.verified(path)
    assert plain == {
        p.name: checkpoint.sha256(p) for p in path.iterdir() if "safetensors" in p.name
    }
    (said,) = job.report.of(events.OutOfMemory)  # type: ignore[attr-defined]
    assert said.before == said.after
    assert not [p for p in (tmp_path / "checkpoints").iterdir() if p.name.startswith(".tmp")]
    monkeypatch.setattr(checkpoint, "save_weights", failing(checkpoint.save_weights, 2, error))
    with pytest.raises(type(error)):
        loop.save(job)


def test_other_errors_are_not_taken_for_a_lack_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_in(tmp_path)
    monkeypatch.setattr(
        loop, "label_loss", failing(loop.label_loss, 1, RuntimeError("shapes differ"))
    )
    with pytest.raises(RuntimeError, match="shapes differ"), by_document(job.model):
        loop.update(job, 0)
    assert not job.report.of(events.OutOfMemory)  # type: ignore[attr-defined]


def test_out_of_memory_in_an_update_and_a_look_changes_no_weight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Injected on a CPU's own words; rows are cut into the same parts, so the weights are the same to the bit."""
    from engine.judge import held_out

    plain, short = job_in(tmp_path / "plain"), job_in(tmp_path / "short")
    for job in (plain, short):
        job.plan = replace(job.plan, measured={"skipped": "as the test wants"})
    monkeypatch.setattr(loop, "label_loss", failing(loop.label_loss, 1, CPU_ERROR))
    monkeypatch.setattr(held_out, "label_losses", failing(held_out.label_losses, 1, CPU_ERROR))
    short.plan = replace(short.plan, token_budget=2048)
    assert loop.train(short)
    assert loop.train(plain)
    assert [(e.before, e.after) for e in short.report.of(events.OutOfMemory)] == [
        (2048, 1024),
        (1024, 512),
    ]  # type: ignore[attr-defined]
    one, other = state_of(short), state_of(plain)
    for key, tensor in one.items():
        assert torch.equal(other[key], tensor), key
