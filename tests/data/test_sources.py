"""What is no data file is refused by name; folders and the Parquet road."""

from __future__ import annotations

import bz2
import io
import json
import os
import threading
import zipfile
from pathlib import Path

import pytest

from engine.data.containers import hub
from engine.data.containers.record import Odd, Record
from engine.data.read import open_source
from engine.errors import Problem
from tests.data.reading import alpaca, read, read_bytes, shape_file

LINES = "".join(json.dumps(row) + "\n" for row in alpaca(20)).encode()


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("data.jsonl", LINES)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bz2.compress(LINES), "this is bzip2"),
        (zipped(), "this is a zip archive"),
        (LINES.decode().encode("utf-16"), "this is UTF-16"),
        (LINES.decode().encode("utf-16-le"), "this is UTF-16"),
        (LINES.decode().encode("utf-16-be"), "this is UTF-16"),
        (LINES.decode().encode("utf-32"), "this is UTF-32"),
        (bytes(range(256)) * 40, "this is not text"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
        (b"<!doctype html><html></html>", "a web page"),
        (b"GGUF\x03\0\0\0", "a GGUF model"),
        (b"", "no records"),
        (b"\n \n\t\n", "no records"),
        (b"\xef\xbb\xbf", "no records"),
    ],
)
@pytest.mark.parametrize("name", ["data.jsonl", "data.csv"])
def test_other_kinds_of_files_are_named(
    tmp_path: Path, content: bytes, words: str, name: str
) -> None:
    with pytest.raises(Problem, match=words) as problem:
        read_bytes(tmp_path, content, name)
    assert problem.value.where.startswith(str(tmp_path / name))


def test_text_that_is_no_data(tmp_path: Path) -> None:
    for name in ("story", "story.doc"):
        with pytest.raises(Problem, match="neither JSON nor a table"):
            read_bytes(tmp_path, b"Once upon a time.\nThe end.\n", name)


def test_folders_pipes_devices_links_and_names(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "loop.jsonl").symlink_to("loop.jsonl")
    (tmp_path / "train.jsonl").write_bytes(LINES)
    cases = {
        tmp_path / "pipe.jsonl": "is a pipe",
        Path("/dev/zero"): "is a device",
        Path("/proc/self/environ"): "file of the system",
        tmp_path / "loop.jsonl": "leads to itself",
        tmp_path / ("x" * 300): "cannot be opened",
        tmp_path / "trian.jsonl": f"did you mean {tmp_path / 'train.jsonl'}",
        tmp_path / "nul\0.jsonl": "zero character",
    }
    for path, words in cases.items():
        with pytest.raises(Problem, match=words):
            read(path)


def test_a_folder_is_its_one_file_or_its_training_file(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="holds no file"):
        read(tmp_path)
    (tmp_path / "rows.jsonl").write_bytes(LINES)
    assert len(read(tmp_path).records) == 20
    (tmp_path / "other.jsonl").write_bytes(LINES)
    assert len(read(tmp_path).records) == 40
    (tmp_path / "train.jsonl").write_bytes(LINES[: LINES.index(b"\n")])
    found = read(tmp_path)
    assert len(found.records) == 1
    assert "train.jsonl is read; other.jsonl, rows.jsonl can be named" in found.notes[0]


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(LINES)
    with open_source(str(path)) as reading:
        records = iter(reading)
        next(records)
        with path.open("ab") as more:
            more.write(LINES)
        with pytest.raises(Problem, match="changed while it was read"):
            list(records)


def test_progress_ends_at_the_size(tmp_path: Path) -> None:
    rows = b"".join(json.dumps(row).encode() + b"\n" for row in alpaca(3000))
    for name, content in [
        ("a.jsonl", rows),
        ("a.json", json.dumps(alpaca(3000)).encode()),
        ("a.csv", b"instruction,output\n" + b"a,b\n" * 3000),
    ]:
        (tmp_path / name).write_bytes(content)
        told = progress_of(tmp_path / name)
        assert len(told) > 3
        assert told == sorted(told)
        assert told[-1] == (len(content), len(content))


def progress_of(path: Path) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    with open_source(str(path), lambda done, total: told.append((done, total))) as reading:
        list(reading)
    return told


def test_parquet_comes_through_the_child(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    turns = [{"role": "user", "content": "ü"}, {"role": "assistant", "content": "b"}]
    rows = [
        {"messages": turns, "score": 1.5, "raw": b"\x00", "n": 1},
        {"messages": None, "score": float("nan"), "raw": None, "n": 2},
        {"messages": turns, "score": None, "raw": b"x", "n": 3},
    ]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "data.bin")
    found = read(tmp_path / "data.bin")
    assert found.container == "parquet"
    assert [value["messages"] for value in found.values] == [turns, None, turns]
    shaped, log = shape_file(tmp_path / "data.bin")
    assert [row.number for row in shaped.rows] == [1, 3]
    assert [(fault.line, fault.code) for fault in log.faults] == [(2, "type")]


def test_bytes_where_text_is_wanted_are_a_fault(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"prompt": "a", "completion": b"b"}, {"prompt": "c", "completion": b"d"}]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "data.parquet")
    shaped, log = shape_file(tmp_path / "data.parquet")
    assert shaped.rows == []
    assert "'completion' is binary, expected text" in log.faults[0].what
    assert log.total == 2


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    before = threading.active_count()
    read_bytes(tmp_path, LINES)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owner/name", True),
        ("a/b-c_d.v1", True),
        ("name", False),
        ("a/b/c", False),
        ("../x", False),
    ],
)
def test_what_may_be_a_name_on_the_hub(name: str, expected: bool) -> None:
    assert hub.looks_like_id(name) == expected


def test_values_of_datasets_as_json_knows_them() -> None:
    given = {"a": [1, "x", None, True], "f": float("nan"), "b": b"raw", "c": {1: object()}}
    found = hub.plain(given)
    assert found["a"] == [1, "x", None, True]
    assert (found["f"], found["b"], found["c"]) == (None, Odd("binary"), {"1": Odd("object")})


def test_the_splits_of_a_data_set_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    rows = alpaca(6)
    parts = {"test": rows[:1], "train": rows[1:4], "validation": rows[4:]}
    made = {name: datasets.Dataset.from_list(part) for name, part in parts.items()}
    monkeypatch.setattr(hub, "_reachable", lambda path: True)
    monkeypatch.setattr(datasets, "load_dataset", lambda path: datasets.DatasetDict(made))
    with open_source("owner/name") as reading:
        assert [item.value for item in reading if isinstance(item, Record)] == rows[1:4]
    assert reading.held_out == "owner/name#validation"
    assert reading.path == "owner/name"
    with open_source("owner/name#validation") as held:
        assert [item.value for item in held if isinstance(item, Record)] == rows[4:]
    assert held.held_out is None
    with pytest.raises(Problem, match=r"there is no split dev\. Fix: its splits: test, train"):
        open_source("owner/name#dev")
