"""Files that are bad in ways of their own: each is met with its name, its place and what to do."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.containers.index import index_of
from engine.data.containers.record import Record
from engine.data.read import check_source, open_source
from engine.data.rows import Fault
from engine.errors import Problem
from engine.text import clean
from tests.data.reading import alpaca, read, read_bytes

LINES = "".join(json.dumps(row) + "\n" for row in alpaca(20)).encode()
MAGIC = [
    b"", b"{", b"[", b'{"a": [{', b"a,b\n", b"\xef\xbb\xbf", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd",
    b"\xff\xfe", b"PK\x03\x04", b'"', b"\0" * 9, b"\xff\xff\xff\xff\xff", b"\x50\x2a\x4d\x18",
]  # fmt: skip


@settings(
    deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    begin=st.sampled_from(MAGIC),
    content=st.binary(max_size=200) | st.text(max_size=80).map(str.encode),
    name=st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a.md", "a", "a.gz"]),
)
def test_any_bytes_are_records_faults_or_a_problem(
    tmp_path: Path, begin: bytes, content: bytes, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(begin + content)
    try:
        with open_source(str(path)) as reading:
            items = list(reading)
    except Problem as problem:
        said = str(problem)
        assert said.startswith(str(path))
        assert ". Fix: " in said
        return
    for item in items:
        assert isinstance(item, Record | Fault)
        assert item.line >= 1
        if isinstance(item, Fault):
            assert item.what
            assert item.fix
            assert item.path == str(path)


def test_a_scalar_is_no_record(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, b"42\n", "a.jsonl")
    assert found.places == [(1, 1, "shape")]
    assert "the record is a number, expected an object" in found.faults[0].what


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-16", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-32", "UTF-32")]
)
def test_another_encoding_comes_with_the_command_that_converts_it(
    tmp_path: Path, encoding: str, name: str
) -> None:
    with pytest.raises(Problem, match=rf"data\.csv:1:1: this is {name}") as problem:
        read_bytes(tmp_path, LINES.decode().encode(encoding), "data.csv")
    assert f"iconv -f {name} -t UTF-8" in problem.value.fix


def test_latin_1_comes_with_the_command_that_converts_it(tmp_path: Path) -> None:
    (fault,) = read_bytes(tmp_path, b'{"a": "caf\xe9"}\n').faults
    assert "iconv -f WINDOWS-1252 -t UTF-8" in fault.fix
    assert "offset 10 " in fault.what


def test_a_line_of_a_gigabyte_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(LINES * 4 + b'{"a": "')
        file.seek(2**30)
        file.write(b'"}\n' + LINES)
    tracemalloc.start()
    try:
        with open_source(str(path)) as reading:
            items = list(reading)
        with index_of(str(path)) as index:
            again = [index.record(at) for at in range(len(index))]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert again == items
    (fault,) = [item for item in items if isinstance(item, Fault)]
    assert (fault.line, fault.code, len(items)) == (81, "too_long", 101)
    assert peak < 120 * 2**20


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
@pytest.mark.parametrize("change", ["grow", "replace", "delete", "shorten"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: str, name: str) -> None:
    path = tmp_path / name
    rows = alpaca(3000)
    contents = {
        "a.jsonl": LINES * 100,
        "a.csv": b"instruction,output\n" + b"a,b\n" * 3000,
        "a.json": json.dumps(rows).encode(),
    }
    path.write_bytes(contents[name])
    with open_source(str(path)) as reading:
        items = iter(reading)
        next(items)
        if change == "grow":
            with path.open("ab") as file:
                file.write(LINES)
        elif change == "shorten":
            os.truncate(path, 100)
        elif change == "delete":
            path.unlink()
        else:
            (tmp_path / "new").write_bytes(contents[name])
            (tmp_path / "new").replace(path)
        with pytest.raises(Problem, match=r"was (changed|deleted|replaced).* while it was read"):
            list(items)


def test_names_that_drive_a_terminal_are_shown_inert(tmp_path: Path) -> None:
    name = "a\x1b]52;c;aGk=\x07\n\u202e.jsonl"
    found = read_bytes(tmp_path, LINES + b"{oops\n", name)
    assert len(found.records) == 20
    shown = clean(str(found.faults[0]), lines=False)
    assert not {"\x1b", "\x07", "\n", "\u202e"} & set(shown)
    with pytest.raises(Problem, match="no such file") as problem:
        check_source(str(tmp_path / name.replace("jsonl", "jsnl")))
    assert not {"\x1b", "\x07", "\n", "\u202e"} & set(problem.value.fix)
    (tmp_path / "b.csv").write_text("a,b\nc,d\n")
    with pytest.raises(Problem, match="different kinds") as problem:
        open_source(str(tmp_path))
    assert not {"\x1b", "\x07", "\n", "\u202e"} & set(problem.value.what)


@pytest.mark.parametrize("look", [open_source, check_source])
@pytest.mark.parametrize("depth", [".", "deep/../"])
def test_what_is_no_file_of_the_disk(tmp_path: Path, look: Any, depth: str) -> None:
    (tmp_path / "deep").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    (tmp_path / "one.jsonl").symlink_to("two.jsonl")
    (tmp_path / "two.jsonl").symlink_to("one.jsonl")
    (tmp_path / "gone.jsonl").symlink_to("nowhere.jsonl")
    cases = {
        "pipe.txt": "is a pipe",
        "zero.jsonl": "is a device",
        "one.jsonl": "leads to itself",
        "gone.jsonl": "there is no such file",
        "x" * 300 + ".gz": "cannot be opened",
    }
    for name, words in cases.items():
        with pytest.raises(Problem, match=words):
            look(str(tmp_path / depth / name))


def test_a_table_of_fields_beyond_the_csv_modules_limit_in_every_container(tmp_path: Path) -> None:
    rows = [{"instruction": "x, " * 50_000, "output": "y"}] * 2
    text = "instruction,output\n" + "".join(f'"{r["instruction"]}",{r["output"]}\n' for r in rows)
    assert read_bytes(tmp_path, text.encode(), "a.csv").values == rows
    with index_of(str(tmp_path / "a.csv")) as index:
        assert [index.record(at) for at in range(2)] == read(tmp_path / "a.csv").records


@pytest.mark.parametrize("plaintext_footer", [True, False])
def test_encrypted_parquet_says_so(tmp_path: Path, plaintext_footer: bool) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    encryption = pytest.importorskip("pyarrow.parquet.encryption")

    class Kms(encryption.KmsClient):  # type: ignore[misc]
        def __init__(self, _config: Any) -> None:
            super().__init__()

        def wrap_key(self, key: bytes, _master: str) -> bytes:
            return key.hex().encode()

    how = encryption.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["text"]}, plaintext_footer=plaintext_footer
    )
    factory = encryption.CryptoFactory(Kms)
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), how)
    table = arrow.Table.from_pylist([{"text": "secret"}])
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path, encryption_properties=properties)
    with pytest.raises(Problem, match=r"a\.parquet: the Parquet file is encrypted"):
        read(path)
