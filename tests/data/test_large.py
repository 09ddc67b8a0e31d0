"""A large source, whose rows stay on the disk, comes to exactly the same as one that is held in memory."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import from_dict
from engine.data import one_pass, source
from engine.data.dataset import Dataset
from engine.data.opening import open_data
from engine.data.summary import summary
from engine.desk.data_work import DataWork
from engine.desk.process import Task
from engine.errors import Problem
from tests.data.reading import alpaca
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
BAD: dict[int, str] = {
    3: '{"instruction": "x"',
    40: "[1]",
    250: '{"instruction": "", "output": ""}',
}


def write(tmp_path: Path, kind: str) -> Path:
    values = [
        *alpaca(300),
        *alpaca(2),
        {"instruction": "Say more.", "output": "word " * 300, "system": "Be long."},
    ]
    lines = [BAD.get(at, json.dumps(value)) for at, value in enumerate(values)]
    text = "".join(line + "\n" for line in lines)
    path = tmp_path / {"jsonl": "rows.jsonl", "json": "rows.json", "gz": "rows.jsonl.gz"}[kind]
    if kind == "json":
        path.write_text(json.dumps([v for at, v in enumerate(values) if at not in BAD]))
    elif kind == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def seen(dataset: Dataset) -> dict[str, Any]:
    work = DataWork()
    work.opened(dataset)
    rows = work.rows(Task(1, None), 0, 500)  # type: ignore[arg-type]
    return {**summary(dataset), **rows, "faults": [str(fault) for fault in dataset.faults]}


@pytest.mark.parametrize("kind", ["jsonl", "json", "gz"])
def test_the_same_rows_sides_tokens_and_problems(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, kind)
    found = []
    stages: list[Dataset] = []
    for large in (False, True, True):  # the last one from the caches
        monkeypatch.setenv("FINETUI_HOME", str(tmp_path / ("large" if large else "small")))
        monkeypatch.setattr(source, "LARGE", 0 if large else 2**40)
        monkeypatch.setattr(one_pass, "FEW", 0 if large else 2**40)
        settings = from_dict({"data": {"path": str(path), "max_length": 128}})
        found.append(seen(open_data(settings, lambda: TOKENIZER, on_stage=stages.append)))
    small, large, again = found
    assert large == again == small
    in_parts = ["text", "first rows", "rows"]
    assert [part.stage for part in stages] == ["text", "text", *in_parts, *in_parts]
    first, rows = (seen(part)["rows"] for part in stages[3:5])
    assert 190 <= len(first) <= source.SHOWN_FIRST
    uncounted = ("side", "divided", "checks")
    for part in (first, rows):
        for row, whole in zip(part, small["rows"], strict=False):
            assert {k: v for k, v in row.items() if k not in uncounted} == {
                k: v for k, v in whole.items() if k not in uncounted
            }
    assert len(rows) == len(small["rows"])


def test_a_file_that_changes_while_its_rows_are_looked_at_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(source, "LARGE", 0)
    path = write(tmp_path, "jsonl")
    dataset = open_data(from_dict({"data": {"path": str(path)}}), lambda: TOKENIZER)
    path.write_text(path.read_text() + '{"instruction": "a", "output": "b"}\n')
    with pytest.raises(Problem, match="changed"):
        dataset.rows[0]
