"""Damaged files by the thousand: whatever the bytes, what comes is records, faults or a Problem."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.containers.record import Record
from engine.data.problems import FaultLog
from engine.data.read import Reading, open_source
from engine.data.rows import Row
from engine.data.shape import SHAPE_NAMES, shape_rows
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
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": [1]}'}}
TOOLS = [
    {"conversations": [{"from": "human", "value": "a"},
                       {"from": "function_call", "value": '{"name": "f", "arguments": {}}'},
                       {"from": "observation", "value": "b"}, {"from": "gpt", "value": "c"}],
     "tools": '[{"name": "f"}]'},
    {"messages": [{"role": "user", "content": "a"},
                  {"role": "assistant", "content": None, "tool_calls": [CALL], "weight": 0},
                  {"role": "tool", "tool_call_id": "1", "content": "b"},
                  {"role": "assistant", "content": "c"}], "tools": [{"name": "f"}]},
]  # fmt: skip
VENDORS = [
    {"contents": [{"role": "user", "parts": [{"text": "a"}]},
                  {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": [1]}}}]},
                  {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
                  {"role": "model", "parts": [{"text": "c"}]}]},
    {"system": [{"text": "s"}], "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "b"}]},
        {"role": "assistant", "content": "<tool_call>{'name': 'f', 'arguments': {}}</tool_call>"}]},
    {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"},
    {"system": 'SYSTEM: s {"name": "f"}',
     "chat": "USER: a\n\n\nASSISTANT: <functioncall> {\"name\": \"f\", \"arguments\": '{}'} <|endoftext|>"},
    {"question": "q", "context": "c", "answers": {"text": ["a"], "answer_start": [1]}},
    {"instruction": "q", "instances": [{"input": "i", "output": "a"}]},
    {"query": "q", "answers": '[{"name": "f", "arguments": {}}]', "tools": '[{"name": "f"}]'},
    {"conversations": ["q", "a"]}, {"conversation": [{"input": "q", "output": "a"}]},
]  # fmt: skip
SEEDS = {
    **{
        f"vendor{at}.jsonl": (json.dumps(row) + "\n").encode() * 2 for at, row in enumerate(VENDORS)
    },
    "columns.json": json.dumps(
        {k: {str(n): r[k] for n, r in enumerate(ROWS[:3])} for k in ROWS[0]}
    ).encode(),
    "by_index.json": json.dumps({str(n): row for n, row in enumerate(ROWS)}).encode(),
    "lines.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "plain.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in CHATS).encode(),
    "list.json": json.dumps(ROWS, indent=1, ensure_ascii=False).encode(),
    "object.json": json.dumps({"n": 1, "data": CHATS}).encode(),
    "stream.json": "\n".join(json.dumps(row, indent=2) for row in CHATS).encode(),
    "calls.jsonl": (json.dumps(TOOLS[0]) + "\n").encode() * 2,
    "tools.jsonl": (json.dumps(TOOLS[1]) + "\n").encode() * 2,
    "texts.jsonl": b'{"text": "a"}\n{"text": "b", "meta": 1}\n{"segments": [{"label": true, "text": "c"}]}\n',
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


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", " ", "a", "true", "[", '[{"', '[{"role": "user"}]', '{"name": "f"}', "[]"]),
)  # fmt: skip
KEYS = st.sampled_from([
    "role", "content", "from", "value", "speaker", "text", "weight", "tool_calls", "function_call",
    "tool_call_id", "name", "arguments", "function", "id", "type", "label", "messages", "tools",
])  # fmt: skip
ROLES = st.sampled_from(["user", "assistant", "system", "tool", "function_call", "human", "gpt", 1])
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=4),
        st.builds(lambda role, rest: {**rest, "role": role}, ROLES, st.dictionaries(KEYS, inner)),
        st.builds(lambda role, rest: {**rest, "from": role}, ROLES, st.dictionaries(KEYS, inner)),
    ),
    max_leaves=12,
)


USER, ANSWER = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
GOOD: list[dict[str, Any]] = [
    *ROWS, *CHATS, *TOOLS,
    {"instruction": "a", "context": "b", "response": "c"}, {"question": "a", "answer": "b"},
    {"prompt": "a", "completion": "b", "system": "c"},
    {"prompt": [USER, ANSWER, USER], "completion": [ANSWER], "tools": [{"name": "f"}]},
    {"dialogue": [{"speaker": "user", "text": "a"}, {"speaker": "bot", "text": "b"}], "summary": "c"},
    {"text": "a", "meta": 1}, {"segments": [{"label": False, "text": "a"}, {"label": True, "text": "b"}]},
    {"prompt": "a", "chosen": "b", "rejected": "c"}, {"chosen": [USER, ANSWER], "rejected": [USER]},
    {"input": {"messages": [USER]}, "preferred_output": [ANSWER], "non_preferred_output": [ANSWER]},
    {"conversations": [USER], "chosen": ANSWER, "rejected": ANSWER},
    {"prompt": "a", "completion": "b", "label": True}, {"messages": [USER, ANSWER], "kto_tag": True},
    {"input_ids": [1]}, {"prompt": "a"}, {"foo": "a", "prompt": "b"},
]  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """A good record with up to two of its values replaced, taken away or given another name."""
    record: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(GOOD))))
    for _ in range(draw(st.integers(0, 2))):
        places: list[tuple[Any, Any]] = [(record, name) for name in record]
        for holder, at in places:  # grows on the way, until every value is in it
            value = holder[at]
            if isinstance(value, (dict, list)):
                places += [
                    (value, n) for n in (value if isinstance(value, dict) else range(len(value)))
                ]
        if not places:
            break
        holder, at = draw(st.sampled_from(places))
        how = draw(st.sampled_from(["replace", "replace", "remove", "rename"]))
        if how == "replace":
            holder[at] = draw(TREES)
        elif how == "remove" or isinstance(holder, list):
            del holder[at]
        else:
            holder[draw(KEYS)] = holder.pop(at)
    return record


@settings(max_examples=600, deadline=None)
@given(
    st.lists(spoiled(), min_size=1, max_size=2),
    st.booleans(),
    st.sampled_from(["", "", "", *SHAPE_NAMES]),
    st.sampled_from([None, None, None, {"prompt": "prompt", "answer": "foo"}]),
)
def test_any_values_under_known_names_are_rows_faults_or_a_problem(
    values: list[dict[str, Any]], chosen: bool, only: str, columns: dict[str, str] | None
) -> None:
    records = [Record(n, n, 1, value) for n, value in enumerate(values, start=1)]
    log = FaultLog()
    try:
        shaped = shape_rows(
            Reading("x.jsonl", "jsonl", _source=records), log,
            chosen=chosen, only=only, columns=columns,
        )  # fmt: skip
    except Problem:
        return
    assert len(shaped.rows) + log.total <= len(records)
    if not only and not chosen:
        assert len(shaped.rows) + log.total == len(records)
    for row in shaped.rows:
        assert any(message.learned for message in row.messages)
        assert Row.from_json(json.loads(json.dumps(row.to_json()))) == row


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
