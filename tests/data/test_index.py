"""An index gives each record as reading the whole file gives it, whatever the file holds."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.data.containers import index
from engine.data.containers.index import index_of
from engine.data.containers.index_several import index_of_all
from engine.data.containers.record import Record
from engine.data.read import open_source
from engine.errors import Problem
from tests.data.reading import alpaca
from tests.data.test_hostile_files import SEEDS, damaged

LINES = "".join(json.dumps(row) + "\n" for row in alpaca(200)).encode()
TABLE = b"a,b\n" + b'"one ""1"", two","x\ny"\nplain,"z"\n\n' * 100


def streamed(path: Path) -> list[Any] | str:
    try:
        with open_source(str(path)) as reading:
            if not reading.indexable:
                return "no index"
            return list(reading)
    except Problem as problem:
        return str(problem)


def indexed(path: Path, step: int | None) -> list[Any] | str:
    try:
        with index_of(str(path), limit_bytes=step) as found:
            while step and not found.complete:
                found.extend(step)
            assert found.complete
            return [found.record(at) for at in range(len(found))]
    except Problem as problem:
        return str(problem)


def agree(path: Path, step: int | None = None) -> None:
    wanted = streamed(path)
    if wanted == "no index":
        with pytest.raises(Problem, match="has no index"):
            index_of(str(path))
        return
    found = indexed(path, step)
    assert found == wanted, path.read_bytes()[:400]
    if isinstance(found, list):
        for one, other in zip(found, wanted, strict=True):
            if isinstance(one, Record):
                assert isinstance(other, Record)
                assert one.text == other.text
                assert (one.cells and one.cells()) == (other.cells and other.cells())


@pytest.fixture(params=[7, 64, 4 * 2**20])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The scan's pieces, from a few bytes on: every edge falls everywhere."""
    monkeypatch.setattr(index, "CHUNK", request.param)
    return int(request.param)


@pytest.mark.parametrize("name", ["lines.jsonl", "plain.jsonl", "table.csv", "table.tsv"])
def test_damaged_files_read_the_same_both_ways(tmp_path: Path, name: str, chunk: int) -> None:
    random_ = random.Random(chunk)
    for round_ in range(300):
        (tmp_path / name).write_bytes(damaged(SEEDS[name], random_))
        agree(tmp_path / name, step=None if round_ % 2 else 5)


TABLE_PIECES = st.sampled_from(
    ["a", "b c", '"', '""', ",", ",", "\n", "\n", "\r\n", "\r", '"x,y"', '"p\nq"', "é", "\0", " "]
)


@settings(
    deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=st.lists(TABLE_PIECES, max_size=40), end=st.sampled_from([b"", b"\n", b"\xe9"]))
def test_any_table_reads_the_same_both_ways(
    tmp_path: Path, chunk: int, pieces: list[str], end: bytes
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"h,i\n" + "".join(pieces).encode() + end)
    agree(path)


@settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lines=st.lists(
        st.sampled_from(
            [
                b'{"a": 1}',
                b"",
                b"  ",
                b"\t\r",
                b"\x0b",
                b' {"b": "\xc3\xa9"}\r',
                b"{",
                b"\xff",
                b"7",
            ]
        ),
        max_size=12,
    ),
    mark=st.booleans(),
    end=st.booleans(),
)
def test_any_lines_read_the_same_both_ways(
    tmp_path: Path, chunk: int, lines: list[bytes], mark: bool, end: bool
) -> None:
    path = tmp_path / "l.jsonl"
    body = b"\n".join([b'{"a": 0}', *lines])
    path.write_bytes(b"\xef\xbb\xbf" * mark + body + b"\n" * end)
    agree(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_records_of_many_megabytes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.csv":
        line = b"x," * 10_000 + b"\n"
        text = b'h,i\na,b\n"' + line * 600 + b'",c\n"' + b"y" * 2**21 + b'",d\ne,f\n"'
        text += line * 900 + b'",g\nh,i\n' + b"q" * (17 * 2**20) + b",r\ns,t\n"
    else:
        long = b'{"a": "' + b"x" * (15 * 2**20) + b'"}\n'
        text = b'{"a": 1}\n' + long + b"\n" + b" " * (17 * 2**20) + b"\n" + b"y" * (40 * 2**20)
        text += b'\n{"a": 2}\n' + b"{" * (17 * 2**20)
    path.write_bytes(text)
    agree(path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_the_first_screen_comes_before_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    content = LINES * 5 if name == "a.jsonl" else TABLE * 5
    monkeypatch.setattr(index, "CHUNK", 1000)
    path = tmp_path / name
    path.write_bytes(content)
    with open_source(str(path)) as reading:
        wanted = list(reading)
    told: list[tuple[int, int]] = []
    with index_of(str(path), limit_bytes=1000) as found:
        first = [found.record(at) for at in range(len(found))]
        assert not found.complete
        assert 0 < len(first) < 200
        assert first == wanted[: len(first)]
        found.extend(None, lambda done, total: told.append((done, total)))
        assert found.complete
        assert [found.record(at) for at in range(len(found))] == wanted
        assert found.offsets.dtype == "int64"
        with pytest.raises(IndexError):
            found.record(len(found))
        with pytest.raises(IndexError):
            found.record(-1)
    assert told[-1] == (len(content), len(content))


def test_a_partial_index_holds_whole_records_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "CHUNK", 50)
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    with index_of(str(path), limit_bytes=120) as found:
        assert not found.complete
        assert 0 < len(found) < 10
        values = [found.record(at).value for at in range(len(found))]  # type: ignore[union-attr]
        assert values == alpaca(200)[: len(found)]


@pytest.mark.parametrize("change", ["grow", "touch", "replace", "delete", "shorten"])
def test_a_file_that_changed_is_not_read_on(tmp_path: Path, change: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES)
    found = index_of(str(path), limit_bytes=100)
    assert isinstance(found.record(0), Record)
    if change == "grow":
        path.write_bytes(LINES * 2)
    elif change == "touch":
        os.utime(path, ns=(1, 1))
    elif change == "replace":
        (tmp_path / "b").write_bytes(LINES)
        os.utime(tmp_path / "b", ns=(1, path.stat().st_mtime_ns))
        (tmp_path / "b").replace(path)
    elif change == "shorten":
        os.truncate(path, 50)
    else:
        path.unlink()
    words = {"replace": "replaced", "delete": "deleted"}.get(change, "changed")
    with pytest.raises(Problem, match=rf"a\.jsonl: was {words}"):
        found.record(0)
    with pytest.raises(Problem, match=rf"a\.jsonl: was {words}"):
        found.extend()
    found.close()


def test_stray_quotes_far_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [b'5" screen,b\n' if n % 1000 == 0 else b"plain,c\n" for n in range(20_000)]
    path.write_bytes(b"a,b\n" + b"".join(rows))
    agree(path)


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_several_files_are_indexed_as_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(index, "CHUNK", 500)
    whole = LINES if ending == "jsonl" else TABLE
    for n, content in enumerate([whole[:3000], whole[:40], whole]):
        (tmp_path / f"{n}.{ending}").write_bytes(content)
    with open_source(str(tmp_path)) as reading:
        wanted = list(reading)
    assert reading.indexable
    told: list[tuple[int, int]] = []
    with index_of_all(reading.files, limit_bytes=600) as found:
        assert not found.complete
        seen = 0
        while not found.complete:
            assert len(found) >= seen
            assert [found.record(at) for at in range(seen, len(found))] == wanted[seen : len(found)]
            seen = len(found)
            found.extend(2000, lambda done, total: told.append((done, total)))
        assert [found.record(at) for at in range(len(found))] == wanted
        for at in (-1, len(found)):
            with pytest.raises(IndexError):
                found.record(at)
    assert told == sorted(told)
    assert told[-1] == (found.size, found.size)
