"""Opening a large file: first screen, structure, all counted; memory; any row; an edit; and again from the cache.

    python -m tests.benchmarks.data [--rows N] [--file FILE] [--structure]

Makes a JSONL file of N rows (200,000 unless given) of about a thousand characters, one in twenty a near copy of
another, with the starter model's tokenizer. With FILE that file is opened instead, and made where it is not there.
With --structure it ends when every row can be looked at. Memory is anonymous memory beyond what the process had
before (Linux), looked at ten times a second; the first screen is timed from the start of a cold helping process.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from engine import config as settings
from engine import paths
from engine.data.dataset import Dataset
from engine.data.opening import open_data, recount
from engine.data.summary import summary
from engine.data.view import row_view
from engine.desk.client import Desk
from engine.model.find import find
from engine.model.load import load_tokenizer

LOOKS = 200
BUDGETS = (
    "first screen under 1 s, memory under 150 MB more, any row under 0.1 s; of 1 M rows structure and exact copies "
    "under 60 s, all counted in 10 minutes"
)


class Structured(Exception):
    """Every row can be looked at; no more was asked for."""


def make(path: Path, rows: int) -> None:
    """Words drawn from the sample data's, so that they tokenise like text."""
    draw = random.Random(1)
    sample = (paths.bundled("sample_data") / "tickets.jsonl").read_text("utf-8")
    words = sorted({word for word in sample.split() if word.isalpha()})
    asked: list[list[str]] = []
    with path.open("w", encoding="utf-8") as out:
        for number in range(rows):
            question = draw.choices(words, k=20 + draw.randrange(30))
            if number % 20 == 7 and asked:
                question = list(draw.choice(asked))
                question[draw.randrange(len(question))] = draw.choice(words)
            if number % 50 == 0:
                asked.append(question)
            answer = " ".join(draw.choices(words, k=110))
            tree = {"instruction": " ".join(question), "input": "", "output": answer}
            out.write(json.dumps(tree) + "\n")


def anonymous() -> float:
    """This process's anonymous memory, in MB."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) / 1024


class Watch:
    """Seconds since the start, and the most memory there was."""

    def __init__(self) -> None:
        self.base, self.most = anonymous(), 0.0
        self.began = time.perf_counter()
        self._phase = ""
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            self.most = max(self.most, anonymous() - self.base)
            time.sleep(0.1)

    def say(self, what: str) -> None:
        more = anonymous() - self.base
        seconds = time.perf_counter() - self.began
        print(f"{seconds:8.2f} s  +{more:4.0f} MB, at most +{self.most:4.0f}  {what}", flush=True)

    def progress(self, phase: str, done: int, total: int) -> None:
        if phase != self._phase:
            self._phase = phase
            self.say(phase)


def first_screen(path: Path) -> None:
    """From the start of the helping process to the first forty rows, as the app asks for them."""
    desk = Desk()
    there = threading.Event()
    began = time.perf_counter()
    tree = settings.with_value(settings.Config(), "data.path", str(path)).to_dict()
    call = desk.call("open_data", config=tree, on_item=lambda item: there.set())
    there.wait(60)
    rows = desk.call("rows", start=0, count=40).result()["rows"]
    print(f"first screen, cold: {time.perf_counter() - began:.2f} s, {len(rows)} rows")
    call.cancel()
    desk.close()


def measure(path: Path, name: str, *, structure: bool) -> None:
    print(f"{name}: {path.stat().st_size / 1e6:,.0f} MB")
    tokenizer = load_tokenizer(find("smollm2-135m", lambda *_: None))
    tokenizer("a")
    config = settings.with_value(settings.Config(), "data.path", str(path))
    watch = Watch()
    stages: list[str] = []

    def told(part: Dataset) -> None:
        if part.stage not in stages:
            stages.append(part.stage)
            watch.say(part.stage)
        if structure and part.stage == "rows":
            any_row(part)
            raise Structured

    try:
        dataset = open_data(config, lambda: tokenizer, watch.progress, on_stage=told)
    except Structured:
        return
    found = summary(dataset)
    watch.say(f"counted: {found['rows']:,} rows, overlap {found['overlap']}")
    any_row(dataset)
    began = time.perf_counter()
    dataset.edits.exclude([dataset.edited.key(dataset.at("train")[0])])
    dataset = recount(dataset)
    summary(dataset)
    watch.say(f"an edit of one row: {time.perf_counter() - began:.2f} s")
    dataset.edits.undo()


def any_row(dataset: Dataset) -> None:
    began = time.perf_counter()
    for place in random.Random(2).choices(range(len(dataset.rows)), k=LOOKS):
        row_view(dataset, place)
    print(f"any row: {(time.perf_counter() - began) / LOOKS * 1000:.2f} ms")


def read_arguments() -> Any:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--structure", action="store_true")
    return parser.parse_args()


def main() -> None:
    asked = read_arguments()
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        path = asked.file or Path(folder) / "rows.jsonl"
        if not path.exists():
            make(path, asked.rows)
        find("smollm2-135m", lambda *_: None)
        first_screen(path)
        for name in ("first time", "again"):
            measure(path, name, structure=asked.structure)
    print(f"budgets: {BUDGETS}")


if __name__ == "__main__":
    main()
