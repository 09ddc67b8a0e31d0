"""A source converted once gives back what reading it gives, place by place."""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest

from engine.data.containers.json_cache import Cached, as_json_lines, open_cache
from engine.data.containers.record import Odd, Record
from engine.data.read import Reading, open_source
from engine.data.rows import Fault
from engine.errors import Problem
from tests.data.reading import alpaca
from tests.data.test_hostile_files import CHATS, SEEDS, damaged


def converted(source: Path, out: Path, **how: Any) -> Cached:
    with open_source(str(source)) as reading:
        return as_json_lines(reading, out, **how)


def paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [here, *(path for name, each in inner for path in paths(each, (*here, name)))]


def agree(source: Path, out: Path) -> None:
    with open_source(str(source)) as reading:
        wanted = list(reading)
    cached = converted(source, out)
    found = list(cached)
    assert found == wanted
    assert len(cached) == len(wanted)
    assert (cached.path, cached.container) == (reading.path, reading.container)
    assert (cached.notes, cached.held_out) == (reading.notes, reading.held_out)
    for one, other in zip(found, wanted, strict=True):
        if isinstance(one, Record) and isinstance(other, Record):
            for path in paths(one.value):
                assert one.place(path) == other.place(path)
    cached.close()


def problem_of(path: Path) -> str:
    try:
        with open_source(str(path)) as reading:
            list(reading)
    except Problem as problem:
        return str(problem)
    return ""


@pytest.mark.parametrize("name", SEEDS)
def test_any_file_comes_back_the_same(tmp_path: Path, name: str) -> None:
    random_ = random.Random(9)
    for round_ in range(60):
        path = tmp_path / name
        path.write_bytes(damaged(SEEDS[name], random_) if round_ else SEEDS[name])
        refused = problem_of(path)
        if refused:
            with pytest.raises(Problem, match=f"^{re.escape(refused)}$"):
                converted(path, tmp_path / "out")
            continue
        agree(path, tmp_path / "out")


def test_several_files_and_their_faults(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.json").write_text(json.dumps(CHATS, indent=n))
    (folder / "3.json").write_text("[" + json.dumps(CHATS[0]) + ', {"messages": 1e999}, 7]')
    agree(folder, tmp_path / "out")
    items = list(converted(folder, tmp_path / "out"))
    assert {item.path for item in items} == {str(folder / f"{n}.json") for n in range(4)}
    assert sum(isinstance(item, Fault) for item in items) == 2


def test_values_that_are_no_json_and_large_records(tmp_path: Path) -> None:
    deep: Any = "x"
    for _ in range(60):
        deep = [deep]
    records = [
        Record(1, 1, 1, {"a": Odd("binary"), "b": [{"c": Odd("date")}], "d": None}),
        Record(2, 2, 1, {"a": deep, "n": -(2**63), "f": 1e300}),
        Record(3, 3, 1, {"a": '"' * (15 * 2**20)}),
        Fault(4, 1, "type", "x\udc80", "y", 4, "name\udcff"),
        Record(5, 5, 1, {"a": "\u2028\x1b\x7f"}, path="other"),
    ]
    reading = Reading("made", "parquet", ["a note"], _source=records)
    cached = as_json_lines(reading, tmp_path / "out")
    assert list(cached) == records
    assert cached.record(2) == records[2]
    with pytest.raises(IndexError):
        cached.record(5)
    with pytest.raises(IndexError):
        cached.record(-1)


def test_the_cache_is_found_again_until_its_source_changes(tmp_path: Path) -> None:
    source = tmp_path / "a.json"
    source.write_text(json.dumps(alpaca(20), indent=1))
    out = tmp_path / "out"
    assert open_cache(out) is None
    converted(source, out).close()
    found = open_cache(out)
    assert found is not None
    assert [item.value for item in found if isinstance(item, Record)] == alpaca(20)
    os.utime(source, ns=(1, 1))
    assert open_cache(out) is None
    converted(source, out).close()
    whole = out.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 2):
        out.write_bytes(whole[:cut])
        assert open_cache(out) is None
    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join(lines[1:]))
    assert open_cache(out) is None


def test_nothing_is_left_of_a_conversion_that_fails(tmp_path: Path) -> None:
    source = tmp_path / "a.json"
    source.write_text(json.dumps(alpaca(3000)))
    folder = tmp_path / "cache"
    folder.mkdir()

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        converted(source, folder / "out", on_progress=stop)
    assert list(folder.iterdir()) == []
    with pytest.raises(Problem, match="cannot be written"):
        converted(source, tmp_path / "none" / "out")


def test_progress_of_a_conversion_ends_at_the_whole(tmp_path: Path) -> None:
    source = tmp_path / "a.json"
    source.write_text(json.dumps(alpaca(3000)))
    told: list[tuple[int, int]] = []
    converted(source, tmp_path / "out", on_progress=lambda done, total: told.append((done, total)))
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == source.stat().st_size


def test_a_file_more_makes_another_source(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(alpaca(3)))
    (folder / "b.json").write_text(json.dumps(alpaca(3)))
    converted(folder, tmp_path / "out").close()
    with open_source(str(folder)) as reading:
        assert open_cache(tmp_path / "out", reading.files) is not None
    (folder / "c.json").write_text(json.dumps(alpaca(3)))
    with open_source(str(folder)) as reading:
        assert open_cache(tmp_path / "out", reading.files) is None
