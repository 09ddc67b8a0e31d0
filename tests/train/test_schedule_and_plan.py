from __future__ import annotations

import math

import pytest

from engine import config as knobs
from engine.config import Config
from engine.train import plan
from engine.train.schedule import learning_rate, total_steps


def test_schedules_by_hand() -> None:
    rates = [learning_rate(s, 10, 1.0, "linear", 2) for s in range(10)]
    assert rates == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    assert [learning_rate(s, 4, 3.0, "constant", 0) for s in range(4)] == [3.0] * 4
    cosine = [learning_rate(s, 6, 2.0, "cosine", 0) for s in range(6)]
    assert cosine == pytest.approx([1 + math.cos(math.pi * k / 6) for k in range(6)])
    assert learning_rate(0, 100, 1.0, "cosine", 0.03) == pytest.approx(1 / 3)


def test_a_warm_up_longer_than_the_run_is_a_ramp() -> None:
    assert [learning_rate(s, 4, 1.0, "cosine", 50) for s in range(4)] == [0.25, 0.5, 0.75, 1.0]


def settings(**given: object) -> Config:
    return knobs.with_settings(Config(), [f"{k.replace('__', '.')}={v}" for k, v in given.items()])


@pytest.mark.parametrize(
    ("given", "rows", "steps"),
    [
        ({}, 270, 51),
        ({"train__epochs": 0.5}, 270, 9),
        ({"train__max_steps": 7}, 270, 7),
        ({"train__batch_size": 1000}, 5, 3),
    ],
)  # fmt: skip
def test_total_steps(given: dict[str, object], rows: int, steps: int) -> None:
    assert total_steps(settings(**given), rows) == steps


@pytest.mark.parametrize("total", [1, 5, 12, 51, 1000])
def test_looks_are_about_twelve_and_the_end_is_one(total: int) -> None:
    looks = plan.eval_steps("auto", total, 17)
    assert looks[-1] == total
    assert list(looks) == sorted(set(looks))
    assert min(total, 10) <= len(looks) <= 14
    assert plan.eval_steps("off", total, 17) == (total,)
    assert all(s % 17 == 0 or s == total for s in plan.eval_steps("epoch", total, 17))


def test_looks_on_the_way_cost_at_most_their_share() -> None:
    count = plan.eval_rows(held_out=5000, looks=12, trained_rows=3000, max_fraction=0.1)
    assert 12 * count <= 0.1 * 2 * 3000
    assert plan.eval_rows(30, 12, 3000, 0.1) == 30
    assert plan.eval_rows(30, 12, 10, 0.1) == plan.LEAST_LOOK_ROWS
    assert plan.eval_rows(3, 12, 10, 0.1) == 3


def test_a_plan_survives_its_file() -> None:
    made = plan.make(
        Config(),
        train_rows=270,
        held_out=30,
        budget=512,
        padded=False,
        device="cpu",
        dtype="float32",
        threads=2,
    )
    import json

    assert plan.Plan.from_json(json.loads(json.dumps(made.to_json()))) == made
