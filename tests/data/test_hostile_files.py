"""Damaged files by the thousand: whatever the bytes, what comes is records, faults or a Problem."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from engine.data.problems import FaultLog
from engine.data.read import open_source
from engine.data.shape import shape_rows
from engine.errors import Problem
from tests.data.reading import alpaca

ROWS = [
    *alpaca(3, system="s"),
    {"instruction": 'é漢😀 "q", [1]\n', "input": "x;y\tz", "output": "a\nb,c"},
    {"instruction": "d", "output": "e", "history": [["f", "g"]]},
]
CHATS = [
    {"messages": [{"role": "user", "content": "é"}, {"role": "assistant", "content": [{"text": "b"}]}]},
    {"messages": [{"role": "system", "content": "[{"}, {"role": "user", "content": "\\u00e9"},
                  {"role": "assistant", "content": "d"}]},
]  # fmt: skip
SEEDS = {
    "lines.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "plain.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in CHATS).encode(),
    "list.json": json.dumps(ROWS, indent=1, ensure_ascii=False).encode(),
    "object.json": json.dumps({"n": 1, "data": CHATS}).encode(),
    "stream.json": "\n".join(json.dumps(row, indent=2) for row in CHATS).encode(),
    "table.csv": b'instruction,output\n"a ""b"", c",d\n"e\nf",g\nh,i\n\nj,"k"\n',
    "table.tsv": 'instruction\toutput\tid\né\tb\t1\n"c\td"\te\t2\n'.encode(),
}
PIECES = [
    b"", b"\0", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r", b"\xff", b"\xe9",
    b"\xef\xbb\xbf", b"NaN", b"\\ud800", b"\\u0000", b"-", b"1e999", b"9" * 30, b"\t", b";", b"null",
    b"[" * 70, b'{"messages": [', b"\xf0\x9f\x98",
]  # fmt: skip


def damaged(content: bytes, random_: random.Random) -> bytes:
    """One to three cuts, copies, swaps or insertions at random places."""
    for _ in range(random_.randint(1, 3)):
        at = random_.randrange(len(content) + 1)
        end = min(len(content), at + random_.choice([0, 1, 1, 2, 8, 40]))
        piece = random_.choice(PIECES)
        content = random_.choice(
            [
                content[:at],
                content[:at] + piece + content[at:],
                content[:at] + piece + content[end:],
                content[:at] + content[end:],
                content[:end] + content[at:],
                content[:at] + bytes([random_.randrange(256)]) + content[at + 1 :],
            ]
        )
    return content


@pytest.mark.parametrize("name", SEEDS)
def test_no_damage_is_a_traceback_or_a_silent_loss(tmp_path: Path, name: str) -> None:
    random_ = random.Random(20)
    path = tmp_path / name
    for round_ in range(500):
        content = damaged(SEEDS[name], random_)
        path.write_bytes(content)
        log = FaultLog()
        said = ""
        try:
            with open_source(str(path)) as reading:
                shaped = shape_rows(reading, log)
        except Problem as problem:
            said = str(problem)
        if said:
            assert said.startswith(str(path)), (round_, content)
            assert ". Fix: " in said
            continue
        assert len(shaped.rows) + log.total == reading.records, (round_, content)
        last = content.count(b"\n") + 1
        for fault in log.faults:
            assert 1 <= fault.line <= last, (round_, content, fault)
            assert fault.column >= 1, (round_, content, fault)
            assert fault.what, (round_, content, fault)
            assert fault.fix, (round_, content, fault)
        for row in shaped.rows:
            assert all(m.content.encode("utf-8") is not None for m in row.messages)
            assert "\0" not in row.user_text + row.answer


def test_every_cut_of_a_file_of_lines_keeps_the_whole_ones(tmp_path: Path) -> None:
    content = SEEDS["lines.jsonl"]
    path = tmp_path / "lines.jsonl"
    for cut in range(1, len(content)):
        path.write_bytes(content[:cut])
        with open_source(str(path)) as reading:
            found = list(reading)
        whole = content[:cut].count(b"\n")
        tail = content[:cut].rpartition(b"\n")[2]
        complete = whole + (1 if tail.endswith(b"}") and _is_json(tail) else 0)
        assert sum(hasattr(item, "value") for item in found) == complete
        assert len(found) == whole + (1 if tail else 0)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
