"""Parquet files, good and hostile, against what pyarrow itself says is in them."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Problem
from engine.sandbox import limited

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def convert(path: Path, most_bytes: int = 2**30, memory: int = 4 * 2**30) -> list[Any]:
    out = path.with_suffix(".jsonl")
    out.unlink(missing_ok=True)
    limited.run(
        "parquet",
        {"path": str(path), "out": str(out), "most_bytes": most_bytes},
        seconds=60,
        memory_bytes=memory,
        where=path.name,
    )
    return [json.loads(line) for line in out.read_text().splitlines()]


def write(path: Path, rows: list[dict[str, Any]], **how: Any) -> Path:
    parquet.write_table(arrow.Table.from_pylist(rows), path, **how)
    return path


def test_rows_over_many_groups_come_in_order(tmp_path: Path) -> None:
    rows = [
        {"n": n, "text": f"é {n}\n", "turns": [{"role": "user", "content": "x" * (n % 5)}]}
        for n in range(1000)
    ]
    found = convert(write(tmp_path / "a.parquet", rows, row_group_size=77))
    assert [line["row"] for line in found] == rows


def test_what_json_has_no_form_for_is_named(tmp_path: Path) -> None:
    rows = [
        {"b": b"\xff", "d": datetime.date(2020, 1, 1), "f": float("inf"), "t": "ok"},
        {"b": None, "d": None, "f": 1.5, "t": None},
    ]
    found = convert(write(tmp_path / "a.parquet", rows))
    assert found[0] == {"row": {"f": None, "t": "ok"}, "odd": {"b": "binary", "d": "date"}}
    assert found[1] == {"row": {"b": None, "d": None, "f": 1.5, "t": None}}


def test_text_that_is_not_utf8_is_a_fault_of_its_row(tmp_path: Path) -> None:
    raw = arrow.array([b"good", b"b\xff\xfed", b"good"]).view(arrow.string())
    parquet.write_table(arrow.table({"text": raw}), tmp_path / "a.parquet")
    found = convert(tmp_path / "a.parquet")
    assert [line.get("row") for line in found] == [{"text": "good"}, None, {"text": "good"}]
    assert found[1]["fault"][0] == "encoding"


def test_zero_characters_are_a_fault_of_their_row(tmp_path: Path) -> None:
    found = convert(write(tmp_path / "a.parquet", [{"text": "a\0b"}, {"text": "c"}]))
    assert found[0]["fault"][0] == "characters"
    assert found[1] == {"row": {"text": "c"}}


def test_a_few_bytes_that_unfold_to_gigabytes_are_refused(tmp_path: Path) -> None:
    rows = arrow.array(["x" * 1_000_000] * 3000).dictionary_encode()
    parquet.write_table(arrow.table({"text": rows}), tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 1_000_000
    with pytest.raises(Problem, match=r"bomb\.parquet: .*unfold to more than 0\.125 GB"):
        convert(tmp_path / "bomb.parquet")
    with pytest.raises(Problem, match=r"bomb\.parquet: .*(memory|allocate)"):
        convert(tmp_path / "bomb.parquet", memory=400 * 2**20)


def test_the_total_is_bounded(tmp_path: Path) -> None:
    rows = [{"text": f"{n} " * 100} for n in range(1000)]
    with pytest.raises(Problem, match="unfold to more than"):
        convert(write(tmp_path / "a.parquet", rows), most_bytes=100_000)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not Parquet"),
        (b"PAR1", "cut off"),
        (b"PAR1PAR1", "cut off"),
        (b"PAR1" + b"x" * 100, "cut off"),
        (
            b"PAR1" + b"x" * 100 + (2**31).to_bytes(4, "little") + b"PAR1",
            "footer says 2,147,483,648",
        ),
        (b"PAR1" + b"x" * 100 + (0).to_bytes(4, "little") + b"PAR1", "footer says 0"),
        (b"PAR1" + b"x" * 100 + (50).to_bytes(4, "little") + b"PAR1", "damaged"),
        (b"PAR1" + b"x" * 100 + (50).to_bytes(4, "little") + b"PARE", "encrypted"),
        (b"PARE" + b"x" * 100, "encrypted"),
        (b"{}" * 100, "not Parquet"),
    ],
)
def test_what_is_no_parquet_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    with pytest.raises(Problem, match=rf"bad\.parquet: .*{words}"):
        convert(path)


def test_damage_in_the_middle_is_a_problem_or_another_value(tmp_path: Path) -> None:
    rows = [{"text": f"row {n}" * 20, "n": n} for n in range(300)]
    whole = write(tmp_path / "good.parquet", rows).read_bytes()
    path = tmp_path / "bad.parquet"
    outcomes = set()
    for at in range(8, len(whole), len(whole) // 8):
        path.write_bytes(whole[:at] + b"\xff" * 8 + whole[at + 8 :])
        try:
            outcomes.add(type(convert(path)))
        except Problem as problem:
            outcomes.add(type(problem))
    assert outcomes <= {list, Problem}
    assert Problem in outcomes
