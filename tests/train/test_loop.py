"""What the loop does beside the mathematics: refuse, look, restore."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import commands, events
from engine.errors import Problem
from engine.judge import held_out
from engine.judge.held_out import held_out_losses
from engine.model.attend import by_document
from engine.train import loop
from engine.train.report import Stopping
from tests.tiny_model import random_side, tiny_model
from tests.train.bench import make_job


def test_nan_stops_before_the_update_and_names_the_rows(tmp_path: Path) -> None:
    side = random_side(6)
    job = make_job(
        tiny_model(), side, random_side(0), tmp_path, {"method.name": "full", "train.batch_size": 2}
    )
    with by_document(job.model):
        loop.update(job, 0)
    with torch.no_grad():
        job.model.model.norm.weight[0] = torch.nan
    before = {n: p.detach().clone() for n, p in job.model.named_parameters()}
    with pytest.raises(Problem, match="not a number"), by_document(job.model):
        loop.update(job, 1)
    (said,) = job.report.of(events.NonFinite)
    assert said.step == 2
    order = loop.rows_of_step(1, 6, 2, 42, True)
    assert said.rows == [side.rows[r] for r in order]
    assert len(job.report.of(events.Step)) == 1
    for name, parameter in job.model.named_parameters():
        assert torch.equal(parameter, before[name]) or name == "model.norm.weight"


def test_looking_changes_nothing_and_puts_the_mode_back(tmp_path: Path) -> None:
    """Dropout off inside, on again after, also after an error; two looks agree to the bit."""
    unseen = random_side(9, seed=4)
    settings = {"method.rank": 4, "method.dropout": 0.5}
    job = make_job(tiny_model(), random_side(6), unseen, tmp_path, settings)
    with torch.no_grad():
        for name, parameter in job.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    job.model.train()
    with by_document(job.model):
        looks = [
            held_out_losses(job.model, unseen, np.arange(9), 64, "cpu", padded=False)
            for _ in range(2)
        ]
        assert job.model.training
        with pytest.raises(RuntimeError):
            held_out_losses(
                job.model, unseen, np.arange(9), 16, "cpu", padded=False, on_progress=_fail
            )
    assert job.model.training
    assert np.array_equal(looks[0].sums, looks[1].sums)


def _fail(done: int, total: int) -> None:
    raise RuntimeError


def test_the_best_weights_are_kept_when_the_last_are_worse(tmp_path: Path) -> None:
    """Learning random rows by heart makes the held-out loss climb; the run must end with its best."""
    unseen = random_side(9, seed=4)
    settings = {
        "method.name": "full",
        "train.batch_size": 6,
        "train.max_steps": 40,
        "train.learning_rate": 0.05,
        "eval.max_fraction": 1.0,
        "eval.every": 5,
        "train.schedule": "constant",
    }
    job = make_job(tiny_model(), random_side(6), unseen, tmp_path, settings)
    assert loop.train(job)
    looks = [e for e in job.report.of(events.Eval) if not e.baseline]
    on_the_way = looks[:-1]
    best = min(on_the_way, key=lambda e: e.loss)
    assert best.step < 40
    assert job.state.best_step == best.step
    assert looks[-1].step == best.step
    assert job.loss_of_all == pytest.approx(best.loss, rel=1e-6)
    with by_document(job.model):
        now = held_out_losses(job.model, unseen, np.arange(9), 4096, "cpu", padded=False)
    assert now.loss == pytest.approx(best.loss, rel=1e-5)


def test_running_out_of_memory_halves_the_budget_and_changes_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same weights and the same held-out loss; the plan keeps the smaller budget for a resume."""

    def job_in(folder: str) -> loop.Job:
        (tmp_path / folder).mkdir()
        return make_job(tiny_model(), random_side(8, longest=300), random_side(9, longest=300, seed=4),
                        tmp_path / folder, {"method.name": "full", "train.batch_size": 8}, budget=4096)  # fmt: skip

    plain, short = job_in("plain"), job_in("short")
    with by_document(plain.model):
        loop.update(plain, 0)
        seen = loop.look(plain, 1, every_row=True)

    def little_memory(real):  # type: ignore[no-untyped-def]
        def limited(model, micro):  # type: ignore[no-untyped-def]
            if micro.tokens > 600:
                raise torch.OutOfMemoryError
            return real(model, micro)

        return limited

    monkeypatch.setattr(loop, "label_loss", little_memory(loop.label_loss))
    with by_document(short.model):
        loop.update(short, 0)
        monkeypatch.setattr(held_out, "label_losses", little_memory(held_out.label_losses))
        short.plan = replace(short.plan, token_budget=1024)
        seen_short = loop.look(short, 1, every_row=True)
    halved = [(e.before, e.after) for e in short.report.of(events.OutOfMemory)]
    assert halved == [(4096, 2048), (2048, 1024), (1024, 512), (1024, 512)]
    assert json.loads((short.run / "plan.json").read_text())["token_budget"] == 512
    assert seen_short.loss == pytest.approx(seen.loss, rel=1e-5)
    for one, other in zip(plain.model.parameters(), short.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_looks_on_the_way_use_a_part_that_starts_where_all_rows_start(tmp_path: Path) -> None:
    """The part's loss at step 0 is nearly that of all rows, it never changes, and a resume finds it again."""
    unseen = random_side(60, seed=4)
    settings = {
        "train.batch_size": 3,
        "train.max_steps": 9,
        "eval.every": 3,
        "eval.max_fraction": 0.5,
    }
    job = make_job(tiny_model(), random_side(12), unseen, tmp_path, settings)
    assert loop.train(job)
    looks = job.report.of(events.Eval)
    every, part = [e for e in looks if e.all_rows], [e for e in looks if not e.all_rows]
    assert {e.examples for e in every} == {60}
    assert {e.examples for e in part} == {9}
    assert [e.step for e in part][:4] == [0, 3, 6, 9]
    assert abs(part[0].loss - every[0].loss) < 0.02
    kept = json.loads((tmp_path / "looked-at.json").read_text())["rows"]
    assert job.part is not None
    assert kept == job.part.tolist()
    base = held_out_losses(tiny_model(), unseen, job.part, 64, "cpu", padded=True)
    assert base.loss == pytest.approx(part[0].loss, rel=1e-5)


def test_a_stop_drops_the_look_at_step_0_and_trains_nothing(tmp_path: Path) -> None:
    job = make_job(
        tiny_model(),
        random_side(6),
        random_side(9, seed=4),
        tmp_path,
        {"method.rank": 4},
        budget=16,
    )
    job.report.orders = [commands.Command("stop", "1")]
    with pytest.raises(Stopping):
        loop.train(job)
    assert not job.report.of(events.Step)
    assert not job.report.of(events.Eval)
    assert len(job.report.of(events.Progress)) == 1
    assert job.report.heard() == [commands.Command("stop", "1")]  # still there to be acknowledged
