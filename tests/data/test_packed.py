"""gzip and zstd around every container of text: the same records, and archives that are hostile."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from engine.data.containers import packed
from engine.data.read import open_source
from engine.data.rows import Fault
from engine.errors import Problem
from tests.data.reading import alpaca, read, read_bytes
from tests.data.test_hostile_files import SEEDS

ROWS = alpaca(3000)
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
TEXTS = {**SEEDS, "story.txt": b"Once upon.\n\nThe end.\n", "long.jsonl": LINES}


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


PACKERS: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".zst": zstd}


@pytest.fixture(params=PACKERS)
def ending(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("name", TEXTS)
def test_packed_reads_as_unpacked(tmp_path: Path, name: str, ending: str) -> None:
    plain = read_bytes(tmp_path, TEXTS[name], name)
    found = read_bytes(tmp_path, PACKERS[ending](TEXTS[name]), name + ending)
    assert found.values == plain.values
    assert found.places == plain.places
    assert found.container == plain.container
    kind = "gzip" if ending == ".gz" else "zstd"
    assert found.notes == [f"unpacked from {kind}", *plain.notes]


def test_the_name_says_nothing_of_the_packing(tmp_path: Path, ending: str) -> None:
    found = read_bytes(tmp_path, PACKERS[ending](LINES), "data.jsonl")
    assert found.values == ROWS
    plain = read_bytes(tmp_path, LINES, f"data.jsonl{ending}")
    assert (plain.values, plain.notes) == (ROWS, [])


def test_the_inner_ending_is_the_hint(tmp_path: Path, ending: str) -> None:
    """One column is a table only where the name says so."""
    found = read_bytes(tmp_path, PACKERS[ending](b"text\nhello\nworld\n"), f"a.csv{ending}")
    assert found.values == [{"text": "hello"}, {"text": "world"}]


def test_archives_of_several_members_and_padding(tmp_path: Path, ending: str) -> None:
    pack = PACKERS[ending]
    lines = LINES.splitlines(keepends=True)
    parts = [pack(b"".join(lines[at : at + 100])) for at in range(0, len(lines), 100)]
    content = b"".join(parts) + (b"\0" * 600 if ending == ".gz" else b"")
    assert read_bytes(tmp_path, content, f"a.jsonl{ending}").values == ROWS
    assert read_bytes(tmp_path, pack(b"") + content, f"a.jsonl{ending}").values == ROWS


def test_an_archive_cut_off_says_how_many_records_came_before(tmp_path: Path, ending: str) -> None:
    random_ = random.Random(3)
    noisy = [{"instruction": str(random_.random()), "output": "x"} for _ in range(20_000)]
    whole = PACKERS[ending]("".join(json.dumps(row) + "\n" for row in noisy).encode())
    for cut in (len(whole) - 3, len(whole) * 2 // 3):
        found = read_bytes(tmp_path, whole[:cut], f"a.jsonl{ending}")
        (fault,) = found.faults
        assert fault.code == "torn"
        assert f"is cut off: its end is missing, after {len(found.records):,} records" in fault.what
        assert fault.number == len(found.records) + 1
        assert found.values == noisy[: len(found.records)]
        assert fault.path == str(tmp_path / f"a.jsonl{ending}")
    with pytest.raises(Problem, match=r"archive is .*before its first record"):
        read_bytes(tmp_path, whole[:12], f"a.jsonl{ending}")


def test_damage_anywhere_is_records_and_a_fault_or_a_problem(tmp_path: Path, ending: str) -> None:
    whole = PACKERS[ending](LINES)
    random_ = random.Random(5)
    path = tmp_path / f"a.jsonl{ending}"
    seen = set()
    for _ in range(200):
        at = random_.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([random_.randrange(256)]) + whole[at + 1 :])
        try:
            with open_source(str(path)) as reading:
                items = list(reading)
        except Problem as problem:
            seen.add("problem" if problem.where.startswith(str(path)) else problem.where)
            continue
        torn = [item for item in items if isinstance(item, Fault) and item.code == "torn"]
        seen.add("fault" if torn else "read")
    assert {"problem", "fault"} & seen
    assert seen <= {"problem", "fault", "read"}


def test_bytes_behind_the_archive_are_named(tmp_path: Path) -> None:
    found = read_bytes(tmp_path, gzip.compress(LINES) + b"more", "a.jsonl.gz")
    assert found.values == ROWS
    assert "followed by bytes that are no archive" in found.faults[0].what


def test_a_bomb_is_refused_with_its_ratio(tmp_path: Path, ending: str) -> None:
    line = json.dumps({"instruction": "a", "output": " " * 10_000}).encode() + b"\n"
    content = PACKERS[ending](line * 10_000)
    path = tmp_path / f"bomb.jsonl{ending}"
    path.write_bytes(content)
    assert len(content) < 500_000
    words = (
        rf"bomb\.jsonl{ending}: the (gzip|zstd) archive unfolds to more than \d+ MB, over \d[\d,]*"
    )
    with pytest.raises(Problem, match=words) as problem:
        read(path)
    assert "times its" in problem.value.what


def test_a_bomb_of_zstd_is_not_unpacked_in_one_step(tmp_path: Path) -> None:
    """A few bytes that stand for 128 KB each, in the first megabyte that is looked at."""
    path = tmp_path / "bomb"
    path.write_bytes(zstd(b"{" + b" " * 2**28))
    with path.open("rb") as file:
        unpacked = packed.Unpacked(file, "zstd", "bomb")
        assert unpacked.readinto(bytearray(100)) == 100
        assert unpacked.total < 64 * 2**20


def test_what_lies_inside_is_told_by_name(tmp_path: Path, ending: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("data.jsonl")
        member.size = len(LINES)
        archive.addfile(member, io.BytesIO(LINES))
    pack = PACKERS[ending]
    cases = {
        out.getvalue(): "this is a tar archive",
        b"PAR1" + b"x" * 100: "this is Parquet inside",
        b"ARROW1\0\0": "this is Arrow inside",
        pack(LINES): "this is (gzip|zstd)",
        b"": "no records",
        LINES.decode().encode("utf-16"): "this is UTF-16",
    }
    for content, words in cases.items():
        with pytest.raises(Problem, match=words):
            read_bytes(tmp_path, pack(content), f"data.jsonl{ending}")


def test_progress_is_in_packed_bytes(tmp_path: Path, ending: str) -> None:
    content = PACKERS[ending](LINES)
    (tmp_path / "a").write_bytes(content)
    told: list[tuple[int, int]] = []
    with open_source(str(tmp_path / "a"), lambda done, total: told.append((done, total))) as found:
        list(found)
    assert told == sorted(told)
    assert told[-1] == (len(content), len(content))
