"""From a file to sides of tokens and to the run directory, held against counts made by hand."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config, from_dict
from engine.data.dataset import Dataset
from engine.data.frozen import freeze, frozen_rows, load_frozen
from engine.data.opening import open_data
from engine.data.summary import summary
from engine.data.view import row_view
from engine.errors import Cancelled, Problem
from engine.paths import ROOT
from tests.data.reading import alpaca
from tests.tiny import CHATML, tiny_tokenizer

TOKENIZER = tiny_tokenizer()


def config(path: Path, **data: Any) -> Config:
    return from_dict({"data": {"path": str(path), **data}})


def write(path: Path, values: list[Any]) -> Path:
    path.write_text("".join(json.dumps(v) + "\n" for v in values))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """100 rows, one without an answer and one that is torn off."""
    values = [*alpaca(50), {"instruction": "a", "output": ""}, *alpaca(100)[50:]]
    path = write(tmp_path / "data.jsonl", values)
    path.write_text(path.read_text() + '{"instruction": "x')
    return path


def test_the_summary_adds_up(data: Path) -> None:
    dataset = open_data(config(data), lambda: TOKENIZER)
    found = summary(dataset)
    assert json.loads(json.dumps(found)) == found
    assert (found["rows"], found["usable"], found["dropped"]) == (102, 100, 2)
    assert found["train"] + found["eval"] == 100
    assert found["eval"] >= 8
    assert found["format"] == "alpaca"
    assert found["container"] == "jsonl"
    assert {found["overlap"][kind] for kind in ("exact", "normalised", "near")} == {0}
    assert found["split"] == {
        "seed": 42, "fraction": 0.1, "method": "hash of the user text",
        "train": found["train"], "eval": found["eval"],
    }  # fmt: skip
    assert [(p["code"], p["count"], p["rows"]) for p in found["problems"]] == [
        ("empty_answer", 1, [51]),
        ("torn", 1, [102]),
    ]
    train = [e for e, side in zip(dataset.encoded, dataset.sides, strict=True) if side == "train"]
    assert found["train_tokens"] == sum(len(e.ids) for e in train)
    assert found["label_tokens"] == sum(e.labels.tolist().count(True) for e in train)
    lengths = sorted(len(e.ids) for e in dataset.encoded)
    assert found["tokens"]["max"] == lengths[-1]
    assert found["tokens"]["p50"] in lengths


def test_the_longest_row_comes_from_the_data(tmp_path: Path) -> None:
    values = alpaca(199)
    values.append({"instruction": "long", "output": "very " * 300})
    dataset = open_data(config(write(tmp_path / "a.jsonl", values)), lambda: TOKENIZER)
    lengths = sorted(e.full_length for e in dataset.encoded)
    p99 = lengths[-2]  # of 200 rows, the long one is beyond the 99th percentile
    assert p99 <= dataset.max_length < p99 + 64
    assert dataset.max_length % 8 == 0
    assert summary(dataset)["truncated"] == 1
    assert max(len(e.ids) for e in dataset.encoded) == dataset.max_length


def test_the_longest_row_keeps_to_the_models_window(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"instruction": "a", "output": "word " * 900}] * 20)
    assert open_data(config(path), lambda: TOKENIZER).max_length == 512
    dataset = open_data(config(path, max_length=4096), lambda: TOKENIZER)
    assert dataset.max_length == 512
    assert any("512 is used" in note for note in dataset.notes)
    assert open_data(config(path, max_length=100), lambda: TOKENIZER).max_length == 100


def test_rows_that_lose_their_answer_are_dropped_and_counted(tmp_path: Path) -> None:
    values = [*alpaca(30), {"instruction": "word " * 200, "output": "lost"}]
    path = write(tmp_path / "a.jsonl", values)
    dataset = open_data(config(path, max_length=64), lambda: TOKENIZER)
    found = summary(dataset)
    assert (found["rows"], found["usable"], found["dropped"]) == (31, 30, 1)
    (problem,) = found["problems"]
    assert (problem["code"], problem["rows"]) == ("answer_lost", [31])
    assert problem["first"].startswith(f"{path}:31:1: ")
    assert dataset.sides[30] is None
    with pytest.raises(Problem, match="none of 1 records can be used"):
        open_data(
            config(write(tmp_path / "b.jsonl", values[30:]), max_length=64), lambda: TOKENIZER
        )


def test_a_system_prompt_is_put_before_rows_without_one(tmp_path: Path) -> None:
    values = [*alpaca(10), *alpaca(3, system="Own.")]
    path = write(tmp_path / "a.jsonl", values)
    plain = open_data(config(path), lambda: TOKENIZER)
    assert plain.system is None
    dataset = open_data(config(path, system="Be brief."), lambda: TOKENIZER)
    assert [row.system for row in dataset.rows] == ["Be brief."] * 10 + ["Own."] * 3
    assert dataset.system == "Be brief."
    assert dataset.sides == plain.sides
    assert "Be brief." in row_view(dataset, 0)["segments"][1][1]


def test_a_held_out_file_is_held_out_and_its_questions_leave_training(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", alpaca(20))
    held = write(tmp_path / "held.jsonl", [
        {"instruction": "what is 3 plus 3", "output": "Other answer."},
        {"instruction": "What is 99 plus 99?", "output": "It is 198."},
        {"instruction": "", "output": "no question"},
    ])  # fmt: skip
    dataset = open_data(config(train, eval_path=str(held)), lambda: TOKENIZER)
    found = summary(dataset)
    assert (found["rows"], found["train"], found["eval"], found["dropped"]) == (23, 19, 2, 2)
    assert {found["overlap"][kind] for kind in ("exact", "normalised", "near")} == {0}
    assert found["split"]["method"] == "a held-out file"
    problems = {p["code"]: p for p in found["problems"]}
    assert problems["held_out_copy"]["rows"] == [4]
    assert problems["empty_prompt"]["first"].startswith(f"{held}:3:")


def test_nothing_held_out_is_said(data: Path) -> None:
    dataset = open_data(config(data, eval_fraction=0), lambda: TOKENIZER)
    found = summary(dataset)
    assert (found["train"], found["eval"]) == (100, 0)
    assert any("nothing is held out" in note for note in found["notes"])


def test_what_a_template_refuses_is_a_fault(tmp_path: Path) -> None:
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}"
    path = write(tmp_path / "a.jsonl", [*alpaca(20), *alpaca(2, system="s")])
    dataset = open_data(config(path), lambda: tiny_tokenizer(refuses + CHATML))
    assert [(p["code"], p["rows"]) for p in summary(dataset)["problems"]] == [
        ("template", [21, 22])
    ]
    assert row_view(dataset, 20)["segments"] == []


def test_when_nothing_can_be_used_the_first_fault_speaks(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"instruction": "a", "output": 1}\n{"instruction": "a", "output": ""}\n')
    with pytest.raises(Problem) as problem:
        open_data(config(path), lambda: TOKENIZER)
    assert str(problem.value).startswith(
        f"{path}:1:32: 'output' is a number, expected text (none of 2"
    )


def test_progress_is_told_and_its_cancelling_ends_the_work(data: Path) -> None:
    told: list[str] = []
    open_data(config(data), lambda: TOKENIZER, lambda phase, done, total: told.append(phase))
    assert list(dict.fromkeys(told)) == [
        "reading", "tokenizing", "near copies", "counting overlap", "checking"
    ]  # fmt: skip

    def cancel(phase: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        open_data(config(data), lambda: TOKENIZER, cancel)


def test_a_row_as_the_model_sees_it(tmp_path: Path) -> None:
    values = [{"instruction": "Ünï?", "output": "漢字 are here", "system": "s"}, *alpaca(20)]
    dataset = open_data(config(write(tmp_path / "a.jsonl", values)), lambda: TOKENIZER)
    view = row_view(dataset, 0)
    assert json.loads(json.dumps(view)) == view
    assert "".join(text for _, text in view["segments"]) == (
        "<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nÜnï?<|im_end|>\n"
        "<|im_start|>assistant\n漢字 are here<|im_end|>"
    )
    assert view["segments"][-1] == ["answer", "漢字 are here<|im_end|>"]
    assert view["segments"][0] == ["special", "<|im_start|>"]
    assert (view["system"], view["user"], view["answer"]) == ("s", "Ünï?", "漢字 are here")
    assert (view["index"], view["number"], view["line"]) == (0, 1, 1)


def test_what_is_cut_is_shown(tmp_path: Path) -> None:
    values = [{"instruction": "a", "output": "abcdefghij" * 20}, *alpaca(20)]
    dataset = open_data(
        config(write(tmp_path / "a.jsonl", values), max_length=50), lambda: TOKENIZER
    )
    view = row_view(dataset, 0)
    kinds = [kind for kind, _ in view["segments"]]
    assert kinds[-2:] == ["answer", "cut"]
    joined = "".join(text for kind, text in view["segments"] if kind in ("answer", "cut"))
    assert joined == "abcdefghij" * 20 + "<|im_end|>"
    assert view["truncated"]
    assert view["tokens"] == 50


# ---------------------------------------------------------------- frozen


@pytest.fixture
def dataset(data: Path) -> Dataset:
    return open_data(config(data), lambda: TOKENIZER)


def test_frozen_rows_are_the_datasets(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "data"
    freeze(folder, dataset)
    frozen = load_frozen(folder)
    assert frozen.info == summary(dataset)
    for name, side in (("train", frozen.train), ("eval", frozen.eval)):
        at = dataset.at(name)  # type: ignore[arg-type]
        assert len(side) == len(at)
        assert side.rows == [dataset.rows[i].number for i in at]
        assert frozen_rows(folder, name) == [dataset.rows[i] for i in at]
        assert side.ids.dtype == np.int32
        assert side.labels.dtype == np.bool_
        assert side.offsets.dtype == np.int64
        for place, i in enumerate(at):
            start, end = side.offsets[place : place + 2]
            assert side.ids[start:end].tolist() == dataset.encoded[i].ids.tolist()
            assert side.labels[start:end].tolist() == dataset.encoded[i].labels.tolist()


def test_frozen_files_are_private_and_say_whose_row_each_line_is(
    dataset: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    freeze(folder, dataset)
    assert sorted(os.listdir(folder)) == ["rows.jsonl", "split.json", "tokens.safetensors"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    lines = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert set(lines[0]) == {"id", "side", "number", "line", "messages"}
    by_number = {row.number: row for row in dataset.rows}
    assert all(by_number[line["number"]].id == line["id"] for line in lines)
    assert len(lines) == 100


def test_an_empty_held_out_side_can_be_frozen(data: Path, tmp_path: Path) -> None:
    freeze(tmp_path / "f", open_data(config(data, eval_fraction=0), lambda: TOKENIZER))
    frozen = load_frozen(tmp_path / "f")
    assert (len(frozen.train), len(frozen.eval)) == (100, 0)
    assert frozen_rows(tmp_path / "f", "eval") == []


@pytest.mark.parametrize("name", ["tokens.safetensors", "split.json", "rows.jsonl"])
@pytest.mark.parametrize("harm", ["missing", "short", "empty"])
def test_damaged_frozen_rows_are_a_problem(
    dataset: Dataset, tmp_path: Path, name: str, harm: str
) -> None:
    freeze(tmp_path / "f", dataset)
    path = tmp_path / "f" / name
    content = path.read_bytes()
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2 + 3] if harm == "short" else b"")
    if (name, harm) == ("rows.jsonl", "empty"):
        assert frozen_rows(tmp_path / "f", "train") == []
        return
    with pytest.raises(Problem, match="cannot be read"):
        (
            frozen_rows(tmp_path / "f", "train")
            if name == "rows.jsonl"
            else load_frozen(tmp_path / "f")
        )


def test_frozen_rows_are_loaded_without_the_heavy_libraries(
    dataset: Dataset, tmp_path: Path
) -> None:
    freeze(tmp_path / "f", dataset)
    code = (
        "import sys; from pathlib import Path; from engine.data.frozen import load_frozen; "
        f"print(len(load_frozen(Path({str(tmp_path / 'f')!r})).train)); "
        "print(sorted(set(sys.modules) & {'torch', 'transformers', 'datasets', 'pyarrow', 'jinja2'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[1] == "[]"
