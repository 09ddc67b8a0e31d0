"""Arrow files, streams and folders that `datasets` saved, against what the libraries wrote."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from engine.data.containers.record import Odd
from engine.data.read import open_source
from engine.errors import Problem
from tests.data.reading import alpaca, read, read_bytes, shape_file

arrow = pytest.importorskip("pyarrow")
ROWS = [
    {"messages": [{"role": "user", "content": "ü"}, {"role": "assistant", "content": "b"}], "n": n}
    for n in range(700)
]


def written(table: Any, kind: str, **how: Any) -> bytes:
    sink = arrow.BufferOutputStream()
    make = arrow.ipc.new_file if kind == "file" else arrow.ipc.new_stream
    with make(sink, table.schema, **how) as writer:
        writer.write_table(table, max_chunksize=300)
    return bytes(sink.getvalue())


@pytest.fixture(params=["file", "stream"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", ["data.arrow", "data.jsonl"])
def test_rows_come_as_written(tmp_path: Path, kind: str, name: str) -> None:
    content = written(arrow.Table.from_pylist(ROWS), kind)
    found = read_bytes(tmp_path, content, name)
    assert found.container == "arrow"
    assert found.values == ROWS
    shaped, _ = shape_file(tmp_path / name)
    assert len(shaped.rows) == len(ROWS)


def test_compressed_and_dictionary_columns(tmp_path: Path, kind: str) -> None:
    rows = arrow.table({"text": arrow.array(["a", "b", "a"] * 50).dictionary_encode()})
    options = arrow.ipc.IpcWriteOptions(compression="zstd")
    found = read_bytes(tmp_path, written(rows, kind, options=options), "a.arrow")
    assert [value["text"] for value in found.values] == ["a", "b", "a"] * 50


def test_kinds_that_are_no_json_are_odd(tmp_path: Path, kind: str) -> None:
    table = arrow.Table.from_pylist([{"b": b"\xff", "t": "x", "f": float("nan")}])
    (value,) = read_bytes(tmp_path, written(table, kind), "a.arrow").values
    assert value == {"b": Odd("binary"), "t": "x", "f": None}


def test_text_that_holds_json_is_its_value_where_the_type_says_so(tmp_path: Path) -> None:
    inner = arrow.array(['{"a": [1, "x"]}', None, "7"])
    column = arrow.ExtensionArray.from_storage(arrow.json_(), inner)
    nested = arrow.ListArray.from_arrays([0, 1, 2, 3], column)
    table = arrow.table({"j": column, "l": nested, "s": inner})
    found = read_bytes(tmp_path, written(table, "stream"), "a.arrow")
    assert [v["j"] for v in found.values] == [{"a": [1, "x"]}, None, 7]
    assert [v["l"] for v in found.values] == [[{"a": [1, "x"]}], [None], [7]]
    assert found.values[0]["s"] == '{"a": [1, "x"]}'


def test_cut_and_damaged_files_are_named(tmp_path: Path, kind: str) -> None:
    whole = written(arrow.Table.from_pylist(ROWS), kind)
    random_ = random.Random(2)
    for cut in (len(whole) - 8, len(whole) // 2, 300):
        try:
            found = read_bytes(tmp_path, whole[:cut], "a.arrow")
        except Problem as problem:
            said = str(problem)
        else:
            (fault,) = found.faults
            said = f"{tmp_path / 'a.arrow'}: {fault.what}"
            assert fault.code == "torn"
        assert "a.arrow: " in said
        assert "cut off" in said or "damaged" in said or "without its end mark" in said
    for _ in range(4):
        at = random_.randrange(8, len(whole))
        (tmp_path / "a.arrow").write_bytes(whole[:at] + b"\xff" * 8 + whole[at + 8 :])
        try:
            read(tmp_path / "a.arrow")
        except Problem as problem:
            said = problem.where
        assert said.startswith(str(tmp_path / "a.arrow")) or "a.arrow" in said


def test_a_dictionary_bomb_is_refused(tmp_path: Path) -> None:
    column = arrow.DictionaryArray.from_arrays(arrow.array([0] * 3000), ["x" * 1_000_000])
    content = written(arrow.table({"text": column}), "stream")
    assert len(content) < 2_000_000
    with pytest.raises(Problem, match=r"bomb\.arrow: .*(unfold to more than|memory)"):
        read_bytes(tmp_path, content, "bomb.arrow")


# ---------------------------------------------------------------- folders saved by `datasets`


@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_saved_by_datasets(tmp_path: Path, shards: int) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(alpaca(12)).save_to_disk(str(tmp_path / "set"), num_shards=shards)
    found = read(tmp_path / "set")
    assert found.container == "datasets"
    assert found.values == alpaca(12)
    assert [record.number for record in found.records] == list(range(1, 13))
    with open_source(str(tmp_path / "set")) as reading:
        assert reading.path == str(tmp_path / "set")
        assert reading.held_out is None


def test_the_splits_of_a_saved_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = alpaca(12)
    parts = {"test": rows[:2], "train": rows[2:8], "validation": rows[8:]}
    made = {name: datasets.Dataset.from_list(part) for name, part in parts.items()}
    datasets.DatasetDict(made).save_to_disk(str(tmp_path / "set"))
    found = read(tmp_path / "set")
    assert found.values == rows[2:8]
    assert found.notes == [
        "the split train is used, and validation is the held-out data: no split is made; "
        "test is not used"
    ]
    with open_source(str(tmp_path / "set")) as reading:
        held = reading.held_out
    assert held == f"{tmp_path / 'set'}#validation"
    assert read(Path(held)).values == rows[8:]
    assert read(tmp_path / "set#test").values == rows[:2]
    with pytest.raises(Problem, match=r"there is no split dev\. Fix: its splits: test, train"):
        read(tmp_path / "set#dev")


def test_columns_of_pictures_are_left_out_and_features_decoded(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "t": datasets.Value("string"),
            "p": datasets.Image(),
            "l": datasets.ClassLabel(names=["a"]),
        }
    )
    columns = {"t": ["x"], "p": [{"bytes": b"raw", "path": None}], "l": [0]}
    table = datasets.table.InMemoryTable(arrow.table(columns, schema=features.arrow_schema))
    info = datasets.DatasetInfo(features=features)
    datasets.Dataset(table, info=info).save_to_disk(str(tmp_path / "set"))
    found = read(tmp_path / "set")
    assert found.values == [{"t": "x", "l": 0}]
    assert found.notes == ["columns of pictures or sound are left out: p"]


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("state.json", {"_data_files": [{"filename": "../../secret.arrow"}]}),
        ("state.json", {"_data_files": []}),
        ("state.json", {"_data_files": 7}),
        ("state.json", []),
        ("dataset_dict.json", {"splits": ["../x"]}),
        ("dataset_dict.json", {"splits": "train"}),
    ],
)
def test_descriptions_that_lead_elsewhere_are_refused(
    tmp_path: Path, name: str, tree: object
) -> None:
    (tmp_path / name).write_text(json.dumps(tree))
    with pytest.raises(Problem) as problem:
        read(tmp_path)
    assert problem.value.where == str(tmp_path)
