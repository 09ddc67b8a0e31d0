"""Memory and time in the knobs pane: live, by part where there is room, refused where it can't be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config, with_value
from engine.machine import Gpu, Machine
from engine.model.shape import Shape
from engine.train import rates
from engine.train.foresee import foresee
from tests.tui.fake_desk import SUMMARY, FakeDesk, FakeRuns
from tests.tui.opened import WIDE, Bench, opened
from tui.needs import needs
from tui.panes.knobs import KnobsPane
from tui.state import State, refusal

SHAPE = Shape(
    30, 576, 1536, 9, 576, 192, 49152, 134_515_008, 28_311_552,
    ((192, 576, 60), (576, 576, 60), (576, 1536, 30), (1536, 576, 60)),
)  # fmt: skip
ABOUT = {**SUMMARY, "model": {"name": "smollm2-135m", "shape": SHAPE.to_json()}}
CONFIG = with_value(with_value(Config(), "runtime.dtype", "bfloat16"), "runtime.device", "cpu")
MACHINE = Machine(cpus=2, memory_total=25_100_000_000, memory_used=3_300_000_000, gpus=())
SMALL = replace(MACHINE, memory_used=24_800_000_000)


def line(bench: Bench) -> str:
    return next((one for one in bench.text().splitlines() if "memory about" in one), "")


async def test_the_line_follows_the_knobs() -> None:
    rates.remember("cpu", "bfloat16", "lora", 576, 200e9)
    async with opened(desk=FakeDesk(summary=ABOUT), config=CONFIG) as bench:
        await bench.press("2")
        first = line(bench)
        assert "GB of 20.3 free" in first
        assert "time about 3m0" in first
        pane = bench.app.bench.query_one(KnobsPane)
        await pane.go_to("method.name")
        await bench.press("right")
        second = line(bench)
        assert gigabytes(second) > gigabytes(first) + 0.5
        await bench.press("left")
        assert line(bench) == first


def gigabytes(said: str) -> float:
    return float(said.partition("about ")[2].split()[0])


async def test_parts_are_told_where_there_is_room() -> None:
    async with opened(WIDE, desk=FakeDesk(summary=ABOUT), config=CONFIG) as bench:
        await bench.press("2", "z")
        assert "weights 0.5 GB" in bench.text()
        assert "activations" in bench.text()
        assert "not known before the first run" in bench.text()


class Full(FakeRuns):
    def machine(self) -> Machine:
        return SMALL


async def test_what_cannot_fit_is_said_and_not_started() -> None:
    config = with_value(CONFIG, "method.name", "full")
    runs = Full()
    async with opened(WIDE, desk=FakeDesk(summary=ABOUT), config=config, runs=runs) as bench:
        await bench.press("2", "z")
        assert "✗ memory: needs about" in bench.text()
        await bench.press("t")
        assert runs.started == []
        assert "Fix: set method.name to lora" in bench.toasts()[-1]


def test_a_budget_that_does_not_fit_is_warned_of_with_the_knob() -> None:
    config = with_value(with_value(CONFIG, "runtime.token_budget", 65536), "train.batch_size", 4000)
    summary = {**ABOUT, "train": 9000, "train_tokens": 900_000, "label_tokens": 300_000}
    found = foresee(config, summary, replace(MACHINE, memory_used=23_000_000_000))
    assert found is not None
    assert found.problem is None
    assert (
        "▲ runtime.token_budget: 65,536 tokens at once do not fit. Fix: lower"
        in needs(found, 80).plain
    )


@pytest.mark.parametrize("missing", ["model", "machine", "stage"])
def test_nothing_is_told_before_it_is_known(missing: str) -> None:
    summary: dict[str, Any] = dict(ABOUT)
    if missing == "model":
        del summary["model"]
    if missing == "stage":
        summary["stage"] = "first rows"
    assert foresee(CONFIG, summary, None if missing == "machine" else MACHINE) is None
    assert foresee(CONFIG, None, MACHINE) is None


def test_the_emptiest_gpu_is_counted_on_and_one_named_is_taken() -> None:
    gpus = tuple(
        Gpu(n, "NVIDIA H200", 140 << 30, used << 30, 0, 40) for n, used in ((0, 100), (1, 10))
    )
    machine = replace(MACHINE, gpus=gpus)
    found = foresee(with_value(CONFIG, "runtime.device", "auto"), ABOUT, machine)
    assert found is not None
    assert found.place.free == 130 << 30
    assert found.estimate.seconds > 0, "makers' figures stand in before the first run"
    named = foresee(with_value(CONFIG, "runtime.device", "cuda:0"), ABOUT, machine)
    assert named is not None
    assert named.place.free == 40 << 30


def test_a_start_that_cannot_fit_is_refused() -> None:
    state = State(with_value(CONFIG, "method.name", "full"), summary=ABOUT, machine=SMALL)
    assert refusal(state)[0].startswith("memory: needs about")
    assert refusal(replace(state, machine=MACHINE)) == ("", "")


def test_rates_remember_what_is_likest(tmp_path: Path) -> None:
    assert rates.recall("cpu", "bfloat16", "lora", 576) == 0
    rates.remember("cpu", "bfloat16", rates.PRODUCTS, 576, 100e9)
    assert rates.recall("cpu", "bfloat16", "lora", 576) == 60e9
    rates.remember("cpu", "bfloat16", "lora", 576, 70e9)
    rates.remember("cpu", "bfloat16", "lora", 960, 90e9)
    rates.remember("cpu", "bfloat16", "full", 576, 50e9)
    assert rates.recall("cpu", "bfloat16", "lora", 600) == 70e9
    assert rates.recall("cpu", "bfloat16", "lora", 2000) == 90e9
    assert rates.recall("cpu", "float32", "lora", 576) == 0
    rates.remember("cpu", "bfloat16", "lora", 576, 75e9)
    assert rates.recall("cpu", "bfloat16", "lora", 576) == 75e9
    assert rates.last_dtype("cpu") == "bfloat16"


def test_a_damaged_cache_of_rates_is_passed_over() -> None:
    from engine import paths

    rates.remember("cpu", "bfloat16", "lora", 576, 70e9)
    file = paths.cache() / rates.FILE
    kept = json.loads(file.read_text())
    file.write_text(json.dumps([7, {"machine": 3}, {**kept[0], "rate": -1}, *kept]))
    assert rates.recall("cpu", "bfloat16", "lora", 576) == 70e9
    for broken in ("", "{", "null", '"x"'):
        file.write_text(broken)
        assert rates.recall("cpu", "bfloat16", "lora", 576) == 0
