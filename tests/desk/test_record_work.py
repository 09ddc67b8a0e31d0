"""Records that could not be read: looked at, mended as text, given up; found again whatever happens to the file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import from_dict
from engine.data.opening import open_data
from engine.data.summary import summary
from engine.desk.data_work import DataWork
from engine.desk.process import Task
from engine.errors import Problem
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()


class Silent:
    def send(self, message: dict[str, Any]) -> None:
        pass


TASK = Task(1, Silent())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))


def opened(path: Path, **data: Any) -> DataWork:
    work = DataWork()
    work.opened(open_data(from_dict({"data": {"path": str(path), **data}}), lambda: TOKENIZER))
    return work


def good(count: int, first: int = 0) -> list[str]:
    return [
        json.dumps({"instruction": f"Ask about thing {n}", "output": f"It is {n}."})
        for n in range(first, first + count)
    ]


BROKEN = '{"instruction": "Where is it", "output": "here}'
EMPTY = '{"instruction": "Say nothing", "output": ""}'
LINES = [*good(12), BROKEN, EMPTY, *good(12, 12), EMPTY]
MENDED = '{"instruction": "Where is it", "output": "here"}'


def written(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(line + "\n" for line in lines))
    return path


def problems(work: DataWork) -> dict[str, int]:
    return {each["code"]: each["count"] for each in summary(work.data)["problems"]}


def rows(work: DataWork, **where: Any) -> list[tuple[int, str, str]]:
    found = work.rows(TASK, 0, 500, None, where)["rows"]
    return [(row["number"], row["user"], row["answer"]) for row in found]


def test_a_broken_line_is_shown_refused_in_the_readers_words_and_becomes_its_row(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "rows.jsonl", LINES)
    before = path.read_bytes()
    work = opened(path)
    assert problems(work) == {"json": 1, "empty_answer": 2}
    shown = work.records.record(TASK, 13)
    assert (shown["text"], shown["line"], shown["as_row"]) == (BROKEN, 13, True)
    assert "not closed" in shown["what"]
    with pytest.raises(Problem, match=r"record 13, line 1, column 42: .*not closed"):
        work.records.read_record(TASK, 13, BROKEN)
    with pytest.raises(Problem, match=r"record 13, line 2, column 11.*answer is empty"):
        work.records.mend_record(TASK, 13, '{"instruction": "a",\n "output":""}')
    assert rows(work)[11:13] == [(12, "Ask about thing 11", "It is 11."),
                                 (15, "Ask about thing 12", "It is 12.")]  # fmt: skip
    counted = work.records.mend_record(TASK, 13, MENDED)
    assert problems(work) == {"empty_answer": 2}
    assert (counted["rows"], counted["usable"], counted["edits"]["mended"]) == (27, 25, 1)
    assert rows(work)[11:14] == [
        (12, "Ask about thing 11", "It is 11."),
        (13, "Where is it", "here"),
        (15, "Ask about thing 12", "It is 12."),
    ]
    assert work.place(TASK, 13)["place"] == 12
    assert work.place(TASK, 14)["place"] == 13
    assert rows(work, text="where IS") == [(13, "Where is it", "here")]
    assert rows(work, state="edited") == [(13, "Where is it", "here")]
    with pytest.raises(Problem, match="mended or left out already"):
        work.records.mend_record(TASK, 13, MENDED)
    assert rows(opened(path)) == rows(work)  # what the disk says
    assert path.read_bytes() == before
    out = tmp_path / "out.jsonl"
    work.save_as(TASK, str(out), "alpaca")
    assert json.loads(out.read_text().splitlines()[12])["instruction"] == "Where is it"


def test_undo_names_the_mending_and_the_problem_is_back(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", LINES)
    work = opened(path)
    work.records.mend_record(TASK, 13, MENDED)
    turns = [{"role": "user", "content": "else"}, {"role": "assistant", "content": "so"}]
    work.edit(TASK, 24, turns)  # the mended row lies behind those of the file
    assert rows(work)[12] == (13, "else", "so")
    work.exclude(TASK, [24])
    assert rows(work, state="excluded") == [(13, "else", "so")]
    for _ in range(2):
        work.undo(TASK)
    assert rows(work)[12] == (13, "Where is it", "here")
    assert work.undo(TASK)["edits"]["mended"] == 0
    assert problems(work) == {"json": 1, "empty_answer": 2}
    assert len(rows(work)) == 24


def test_the_record_is_found_again_when_the_file_grows_or_changes_elsewhere(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "rows.jsonl", LINES)
    work = opened(path)
    work.records.mend_record(TASK, 27, EMPTY.replace('""', '"Second."'))
    work.records.drop_records(TASK, [13])
    work.add(TASK, [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}])
    assert rows(work)[-2:] == [(27, "Say nothing", "Second."), (28, "q", "a")]
    written(path, ['{"instruction": "new", "output": "n"}', *LINES, "{", *good(3, 30)])
    work = opened(path)
    assert problems(work) == {"json": 1, "empty_answer": 1}
    assert (15, "Say nothing", "Second.") not in rows(work)
    assert (28, "Say nothing", "Second.") in rows(work)
    assert rows(work)[-1] == (33, "q", "a")
    assert work.data.edited.lost == 0
    written(path, [line for line in LINES if line != BROKEN])
    assert opened(path).data.edited.lost == 1


def test_records_given_up_count_no_more_until_that_is_undone(tmp_path: Path) -> None:
    work = opened(written(tmp_path / "rows.jsonl", LINES))
    told = work.records.drop_records(TASK, [14, 27])
    assert problems(work) == {"json": 1}
    assert (told["edits"]["dropped"], told["usable"], told["dropped"]) == (2, 24, 3)
    work.undo(TASK)
    assert problems(work) == {"json": 1, "empty_answer": 2}
    with pytest.raises(Problem, match="not among the faulty records"):
        work.records.drop_records(TASK, [1])


def test_a_row_can_be_written_in_place_of_a_record(tmp_path: Path) -> None:
    work = opened(written(tmp_path / "rows.jsonl", LINES))
    turns = [{"role": "user", "content": "New?"}, {"role": "assistant", "content": "So."}]
    with pytest.raises(Problem, match=r"record 13.*assistant"):
        work.records.mend_record(TASK, 13, messages=turns[:1])
    work.records.mend_record(TASK, 13, messages=turns)
    assert rows(work)[12] == (13, "New?", "So.")


def test_half_mended_text_comes_back_with_its_record(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", LINES)
    work = opened(path)
    work.records.draft_record(TASK, 13, "{half")
    assert summary(opened(path).data)["draft"] == {"record": 13, "text": "{half"}
    work.draft(TASK, None, None)  # a new row was saved: the draft of the record stays
    assert summary(opened(path).data)["draft"]["record"] == 13
    written(path, [LINES[0], *LINES])
    assert summary(opened(path).data)["draft"] == {"record": 14, "text": "{half"}
    work = opened(path)
    work.records.mend_record(TASK, 14, MENDED)
    assert summary(work.data)["draft"] is None  # killed before it was forgotten: it is in the row
    work.undo(TASK)
    work.records.draft_record(TASK, 14, None)
    assert summary(work.data)["draft"] is None
    work.records.draft_record(TASK, 14, "{half")
    written(path, [line for line in LINES if line != BROKEN])
    kept = summary(opened(path).data)["draft"]
    assert (kept["index"], kept["messages"][0]["content"]) == (None, "{half")


CSV = "instruction,output\n" + "".join(f"ask {n},say {n}\n" for n in range(12))


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_of_a_table_is_read_as_one(tmp_path: Path, packed: bool) -> None:
    bad = 'one,two,three\n"open,never\nask x,\n'
    content = (CSV + bad + "last,row\n").encode()
    path = tmp_path / ("rows.csv.gz" if packed else "rows.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    work = opened(path)
    assert problems(work) == {"csv": 2, "empty_answer": 1}
    shown = work.records.record(TASK, 13)
    assert (shown["text"], shown["header"]) == ("one,two,three", ["instruction", "output"])
    assert work.records.record(TASK, 14)["text"] == '"open,never'
    assert work.records.record(TASK, 15)["text"] == "ask x,"
    with pytest.raises(Problem, match="the row has 3 fields, the header 2"):
        work.records.read_record(TASK, 13, "one,two,three")
    with pytest.raises(Problem, match="these are 2 rows"):
        work.records.read_record(TASK, 13, "a,b\nc,d")
    work.records.mend_record(TASK, 13, '"one,two",three')
    work.records.mend_record(TASK, 15, 'ask x,"with\na line end"')
    found = rows(work)
    assert found[12:14] == [(13, "one,two", "three"), (15, "ask x", "with\na line end")]
    assert problems(work) == {"csv": 1}


def test_a_document_gives_the_text_of_the_record_alone(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("[\n" + ",\n".join([*good(10), EMPTY, '{"instruction": "x", "output": NaN}',
                                          *good(2, 10)]) + "\n]\n")  # fmt: skip
    work = opened(path)
    assert problems(work) == {"empty_answer": 1, "number": 1}
    assert work.records.record(TASK, 11)["text"] == EMPTY
    assert work.records.record(TASK, 12)["text"] == '{"instruction": "x", "output": NaN}'
    work.records.mend_record(TASK, 12, '{"instruction": "x", "output": "none"}')
    assert rows(work)[10] == (12, "x", "none")


def test_what_broke_the_rest_of_a_document_cannot_be_mended_here(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("[" + ",".join(good(10)) + ', {"instruction": "a" "b"' + ",".join(good(5)))
    work = opened(path)
    shown = work.records.record(TASK, 11)
    assert (shown["text"], shown["as_row"]) == ("", False)


def test_plain_text_and_parquet(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(b"".join(b"line %d of the text\n" % n for n in range(12)) + b"caf\xe9\n")
    work = opened(path)
    assert work.records.record(TASK, 13)["text"] == "caf\ufffd"
    work.records.mend_record(TASK, 13, "café")
    assert rows(work)[-1] == (13, "café", "café")

    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = {"instruction": [f"q{n}" for n in range(12)], "output": [f"a{n}" for n in range(11)]}
    table["output"].append("")
    parquet.write_table(pa.table(table), tmp_path / "rows.parquet")
    work = opened(tmp_path / "rows.parquet")
    shown = work.records.record(TASK, 12)
    assert json.loads(shown["text"]) == {"instruction": "q11", "output": ""}
    work.records.mend_record(TASK, 12, '{"instruction": "q11", "output": "a11"}')
    assert rows(work)[-1] == (12, "q11", "a11")


def test_large_sources_are_read_at_the_record(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("engine.data.source.LARGE", 0)
    for name, content, text in (
        ("a.jsonl", "\n".join(LINES), EMPTY),
        ("b.csv", CSV + "x,y,z\n\n\nq,\n", "q,"),
        ("c.json", "[" + ",".join([*good(13), EMPTY]) + "]", EMPTY),
    ):
        (tmp_path / name).write_text(content)
        work = opened(tmp_path / name)
        assert work.data.source.on_disk
        assert work.records.record(TASK, 14)["text"] == text
        mended = text + "fine" if name == "b.csv" else text.replace('""', '"fine"')
        work.records.mend_record(TASK, 14, mended)
        assert next(row for row in rows(work) if row[0] == 14)[2] == "fine"
        assert rows(opened(tmp_path / name)) == rows(work)


def test_a_file_that_was_changed_meanwhile_is_not_looked_at(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", LINES)
    work = opened(path)
    written(path, LINES[2:])
    with pytest.raises(Problem, match="was changed"):
        work.records.record(TASK, 13)


def test_a_record_of_the_held_out_file_is_held_out_once_mended(tmp_path: Path) -> None:
    train = written(tmp_path / "train.jsonl", [*good(20), BROKEN])
    held = written(tmp_path / "held.jsonl", [*good(8, 40), EMPTY])
    work = opened(train, eval_path=str(held))
    assert work.records.record(TASK, 30)["path"] == str(held)
    work.records.mend_record(TASK, 30, EMPTY.replace('""', '"Held."'))
    work.records.mend_record(TASK, 21, MENDED)
    found = {row["number"]: row for row in work.rows(TASK, 0, 100)["rows"]}
    assert (found[30]["side"], found[30]["path"]) == ("eval", str(held))
    assert found[21]["side"] == "train"
    assert [row[0] for row in rows(work)] == list(range(1, 31))
