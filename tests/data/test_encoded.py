"""The flat store gives back exactly what the tokenizer gave, edited or not, from memory and from the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.data import flat
from engine.data import one_pass as store
from engine.data.checks.scans import Scans
from engine.data.edits import ids_of
from engine.data.encoded import EncodedRows
from engine.data.facts import COLUMNS, Facts, facts_of
from engine.data.one_pass import cache_name, go_through
from engine.data.rows import Message, Row
from engine.data.template import Unrenderable
from engine.data.tokens import encode_row, encode_rows
from engine.errors import Cancelled
from tests.tiny import CHATML, tiny_tokenizer

REFUSES = "{% if messages[0]['content'] == 'no' %}{{ raise_exception('no') }}{% endif %}"
TOKENIZER = tiny_tokenizer(REFUSES + CHATML)


def row(number: int, question: str) -> Row:
    answer = f"The answer to {question} is {number} " * (number % 4 + 1)
    return Row(number, number, (Message("user", question), Message("assistant", answer)))


ROWS = [row(n, "no" if n == 3 else f"what is {n}") for n in range(12)]


@pytest.fixture(params=["memory", "file"])
def encoded(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> EncodedRows:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "FEW", 5 if request.param == "file" else 50)
    monkeypatch.setattr(store, "BATCH", 5)
    return go_through(TOKENIZER, ROWS, "name", lambda done, total: None)[0]


@pytest.mark.parametrize("max_length", [None, 16, 40, 10_000])
def test_each_row_is_what_the_tokenizer_gives(encoded: EncodedRows, max_length: int | None) -> None:
    found = encoded if max_length is None else encoded.cut_to(max_length)
    expected = encode_rows(TOKENIZER, ROWS, max_length)
    assert len(found) == len(ROWS)
    assert set(found.refused) == {3}
    for place, (one, other) in enumerate(zip(found, expected, strict=True)):
        if isinstance(other, Unrenderable):
            assert (len(one.ids), found.refused[place]) == (0, str(other))
            continue
        assert one.ids.tolist() == other.ids.tolist()
        assert one.labels.tolist() == other.labels.tolist()
        assert found.full_lengths[place] == one.full_length == other.full_length
        assert found.lengths[place] == len(other.ids)
        assert found.label_counts[place] == other.labels.sum()


def test_edited_and_added_rows_stand_in(encoded: EncodedRows) -> None:
    other, added = row(50, "another"), row(51, "a new one")
    edits = {
        3: encode_row(TOKENIZER, other, None),
        5: Unrenderable("why"),
        12: encode_row(TOKENIZER, added, None),
    }
    found = encoded.with_edits(edits).cut_to(30)
    assert len(found) == 13
    assert dict(found.refused) == {5: "why"}
    for place, wanted in ((3, other), (12, added), (4, ROWS[4])):
        expected = encode_row(TOKENIZER, wanted, 30)
        assert found[place].ids.tolist() == expected.ids.tolist()
        assert found.label_counts[place] == expected.labels.sum()
        assert found.full_lengths[place] == expected.full_length
    assert len(found[5].ids) == found.lengths[5] == found.label_counts[5] == 0


def test_a_file_is_read_again_and_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "FEW", 5)
    name = cache_name(TOKENIZER, "t", None, ids_of(ROWS))
    first, facts = go_through(TOKENIZER, ROWS, name, lambda done, total: None)
    monkeypatch.setattr(store, "encode_rows", None)
    monkeypatch.setattr(store, "facts_of", None)
    again, facts_again = go_through(TOKENIZER, ROWS, name, lambda done, total: None)
    assert [e.ids.tolist() for e in again] == [e.ids.tolist() for e in first]
    assert dict(again.refused) == dict(first.refused)
    expected = Facts(facts_of(ROWS, Scans()))
    every = np.arange(len(ROWS))
    for found in (facts, facts_again):
        assert all(np.array_equal(found.of(name), expected.of(name)) for name in COLUMNS)
        assert np.array_equal(found.prints(every).grams, expected.prints(every).grams)


def test_nothing_is_left_of_a_pass_that_was_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "FEW", 5)

    def cancel(done: int, total: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        go_through(TOKENIZER, ROWS, "name", cancel)
    assert list((tmp_path / "home/cache/counted").iterdir()) == []


def test_the_name_follows_all_that_decides_the_tokens() -> None:
    ids = ids_of(ROWS)
    names = {
        cache_name(TOKENIZER, "t", None, ids),
        cache_name(TOKENIZER, "u", None, ids),
        cache_name(TOKENIZER, "t", "s", ids),
        cache_name(TOKENIZER, "t", None, ids[1:]),
        cache_name(TOKENIZER, "t", None, np.flip(ids)),
    }
    assert len(names) == 5


def test_only_the_last_few_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "FEW", 1)
    for number in range(6):
        go_through(TOKENIZER, ROWS[:2], f"name{number}", lambda done, total: None)
    left = sorted(path.name for path in (tmp_path / "home/cache/counted").iterdir())
    assert len(left) == flat.KEPT
    assert "name5" in left
