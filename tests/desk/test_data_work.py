"""The desk's data calls: conditions, edits that are counted anew, remedies, saving, and a copy that is mended."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.config import from_dict
from engine.data.frozen import freeze, frozen_rows, iterate, load_frozen
from engine.data.opening import open_data
from engine.data.project import Unkept
from engine.data.read import quiet
from engine.data.rows import Message, Row
from engine.data.save import save_rows
from engine.desk.data_work import DataWork
from engine.desk.process import Task
from engine.errors import Cancelled, Problem
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
SECRET = "AKIA" + "Q3EGKZ7T5WJX2LHB"


class Silent:
    def send(self, message: dict[str, Any]) -> None:
        pass


@pytest.fixture
def values() -> list[dict[str, str]]:
    rows = [
        {"instruction": f"Tell me about city number {n} and its {w}", "output": f"It is {w} {n}."}
        for n in range(20)
        for w in ("river", "harbour", "old tower")
    ]
    rows[7] = dict(rows[5])  # an exact copy
    rows[11] = {"instruction": rows[9]["instruction"], "output": "Something else."}
    rows[13] = {"instruction": "What is the key?", "output": f"Use {SECRET} for it."}
    rows[15] = {"instruction": "Where do we meet?", "output": "In the cafÃ© at nine."}
    return rows


@pytest.fixture
def file(tmp_path: Path, values: list[dict[str, str]]) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))
    return path


@pytest.fixture
def work(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataWork]:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    work = DataWork()
    work.opened(reopened(file))
    before = file.read_bytes()
    yield work
    assert file.read_bytes() == before  # whatever is done, the source stays as it is


def reopened(file: Path) -> Any:
    return open_data(from_dict({"data": {"path": str(file)}}), lambda: TOKENIZER)


NO_EDITS = {
    "changed": 0, "mended": 0, "added": 0, "excluded": 0, "dropped": 0, "undo": False,
}  # fmt: skip
TASK = Task(1, Silent())  # type: ignore[arg-type]


def numbers(work: DataWork, **where: Any) -> list[int]:
    side = where.pop("side", None)
    return [row["number"] for row in work.rows(TASK, 0, 500, side, where)["rows"]]


def test_rows_by_every_condition_and_several(work: DataWork, values: list[dict[str, str]]) -> None:
    assert len(numbers(work)) == 60
    tower = [n for n, v in enumerate(values, 1) if "old tower" in v["instruction"] + v["output"]]
    assert numbers(work, text="OLD tower") == tower
    assert numbers(work, check="exact_copies") == [6, 8]
    assert numbers(work, check="secrets") == [14]
    assert numbers(work, check="nothing of this name") == []
    lengths = {row["number"]: row["tokens"] for row in work.rows(TASK, 0, 500)["rows"]}
    some = sorted(lengths.values())[30]
    assert numbers(work, min_tokens=some) == [n for n, length in lengths.items() if length >= some]
    assert numbers(work, max_tokens=some - 1) == [n for n, size in lengths.items() if size < some]
    held = numbers(work, side="eval")
    assert set(held) | set(numbers(work, side="train")) == set(lengths)
    assert numbers(work, side="eval", text="tower") == [n for n in held if n in tower]


def test_a_row_says_what_was_found_in_it(work: DataWork) -> None:
    rows = {row["number"]: row for row in work.rows(TASK, 0, 500)["rows"]}
    assert rows[14]["checks"] == ["secrets"]
    assert rows[1]["checks"] == []
    assert rows[1]["messages"][0] == {
        "role": "user", "content": "Tell me about city number 0 and its river"
    }  # fmt: skip
    tokens = work.tokens(TASK, 13)["tokens"]
    said = TOKENIZER.decode([token for _, _, token in tokens])
    assert "".join(text for _, text, _ in tokens) == said
    assert {kind for kind, _, _ in tokens} == {"prompt", "special", "answer"}


def test_an_edit_is_counted_anew_and_undone(work: DataWork, file: Path) -> None:
    turns = [{"role": "user", "content": "Changed?"}, {"role": "assistant", "content": "Yes."}]
    summary = work.edit(TASK, 0, turns)
    assert (summary["edits"]["changed"], summary["rows"]) == (1, 60)
    first = work.rows(TASK, 0, 1)["rows"][0]
    assert (first["user"], first["answer"], first["edited"]) == ("Changed?", "Yes.", True)
    summary = work.exclude(TASK, [1, 2])
    assert (summary["usable"], summary["edits"]["excluded"]) == (58, 2)
    assert [row["excluded"] for row in work.rows(TASK, 0, 4)["rows"]] == [False, True, True, False]
    summary = work.add(TASK, turns)
    assert (summary["rows"], summary["edits"]["added"]) == (61, 1)
    assert summary["overlap"]["exact"] == 0  # the new row has a copy, which is on the same side
    assert work.rows(TASK, 60, 1)["rows"][0]["side"] == work.rows(TASK, 0, 1)["rows"][0]["side"]
    again = DataWork()
    again.opened(reopened(file))
    assert again.rows(TASK, 0, 500) == work.rows(TASK, 0, 500)
    summary = work.restore(TASK, [2])
    assert summary["edits"]["excluded"] == 1
    for _ in range(4):
        summary = work.undo(TASK)
    assert summary["edits"] == NO_EDITS
    with pytest.raises(Problem, match="no edit"):
        work.undo(TASK)


def test_rows_keep_their_side_through_edits(work: DataWork) -> None:
    before = {row["number"]: row["side"] for row in work.rows(TASK, 0, 500)["rows"]}
    work.exclude(TASK, [3])
    work.add(TASK, [{"role": "user", "content": "New"}, {"role": "assistant", "content": "One."}])
    work.edit(TASK, 5, [{"role": "user", "content": "Else"}, {"role": "assistant", "content": "1"}])
    after = {row["number"]: row["side"] for row in work.rows(TASK, 0, 500)["rows"]}
    moved = {n for n, side in before.items() if after[n] != side} - {4, 6}
    assert not moved


@pytest.mark.parametrize(
    ("turns", "what"),
    [
        ([{"role": "user", "content": "only asked"}], "assistant"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}], "empty"),
        ([{"role": "nobody", "content": "a"}], "role"),
        ([], "empty"),
        (["text"], "messages"),
    ],
)
def test_what_is_no_conversation_is_refused_and_changes_nothing(
    work: DataWork, turns: list[Any], what: str
) -> None:
    before = work.rows(TASK, 0, 500)
    with pytest.raises(Problem, match=what):
        work.edit(TASK, 0, turns)
    assert work.rows(TASK, 0, 500) == before


def test_remedies_do_what_they_say(work: DataWork) -> None:
    summary = work.remedy(TASK, "exact_copies", "keep_one")
    assert summary["edits"]["excluded"] == 1
    assert "exact_copies" not in {check["code"] for check in summary["checks"]}
    assert [row["excluded"] for row in work.rows(TASK, 5, 3)["rows"]] == [False, False, True]
    summary = work.remedy(TASK, "mojibake", "replace")
    assert work.rows(TASK, 15, 1)["rows"][0]["answer"] == "In the café at nine."
    work.remedy(TASK, "secrets", "replace")
    assert SECRET not in json.dumps(work.rows(TASK, 0, 500))
    summary = work.remedy(TASK, "two_answers", "leave")
    (left,) = [check for check in summary["checks"] if check["code"] == "two_answers"]
    assert left["chosen"] == "leave"
    with pytest.raises(Problem, match="no remedy"):
        work.remedy(TASK, "two_answers", "replace")
    with pytest.raises(Problem, match="nothing was found"):
        work.remedy(TASK, "secrets", "drop")


def test_saving_writes_the_rows_in_use_and_never_over_a_file(
    work: DataWork, tmp_path: Path, values: list[dict[str, str]]
) -> None:
    work.exclude(TASK, [0])
    kept = [(v["instruction"], v["output"]) for v in values[1:]]
    lines = tmp_path / "out.jsonl"
    assert work.save_as(TASK, str(lines), "messages")["rows"] == 59
    read = [json.loads(line)["messages"] for line in lines.read_text().splitlines()]
    assert [(m[0]["content"], m[1]["content"]) for m in read] == kept
    with pytest.raises(Problem, match="a file of this name"):
        work.save_as(TASK, str(lines), "messages")
    table = tmp_path / "out.csv"
    work.save_as(TASK, str(table), "alpaca", "eval")
    with table.open(newline="") as file:
        rows = [(r["instruction"], r["output"]) for r in csv.DictReader(file)]
    held = work.rows(TASK, 0, 500, "eval")["rows"]
    assert rows == [(row["user"], row["answer"]) for row in held]
    whole = tmp_path / "out.json"
    work.save_as(TASK, str(whole), "")
    assert [(v["instruction"], v["output"]) for v in json.loads(whole.read_text())] == kept
    for name, shape in (("x.jsonl", "no shape"), ("x.xyz", "messages")):
        with pytest.raises(Problem, match="Fix: "):
            work.save_as(TASK, str(tmp_path / name), shape)
        assert not (tmp_path / name).exists()


def test_rows_that_are_not_counted_yet_can_be_looked_at_and_not_edited(work: DataWork) -> None:
    work.opened(replace(work.data, stage="rows"))
    assert work.rows(TASK, 0, 5)["total"] == 60
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    for edit in (
        lambda: work.edit(TASK, 0, turns),
        lambda: work.add(TASK, turns),
        lambda: work.exclude(TASK, [0]),
        lambda: work.undo(TASK),
        lambda: work.remedy(TASK, "secrets", "drop"),
    ):
        with pytest.raises(Problem, match="still being counted"):
            edit()
    assert not work.data.edits.project.folder.joinpath("edits.jsonl").exists()


def test_an_edit_whose_count_is_cancelled_or_refused_is_taken_back(
    work: DataWork, file: Path
) -> None:
    """What the app then shows, what is on the disk and what would be trained are one thing."""

    class Impatient(Task):
        def progress(self, phase: str, done: int, total: int) -> None:
            raise Cancelled

    before = work.rows(TASK, 0, 500)
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    impatient = Impatient(1, Silent())  # type: ignore[arg-type]
    for edit in (
        lambda: work.exclude(impatient, [0]),
        lambda: work.edit(impatient, 0, turns),
        lambda: work.remedy(impatient, "secrets", "replace"),
    ):
        with pytest.raises(Cancelled):
            edit()
        assert work.rows(TASK, 0, 500) == before
        assert reopened(file).edits.overlay.counts["undo"] is False
    with pytest.raises(Problem, match="no row is left to train on"):
        work.exclude(TASK, list(range(60)))
    assert len(reopened(file).edited.excluded) == 0
    work.exclude(TASK, [0])
    with pytest.raises(Cancelled):
        work.undo(impatient)
    assert reopened(file).edited.excluded == work.data.edited.excluded == {0: "by hand"}


def test_leaving_out_and_taking_in_again_keeps_a_change(work: DataWork) -> None:
    turns = [{"role": "user", "content": "Changed?"}, {"role": "assistant", "content": "Yes."}]
    work.edit(TASK, 0, turns)
    work.exclude(TASK, [0])
    work.restore(TASK, [0])
    assert work.rows(TASK, 0, 1)["rows"][0]["user"] == "Changed?"


def test_secrets_in_tool_calls_are_replaced_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    call = {"type": "function", "function": {"name": "log_in", "arguments": {"key": SECRET}}}
    row = {
        "messages": [
            {"role": "user", "content": "Log in."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "done"},
            {"role": "assistant", "content": "Done."},
        ]
    }
    rows = [row, *({"messages": [{"role": "user", "content": f"q{n}"},
                                 {"role": "assistant", "content": f"a{n}"}]} for n in range(20))]  # fmt: skip
    path = tmp_path / "calls.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    work = DataWork()
    work.opened(reopened(path))
    summary = work.remedy(TASK, "secrets", "replace")
    assert "secrets" not in {check["code"] for check in summary["checks"]}
    out = tmp_path / "out.jsonl"
    work.save_as(TASK, str(out), "messages")
    assert SECRET not in out.read_text()
    assert (
        json.loads(out.read_text().splitlines()[0])["messages"][1]["tool_calls"][0]["function"][
            "name"
        ]
        == "log_in"
    )


def test_a_table_refuses_lists_that_would_be_read_back_as_text(tmp_path: Path) -> None:
    turns = (Message("user", "q"), Message("assistant", "a", trained=True))
    with pytest.raises(Problem, match="cannot hold the list"):
        save_rows(tmp_path / "x.csv", [Row(1, 1, turns)], "prompt/completion")
    assert not (tmp_path / "x.csv").exists()
    save_rows(tmp_path / "y.csv", [Row(1, 1, turns)] * 3, "messages")
    found = open_data(
        from_dict({"data": {"path": str(tmp_path / "y.csv")}}), lambda: TOKENIZER, quiet, Unkept
    )
    assert [row.messages for row in found.rows] == [turns] * 3


def test_numbers_go_on_in_a_held_out_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[dict[str, str]]
) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    for name, rows in (
        ("train", values[:40]),
        ("held", [*values[40:], {"instruction": "x", "output": ""}]),
    ):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = {"path": str(tmp_path / "train.jsonl"), "eval_path": str(tmp_path / "held.jsonl")}
    dataset = open_data(from_dict({"data": paths}), lambda: TOKENIZER)
    assert [row.number for row in dataset.rows] == list(range(1, 61))
    (fault,) = [fault for fault in dataset.faults if fault.code == "empty_answer"]
    assert (fault.number, fault.line) == (61, 21)


def test_a_run_keeps_the_rows_as_edited(work: DataWork, tmp_path: Path) -> None:
    """What is frozen, text and tokens, is what was edited; what was left out is nowhere."""
    turns = [{"role": "user", "content": "Changed?"}, {"role": "assistant", "content": "Yes."}]
    work.edit(TASK, 0, turns)
    work.exclude(TASK, [1])
    work.add(TASK, [{"role": "user", "content": "New?"}, {"role": "assistant", "content": "So."}])
    freeze(tmp_path / "run", work.data)
    frozen = load_frozen(tmp_path / "run")
    found = {}
    for side, tokens in (("train", frozen.train), ("eval", frozen.eval)):
        rows = frozen_rows(tmp_path / "run", side)
        assert [row.number for row in rows] == tokens.rows
        for row, (ids, labels) in zip(rows, iterate(tokens), strict=True):
            found[row.number] = (row.user_text, row.answer)
            assert TOKENIZER.decode(ids[labels]).removesuffix("<|im_end|>") == row.answer
    assert found[1] == ("Changed?", "Yes.")
    assert found[61] == ("New?", "So.")
    assert found.keys() == {*range(1, 62)} - {2}


def test_drafts_come_back_with_the_data(work: DataWork, file: Path) -> None:
    turns = [{"role": "user", "content": "half a"}]
    work.draft(TASK, 4, turns)
    from engine.data.summary import summary

    assert summary(reopened(file))["draft"] == {"index": 4, "messages": turns, "tools": None}
    work.draft(TASK, 5, None)  # another row was saved: the draft stays
    file.write_text(
        json.dumps({"instruction": "before", "output": "all"}) + "\n" + file.read_text()
    )
    again = DataWork()
    again.opened(reopened(file))
    assert summary(again.data)["draft"] == {
        "index": 5,
        "messages": turns,
        "tools": None,
    }  # with its row
    again.draft(TASK, 5, None)
    assert summary(reopened(file))["draft"] is None
    again.draft(TASK, None, turns)
    assert summary(reopened(file))["draft"] == {"index": None, "messages": turns, "tools": None}
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))


def test_calls_and_tools_of_a_row_are_changed_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(
        json.dumps({"messages": [{"role": "user", "content": f"q{n}"},
                                 {"role": "assistant", "content": f"a{n}", "weight": 1}]}) + "\n"
        for n in range(20)))  # fmt: skip
    work = DataWork()
    work.opened(reopened(path))
    tools = '[{"type": "function", "function": {"name": "log_in"}}]'
    call = '[{"type": "function", "function": {"name": "log_in", "arguments": {}}, "id": "c1"}]'
    turns = [
        {"role": "user", "content": "q3"},
        {"role": "assistant", "content": "", "tool_calls": call, "trained": False},
        {"role": "tool", "content": "ok", "name": "log_in", "tool_call_id": "c1"},
        {"role": "assistant", "content": "a3", "trained": True},
    ]
    work.edit(TASK, 3, turns, tools)
    for each in (work, DataWork()):
        each.opened(reopened(path))
        row = each.rows(TASK, 3, 1)["rows"][0]
        assert (row["messages"], row["tools"]) == (turns, tools)
        assert "log_in" in "".join(text for _, text in row["segments"])  # the model sees it
    work.edit(TASK, 3, [{**turns[0], "content": "asked"}, *turns[1:]])
    row = work.rows(TASK, 3, 1)["rows"][0]
    assert (row["user"], row["tools"]) == ("asked", tools)  # not given: as they were
    with pytest.raises(Problem, match=r"row 4: .*c2"):
        work.edit(TASK, 3, [*turns[:2], {**turns[2], "tool_call_id": "c2"}, turns[3]])
