"""Opening a large file: first rows, structure, all counted; memory; any row; and again from the cache.

    python -m tests.benchmarks.data [ROWS] [FILE]

Makes a JSONL file of ROWS rows (200,000 unless given) of about a thousand characters, one in twenty a near copy of
another, with the starter model's tokenizer. With FILE that file is opened instead. Memory is anonymous memory
beyond what the process had before (Linux).
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from engine import config as settings
from engine import paths
from engine.data.dataset import Dataset
from engine.data.opening import open_data
from engine.data.summary import summary
from engine.data.view import row_view
from engine.model.find import find
from engine.model.load import load_tokenizer

LOOKS = 200
BUDGETS = "first rows under 1 s, memory under 150 MB more, any row under 0.1 s, 1 M rows counted in 10 minutes"


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
    """Seconds since the start, and the most memory seen when a phase changed."""

    def __init__(self) -> None:
        self.base, self.most = anonymous(), 0.0
        self.began = time.perf_counter()
        self._phase = ""

    def say(self, what: str) -> None:
        more = anonymous() - self.base
        self.most = max(self.most, more)
        print(f"{time.perf_counter() - self.began:8.2f} s  +{more:5.0f} MB  {what}", flush=True)

    def progress(self, phase: str, done: int, total: int) -> None:
        if phase != self._phase:
            self._phase = phase
            self.say(phase)


def measure(path: Path, name: str) -> Dataset:
    print(f"{name}: {path.stat().st_size / 1e6:,.0f} MB")
    tokenizer = load_tokenizer(find("smollm2-135m", lambda *_: None))
    tokenizer("a")
    config = settings.with_value(settings.Config(), "data.path", str(path))
    watch = Watch()
    dataset = open_data(
        config, lambda: tokenizer, watch.progress, on_stage=lambda part: watch.say(part.stage)
    )
    found = summary(dataset)
    watch.say(f"counted: {found['rows']:,} rows, overlap {found['overlap']}")
    began = time.perf_counter()
    for place in random.Random(2).choices(range(len(dataset.rows)), k=LOOKS):
        row_view(dataset, place)
    print(f"any row: {(time.perf_counter() - began) / LOOKS * 1000:.2f} ms")
    print(f"most memory seen: +{watch.most:.0f} MB")
    return dataset


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder) / "rows.jsonl"
        if not path.exists():
            make(path, rows)
        find("smollm2-135m", lambda *_: None)
        measure(path, "first time")
        measure(path, "again")
    print(f"budgets: {BUDGETS}")


if __name__ == "__main__":
    main()
