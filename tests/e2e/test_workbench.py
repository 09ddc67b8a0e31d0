"""The workbench with the real desk and the real trainer, on a tiny random model: open, train, compare."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine import config as settings
from engine.config import Config
from engine.desk.client import Desk
from engine.runs import listing
from tests.runs import made
from tests.tui.opened import Bench
from tui.app import Workbench

SECONDS = 600


async def until(pilot: Pilot[int], true: Callable[[], object], words: str) -> None:
    """Let the app run until something holds."""
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, words
        await pilot.pause(0.05)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_open_train_compare(
    size: tuple[int, int], tiny_model_folder: Path, tmp_path: Path
) -> None:
    config = Config()
    for path, value in {
        "model.name": str(tiny_model_folder), "data.path": str(made.write_rows(tmp_path / "rows.jsonl")),
        "train.max_steps": 12, "train.batch_size": 6, "train.learning_rate": 0.01, "runtime.dtype": "float32",
        "compare.max_tokens": 8,
    }.items():  # fmt: skip
        config = settings.with_value(config, path, value)
    desk = Desk()
    desk.start()
    app = Workbench(desk, config, theme="dark")
    async with app.run_test(size=size) as pilot:
        bench = Bench(app, pilot, desk, app.runs)  # type: ignore[arg-type]
        await until(
            pilot, lambda: app.state.summary or app.state.problem, "the data was not opened"
        )
        assert app.state.problem is None
        await until(pilot, lambda: "Tell me" in bench.text(), "no row is shown")

        await pilot.press("t")
        await until(
            pilot,
            lambda: app.state.history and app.state.history.status == "done",
            f"no run was done: {bench.text()}",
        )
        history = app.state.history
        assert history is not None
        assert [p.step for p in history.train] == list(range(1, 13))
        await pilot.press("3")
        await until(pilot, lambda: "done" in bench.text(), "the loss pane does not say done")

        await pilot.press("4")
        await until(pilot, lambda: "The " in bench.text(), "no reference answer is shown")
        await pilot.press("g")
        asked = lambda: "tuned" in bench.text() and " tokens" in bench.text()  # noqa: E731
        await until(pilot, asked, f"no answers came: {bench.text()}")
        await pilot.press("q")
    (run,) = listing.list_runs()
    assert run.status == "done"
    assert run.best_loss < run.baseline_loss
    config_of_run = settings.load(run.path / "config.yaml")
    assert config_of_run.train.max_steps == 12
    assert desk._connection is not None
    assert desk._connection.over


def test_the_app_never_imports_the_heavy_libraries() -> None:
    """Import everything the app can import, then look: torch and its kin must not have come along."""
    import subprocess

    code = (
        "import pkgutil, importlib, json, sys, tui\n"
        "for m in pkgutil.walk_packages(tui.__path__, 'tui.'): importlib.import_module(m.name)\n"
        "from engine.desk import client\n"
        "from engine.runs import control, directory, follow, history, journal, launch, listing\n"
        "from engine import config, doctor, machine, text\n"
        "print(json.dumps([m for m in sys.modules if '.' not in m]))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(told.stdout))
    assert "textual" in loaded
    assert not loaded & {
        "torch",
        "transformers",
        "datasets",
        "peft",
        "accelerate",
        "pyarrow",
        "numpy",
    }
