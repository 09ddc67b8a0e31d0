"""Edits as an overlay: found again when the source grows, undone, and kept through a kill."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engine.data.edits import Edits, Key, ids_of
from engine.data.project import EDITS, Project
from engine.data.rows import Message, Row
from engine.data.split import FrozenSides
from engine.errors import Problem


def row(number: int, question: str, answer: str = "An answer.") -> Row:
    return Row(number, number, (Message("user", question), Message("assistant", answer)))


def turns(question: str, answer: str) -> tuple[Message, ...]:
    return Message("user", question), Message("assistant", answer)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    return Project(str(tmp_path / "rows.jsonl"))


ROWS = [row(1, "one"), row(2, "two"), row(3, "one"), row(4, "three")]


def answers(edits: Edits, rows: Sequence[Row] = ROWS) -> list[str]:
    found = edits.apply(rows, ids_of(rows))
    return [
        f"{r.user_text}={r.answer}"
        for place, r in enumerate(found.rows)
        if place not in found.excluded
    ]


def key_of(edits: Edits, place: int) -> Key:
    found = edits.apply(ROWS, ids_of(ROWS))
    return found.key(place % len(found.rows))


def test_nothing_is_kept_before_an_edit(project: Project) -> None:
    edits = Edits(project)
    assert list(edits.apply(ROWS, ids_of(ROWS)).rows) == ROWS
    assert not project.folder.exists()
    assert edits.undo() is None


def test_change_exclude_add_restore_and_undo(project: Project) -> None:
    edits = Edits(project)
    keys = [edits.apply(ROWS, ids_of(ROWS)).key(place) for place in range(4)]
    edits.change(keys[2], turns("one", "Mended."))
    edits.exclude([keys[0], keys[3]])
    edits.add(turns("four", "New."))
    assert answers(edits) == ["two=An answer.", "one=Mended.", "four=New."]
    assert edits.overlay.counts == {
        "changed": 1, "mended": 0, "added": 1, "excluded": 2, "dropped": 0, "undo": True,
    }  # fmt: skip
    edits.exclude([keys[2]])
    edits.restore([keys[0], keys[2]])
    assert answers(edits) == ["one=An answer.", "two=An answer.", "one=Mended.", "four=New."]
    edits.restore([keys[2]])  # in use already: back to what was read
    assert answers(edits) == ["one=An answer.", "two=An answer.", "one=An answer.", "four=New."]
    for _ in range(4):
        assert edits.undo()
    assert answers(edits) == ["two=An answer.", "one=Mended."]
    assert answers(Edits(project)) == answers(edits)  # what the disk says


def test_an_edit_finds_its_row_when_the_source_has_grown(project: Project) -> None:
    edits = Edits(project)
    keys = [edits.apply(ROWS, ids_of(ROWS)).key(place) for place in range(4)]
    edits.change(keys[2], turns("one", "Mended."))
    edits.exclude([keys[1]])
    grown = [row(1, "zero"), *(row(r.number + 1, r.user_text) for r in ROWS), row(6, "five")]
    found = Edits(project).apply(grown, ids_of(grown))
    assert set(found.excluded) == {2}
    assert found.edited == {3}
    assert found.lost == 0
    without = [r for r in grown if r.user_text != "two"]
    assert Edits(project).apply(without, ids_of(without)).lost == 1


def test_an_added_row_can_be_changed_and_left_out(project: Project) -> None:
    edits = Edits(project)
    edits.add(turns("four", "New."))
    key = key_of(edits, -1)
    edits.change(key, turns("four", "Newer."))
    found = edits.apply(ROWS, ids_of(ROWS))
    assert (found.rows[-1].answer, found.rows[-1].number, found.lost) == ("Newer.", 5, 0)
    edits.exclude([key])
    assert edits.apply(ROWS, ids_of(ROWS)).excluded[4] == "by hand"
    assert edits.apply(ROWS, ids_of(ROWS)).lost == 0


def test_a_remedy_is_one_edit_and_names_its_check(project: Project) -> None:
    edits = Edits(project)
    keys = [edits.apply(ROWS, ids_of(ROWS)).key(place) for place in range(4)]
    edits.exclude(keys[1:3], "near_copies", "keep_one")
    edits.choose("secrets", "leave")
    assert edits.overlay.chosen == {"near_copies": "keep_one", "secrets": "leave"}
    assert edits.apply(ROWS, ids_of(ROWS)).excluded == {1: "near_copies", 2: "near_copies"}
    edits.undo()
    edits.undo()
    assert edits.overlay.chosen == {}
    assert answers(edits) == [f"{r.user_text}={r.answer}" for r in ROWS]


def test_a_kill_in_the_middle_of_a_write_costs_that_edit_alone(project: Project) -> None:
    edits = Edits(project)
    keys = [edits.apply(ROWS, ids_of(ROWS)).key(place) for place in range(4)]
    edits.exclude([keys[0]])
    edits.exclude([keys[1]])
    journal = project.folder / EDITS
    whole = journal.read_bytes()
    for kept in range(len(whole) + 1):
        journal.write_bytes(whole[:kept])
        again = Edits(project)
        assert len(answers(again)) == len(ROWS) - whole[:kept].count(b"\n")
        again.exclude([keys[3]])  # what comes after a torn line is whole
        assert "three=An answer." not in answers(Edits(project))


def test_a_full_disk_is_told_and_nothing_counts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = Edits(project)
    keys = [edits.apply(ROWS, ids_of(ROWS)).key(place) for place in range(4)]
    edits.exclude([keys[0]])
    monkeypatch.setattr("os.write", lambda descriptor, data: len(data) // 2)
    with pytest.raises(Problem, match="no space left"):
        edits.exclude([keys[1]])
    monkeypatch.undo()
    assert len(answers(edits)) == 3


def test_drafts_are_kept_and_dropped(project: Project) -> None:
    assert project.draft is None
    draft = {"index": 3, "messages": [{"role": "user", "content": "half a sen"}]}
    project.keep_draft(draft)
    assert Project(project.source).draft == draft
    project.keep_draft(None)
    project.keep_draft(None)
    assert project.draft is None
    assert json.loads((project.folder / "source.json").read_text()) == {"source": project.source}


def test_sides_are_kept_by_seed_and_share(project: Project) -> None:
    texts = np.array([2**64 - 1, 7], np.uint64)
    project.keep_sides(42, 0.1, FrozenSides(texts, np.array([False, True])))
    found, notes = project.sides(42, 0.1)
    assert (found.sides_of(texts), notes) == (["train", "eval"], [])
    assert [len(each) for each in project.sides(43, 0.1)] == [0, 0]
    (kept,) = project.folder.glob("sides-*")
    for damaged in (b"", b"PK\x03\x04 nonsense", kept.read_bytes()[:-30]):
        kept.write_bytes(damaged)
        found, (note,) = project.sides(42, 0.1)
        assert len(found) == 0
        assert "damaged" in note
    assert oct(project.folder.stat().st_mode & 0o777) == "0o700"


def test_two_windows_take_back_their_own_edits(project: Project) -> None:
    one, other = Edits(project), Edits(project)
    keys = [one.apply(ROWS, ids_of(ROWS)).key(place) for place in range(4)]
    one.exclude([keys[1]])
    other.exclude([keys[3]])
    one.undo()
    assert answers(Edits(project)) == ["one=An answer.", "two=An answer.", "one=An answer."]
    other.undo()
    assert len(answers(Edits(project))) == 4
