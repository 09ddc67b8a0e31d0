"""Searching for words beside all other work: what is found so far, told, cancelled, and kept through edits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import from_dict
from engine.data.opening import open_data
from engine.desk import data_work, searches
from engine.desk.data_work import DataWork
from engine.desk.look_up import text_of
from engine.desk.process import Task
from engine.errors import Cancelled
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
COUNT = 300


class Heard:
    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.progress: list[tuple[str, int, int]] = []

    def send(self, message: dict[str, Any]) -> None:
        if "item" in message:
            self.items.append(message["item"])
        if "progress" in message:
            self.progress.append(tuple(message["progress"]))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataWork:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(data_work, "LOOKED_AT_ONCE", 10)
    monkeypatch.setattr(searches, "BATCH", 50)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(
        json.dumps({"instruction": f"Ask {n} of the {'Tower' if n % 40 == 7 else 'well'}",
                    "output": f"a{n}"}) + "\n" for n in range(COUNT)))  # fmt: skip
    work = DataWork()
    work.opened(open_data(from_dict({"data": {"path": str(path)}}), lambda: TOKENIZER))
    return work


WITH = [n + 1 for n in range(COUNT) if n % 40 == 7]


def task() -> tuple[Task, Heard]:
    heard = Heard()
    return Task(1, heard), heard  # type: ignore[arg-type]


def shown(work: DataWork, side: str | None = None, **where: Any) -> tuple[list[int], int]:
    found = work.rows(task()[0], 0, 500, side, where)
    assert found["total"] == len(found["rows"])
    return [row["number"] for row in found["rows"]], found["left"]


def test_rows_are_shown_as_they_are_found(work: DataWork) -> None:
    assert shown(work, text="tower") == ([], COUNT)

    class Halfway(Task):
        def progress(self, phase: str, done: int, total: int) -> None:
            super().progress(phase, done, total)
            if done == 150:
                assert shown(work, text="tower") == (WITH[:4], COUNT - 150)
                assert shown(work, text="well")[1] == COUNT  # of other words nothing is known
                self.cancel()

    heard = Heard()
    with pytest.raises(Cancelled):
        work.searches.search(Halfway(1, heard), None, {"text": "tower"})  # type: ignore[arg-type]
    assert heard.progress[:2] == [("searching", 0, 300), ("searching", 50, 300)]
    assert heard.items[0] == {"total": 2}
    assert shown(work, text="tower") == (WITH[:5], 100)  # what was looked at is not looked at again
    asked, heard = task()
    assert work.searches.search(asked, None, {"text": "tower"}) == {"total": len(WITH)}
    assert heard.progress == [("searching", 0, 100), ("searching", 50, 100)]
    assert shown(work, text="tower") == (WITH, 0)
    places = range(COUNT)
    assert [n + 1 for n in places if "tower" in text_of(work.data.rows[n])] == WITH


def test_a_search_looks_only_where_the_other_conditions_hold(work: DataWork) -> None:
    held = shown(work, "eval")[0]
    asked, heard = task()
    told = work.searches.search(asked, "eval", {"text": "ask"})
    assert told == {"total": len(held)}
    assert heard.progress[0] == ("searching", 0, len(held))
    assert shown(work, "eval", text="ask") == (held, 0)
    assert shown(work, "train", text="ask") == ([], COUNT - len(held))


def test_what_was_found_holds_through_edits(work: DataWork) -> None:
    work.searches.search(task()[0], None, {"text": "tower"})
    said = [{"role": "user", "content": "Which tower?"}, {"role": "assistant", "content": "That."}]
    work.edit(task()[0], 0, said)
    assert shown(work, text="tower") == ([1, *WITH], 0)
    work.edit(task()[0], 7, [{"role": "user", "content": "none"}, said[1]])
    assert shown(work, text="tower") == ([1, *WITH[1:]], 0)
    work.add(task()[0], said)
    assert shown(work, text="tower") == ([1, *WITH[1:], COUNT + 1], 0)
    for _ in range(3):
        work.undo(task()[0])
    assert shown(work, text="tower") == (WITH, 0)


@pytest.mark.parametrize("by", [1, -1])
def test_the_next_row_with_words_going_round(work: DataWork, by: int) -> None:
    place, seen = 100, []
    for _ in range(len(WITH)):
        place = work.searches.find(task()[0], "TOWER", place, by)["place"]
        seen.append(place + 1)
    assert sorted(seen) == WITH
    expected = [n for n in WITH[::by] if (n > 101 if by > 0 else n < 101)]
    assert seen[: len(expected)] == expected
    assert work.searches.find(task()[0], "nowhere", 0, by)["place"] is None
    held = shown(work, "eval")[0]
    inside = work.searches.find(task()[0], "ask", 0, by, "eval")["place"]
    assert inside == (1 if by > 0 else len(held) - 1)


def test_states_of_rows_combine_with_the_rest(work: DataWork) -> None:
    work.exclude(task()[0], [7, 8, 47])
    assert shown(work, state="excluded") == ([8, 9, 48], 0)
    assert shown(work, state="excluded", text="tower") == ([8, 48], 0)
    assert shown(work, "train", state="excluded") == ([], 0)
    work.edit(
        task()[0], 8, [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    )
    assert shown(work, state="edited") == ([9], 0)
    assert shown(work, state="set_aside") == ([], 0)
    lengths = {row["number"]: row["tokens"] for row in work.rows(task()[0], 0, 500)["rows"]}
    most = max(lengths.values())
    assert shown(work, min_tokens=most)[0] == [n for n, long in lengths.items() if long == most]
