"""Patterns and folders: several files as one source, and data that comes with its held-out part."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from engine.config import from_dict
from engine.data.containers import splits
from engine.data.containers.record import Record
from engine.data.opening import open_data
from engine.data.read import check_source, open_source
from engine.data.rows import Fault
from engine.data.summary import summary
from engine.errors import Problem
from tests.data.reading import alpaca
from tests.tiny import tiny_tokenizer

ROWS = alpaca(30)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def values(path: Path | str) -> list[dict[str, Any]]:
    with open_source(str(path)) as reading:
        return [item.value for item in reading if isinstance(item, Record)]


def notes(path: Path | str) -> str:
    with open_source(str(path)) as reading:
        return "; ".join(reading.notes)


def held_out(path: Path | str) -> str | None:
    with open_source(str(path)) as reading:
        return reading.held_out


# ---------------------------------------------------------------- patterns


def test_a_pattern_reads_its_files_in_order_and_each_record_knows_its_own(tmp_path: Path) -> None:
    files = [write(tmp_path / f"part-{n}.jsonl", ROWS[n * 10 : n * 10 + 10]) for n in range(3)]
    with files[1].open("a") as file:
        file.write("\n{oops\n")
    told: list[tuple[int, int]] = []
    pattern = str(tmp_path / "part-*.jsonl")
    with open_source(pattern, lambda done, total: told.append((done, total))) as reading:
        items = list(reading)
    assert [item.value for item in items if isinstance(item, Record)] == ROWS
    assert [item.number for item in items] == list(range(1, 32))
    assert [item.path for item in items] == [str(file) for file in files for _ in range(11)][
        :10
    ] + [str(files[1])] * 11 + [str(files[2])] * 10
    (fault,) = [item for item in items if isinstance(item, Fault)]
    assert str(fault).startswith(f"{files[1]}:12:2: ")
    assert (items[0].line, items[10].line, items[21].line) == (1, 1, 1)
    assert reading.path == pattern
    assert reading.container == "jsonl"
    assert reading.files == tuple(map(str, files))
    size = sum(file.stat().st_size for file in files)
    assert told == sorted(told)
    assert told[-1] == (size, size)


def test_a_pattern_of_one_file_is_that_file(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", ROWS)
    with open_source(str(tmp_path / "*.jsonl")) as reading:
        items = list(reading)
    assert reading.path == str(file)
    assert reading.indexable
    assert {item.path for item in items} == {""}


def test_patterns_over_folders_and_packed_files(tmp_path: Path) -> None:
    write(tmp_path / "a/x.jsonl", ROWS[:10])
    (tmp_path / "b").mkdir()
    content = "".join(json.dumps(row) + "\n" for row in ROWS[10:]).encode()
    (tmp_path / "b/y.jsonl.gz").write_bytes(gzip.compress(content))
    assert values(tmp_path / "**/*.jsonl*") == ROWS
    assert "unpacked from gzip (in 1 of 2 files)" in notes(tmp_path / "**/*.jsonl*")


def test_a_file_whose_name_is_a_pattern_is_that_file(tmp_path: Path) -> None:
    write(tmp_path / "a[1].jsonl", ROWS)
    write(tmp_path / "a1.jsonl", ROWS[:1])
    assert values(tmp_path / "a[1].jsonl") == ROWS


def test_a_pattern_without_a_match_names_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "rows\x1b[2J.json", ROWS)
    (tmp_path / "empty").mkdir()
    cases = {
        "*.jsonl": rf"no file matches \*\.jsonl in {tmp_path}\. Fix: the folder holds rows␛\[2J",
        "empty/*": rf"no file matches \* in {tmp_path}/empty\. Fix: the folder holds no file",
        "none/*.x": rf"there is no folder {tmp_path}/none",
    }
    for pattern, words in cases.items():
        for look in (open_source, check_source):
            with pytest.raises(Problem, match=words):
                look(str(tmp_path / pattern))


def test_files_of_other_fields_are_listed_each(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", ROWS)
    write(tmp_path / "b.jsonl", [{"prompt": "x", "output": "y"}])
    write(tmp_path / "c.jsonl", [{"instruction": "x"}])
    write(tmp_path / "d.jsonl", ROWS)
    words = (
        r'different fields: a\.jsonl has "instruction", "output"; '
        r'b\.jsonl lacks "instruction" and has "prompt" more; c\.jsonl lacks "output"\.'
    )
    with pytest.raises(Problem, match=words) as problem:
        open_source(str(tmp_path / "*.jsonl"))
    assert problem.value.where == str(tmp_path / "*.jsonl")
    assert "d.jsonl" not in problem.value.what


def test_fields_that_only_some_records_have_are_no_difference(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"text": "x"}, {"text": "y", "id": 1}])
    write(tmp_path / "b.jsonl", [{"text": "z"}])
    assert len(values(tmp_path / "*.jsonl")) == 3


def test_tables_of_other_columns_and_files_of_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("instruction,output\na,b\n")
    (tmp_path / "b.csv").write_text("instruction;output\nc;d\n")
    assert len(values(tmp_path / "*.csv")) == 2
    assert "divided by a semicolon (in 1 of 2 files)" in notes(tmp_path / "*.csv")
    (tmp_path / "c.csv").write_text("instruction,answer\nc,d\n")
    with pytest.raises(Problem, match=r'c\.csv lacks "output" and has "answer" more'):
        open_source(str(tmp_path / "*.csv"))
    (tmp_path / "c.csv").write_text(json.dumps(ROWS))
    write(tmp_path / "d.csv", ROWS)
    with pytest.raises(Problem, match=r"different kinds: .*a\.csv is a table"):
        open_source(str(tmp_path / "*.csv"))


def test_columns_of_parquet_files_are_compared(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    for name, rows in [("a", ROWS[:10]), ("b", ROWS[10:])]:
        parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    assert values(tmp_path / "*.parquet") == ROWS
    assert values(tmp_path) == ROWS
    parquet.write_table(arrow.Table.from_pylist([{"text": "x"}]), tmp_path / "c.parquet")
    with pytest.raises(Problem, match=r'c\.parquet lacks "instruction", "output" and has "text"'):
        open_source(str(tmp_path))


def test_a_file_that_goes_away_between(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.jsonl", ROWS)
    with open_source(str(tmp_path / "*.jsonl")) as reading:
        items = iter(reading)
        next(items)
        (tmp_path / "b.jsonl").unlink()
        with pytest.raises(Problem, match=r"b\.jsonl: there is no such file"):
            list(items)


def test_pipes_and_loops_among_the_files_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", ROWS)
    os.mkfifo(tmp_path / "b.jsonl")
    with pytest.raises(Problem, match=r"b\.jsonl: is a pipe"):
        open_source(str(tmp_path / "*.jsonl"))
    (tmp_path / "b.jsonl").unlink()
    (tmp_path / "b.jsonl").symlink_to("b.jsonl")
    with pytest.raises(Problem, match=r"b\.jsonl: is a link that leads to itself"):
        open_source(str(tmp_path / "*.jsonl"))


# ---------------------------------------------------------------- folders


@pytest.mark.parametrize(
    ("train", "held"),
    [
        ("train.jsonl", "validation.jsonl"),
        ("train.jsonl", "valid.jsonl"),
        ("my_train.jsonl", "dev.jsonl"),
        ("train.jsonl", "rows.eval.jsonl"),
        ("train.jsonl", "test.jsonl"),
        ("train/a.jsonl", "validation/a.jsonl"),
        ("data/train-00000-of-00001.jsonl", "data/test-00000-of-00001.jsonl"),
        ("rows.jsonl", "val.jsonl"),
    ],
)
def test_a_folder_with_a_held_out_file(tmp_path: Path, train: str, held: str) -> None:
    write(tmp_path / train, ROWS[:20])
    write(tmp_path / held, ROWS[20:])
    assert values(tmp_path) == ROWS[:20]
    source = held_out(tmp_path)
    assert source == str(tmp_path / held)
    assert values(source) == ROWS[20:]
    assert "is the held-out data: no split is made" in notes(tmp_path)


def test_validation_comes_before_test_and_the_rest_is_named(tmp_path: Path) -> None:
    for name in ("train", "test", "validation"):
        write(tmp_path / f"{name}.jsonl", ROWS)
    assert held_out(tmp_path) == str(tmp_path / "validation.jsonl")
    assert "not used: test.jsonl" in notes(tmp_path)


def test_splits_of_many_files_are_named_with_a_sign(tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path / f"train/{n}.jsonl", ROWS[n * 5 : n * 5 + 5])
        write(tmp_path / f"validation/{n}.jsonl", ROWS[15 + n * 5 : 20 + n * 5])
    assert values(tmp_path) == ROWS[:15]
    source = held_out(tmp_path)
    assert source == f"{tmp_path}#validation"
    check_source(source)
    assert values(source) == ROWS[15:]
    assert held_out(source) is None
    assert values(f"{tmp_path}#train") == ROWS[:15]
    with pytest.raises(Problem, match=r"has no split test\. Fix: its splits: train, validation"):
        open_source(f"{tmp_path}#test")


def test_a_file_with_the_sign_in_its_name_is_that_file(tmp_path: Path) -> None:
    write(tmp_path / "a#test", ROWS)
    assert values(tmp_path / "a#test") == ROWS
    with pytest.raises(Problem, match="no such file"):
        open_source(str(tmp_path / "b#test"))


def test_a_folder_of_other_things(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# About\n\nText.\n")
    (tmp_path / "LICENSE.txt").write_text("text\n")
    (tmp_path / ".hidden.jsonl").write_text("{}\n")
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(Problem, match="holds no file of JSON Lines"):
        open_source(str(tmp_path))
    (tmp_path / "story.md").write_text("One.\n\nTwo.\n")
    assert values(tmp_path) == [{"text": "One."}, {"text": "Two."}]
    write(tmp_path / "rows.jsonl", ROWS)
    assert values(tmp_path) == ROWS
    (tmp_path / "rows.csv").write_text("instruction,output\na,b\n")
    with pytest.raises(Problem, match=r"different kinds: rows\.(csv|jsonl) is"):
        open_source(str(tmp_path))


def test_a_folder_with_nothing_to_train_on(tmp_path: Path) -> None:
    write(tmp_path / "test.jsonl", ROWS)
    write(tmp_path / "dev.jsonl", ROWS)
    with pytest.raises(Problem, match=r"holds 2 data files \(dev\.jsonl, test\.jsonl\)"):
        open_source(str(tmp_path))


def test_a_folder_that_leads_into_itself(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path)
    with pytest.raises(Problem, match="holds no file"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"),
        ("data/Train-00001.parquet", "train"),
        ("train/test.jsonl", "test"),
        ("contest.jsonl", None),
        ("latest/trainer.csv", None),
        ("validation_matched", "validation"),
        ("x.eval.jsonl", "validation"),
    ],
)
def test_what_a_name_speaks_of(name: str, part: str | None) -> None:
    assert splits.part_of(name) == part


def test_a_row_of_several_files_is_blamed_in_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    write(tmp_path / "a.jsonl", alpaca(20))
    long = {"instruction": "word " * 200, "output": "lost"}
    write(tmp_path / "b.jsonl", [*alpaca(40)[20:], long])
    config = from_dict({"data": {"path": str(tmp_path / "*.jsonl"), "max_length": 64}})
    dataset = open_data(config, lambda: tiny_tokenizer())
    (problem,) = summary(dataset)["problems"]
    assert problem["first"].startswith(f"{tmp_path}/b.jsonl:21:1: ")
    assert dataset.rows[0].path == f"{tmp_path}/a.jsonl"
