"""The split: one side for ever, copies together, and an overlap counted by other means."""

from __future__ import annotations

import random
import re

import pytest

from engine.data.rows import Message, Row
from engine.data.split import normalise, overlap, split, touching


def rows(texts: list[str], answer: str = "x") -> list[Row]:
    return [
        Row(n, n, (Message("user", text), Message("assistant", f"{answer} {n}")))
        for n, text in enumerate(texts, start=1)
    ]


QUESTIONS = [f"What is {n} times {n * 7}?" for n in range(1000)]


def test_a_share_is_held_out_and_the_rest_trains() -> None:
    sides = split(rows(QUESTIONS), 0.1, 42)
    assert set(sides) == {"train", "eval"}
    assert 70 <= sides.count("eval") <= 130  # 100 expected, standard deviation 9.5


def test_order_system_answer_and_number_of_a_row_do_not_matter() -> None:
    plain = dict(zip(QUESTIONS, split(rows(QUESTIONS), 0.1, 42), strict=True))
    shuffled = list(QUESTIONS)
    random.Random(1).shuffle(shuffled)
    changed = [
        Row(n, n, (Message("system", "s"), *row.messages))
        for n, row in enumerate(rows(shuffled, answer="other"))
    ]
    assert dict(zip(shuffled, split(changed, 0.1, 42), strict=True)) == plain


def test_a_row_keeps_its_side_when_rows_are_added() -> None:
    before = split(rows(QUESTIONS[:500]), 0.1, 42)
    assert split(rows(QUESTIONS), 0.1, 42)[:500] == before


def test_another_seed_is_another_split() -> None:
    assert split(rows(QUESTIONS), 0.1, 1) != split(rows(QUESTIONS), 0.1, 2)


def test_a_larger_share_holds_the_smaller_one() -> None:
    small, large = split(rows(QUESTIONS), 0.1, 42), split(rows(QUESTIONS), 0.2, 42)
    assert all(b == "eval" for a, b in zip(small, large, strict=True) if a == "eval")


@pytest.mark.parametrize("count", [400, 20])
def test_copies_stay_on_one_side(count: int) -> None:
    texts = []
    for question in QUESTIONS[:count]:
        texts += [
            question,
            question,
            f"  {question.upper()} ",
            question.replace(" ", "\n").rstrip("?"),
        ]
    random.Random(3).shuffle(texts)
    given = rows(texts)
    sides = split(given, 0.1, 42)
    found: dict[str, set[str]] = {}
    for text, side in zip(texts, sides, strict=True):
        found.setdefault(re.sub(r"[\s?]", "", text).lower(), set()).add(side)
    assert len(found) == count
    assert all(len(each) == 1 for each in found.values())
    assert overlap(given, sides) == {"exact": 0, "normalised": 0}


@pytest.mark.parametrize(
    ("count", "held"), [(1, 0), (2, 1), (3, 1), (10, 5), (15, 7), (16, 8), (40, 8)]
)
def test_small_data_holds_out_eight_but_never_more_than_half(count: int, held: int) -> None:
    assert split(rows(QUESTIONS[:count]), 0.05, 42).count("eval") == held


def test_one_question_asked_a_hundred_times_is_not_all_held_out() -> None:
    for seed in range(50):
        assert "train" in split(rows(["same?"] * 100), 0.5, seed)
        sides = split(rows(["same?"] * 90 + QUESTIONS[:10]), 0.1, seed)
        assert 1 <= sides.count("eval") <= 50


def test_nothing_is_held_out_at_zero_and_of_nothing() -> None:
    assert split(rows(QUESTIONS[:20]), 0.0, 42) == ["train"] * 20
    assert split([], 0.1, 42) == []


def test_overlap_counts_what_a_bad_split_leaves() -> None:
    given = rows(["a b?", "A  B", "a b?", "c", "D"])
    assert overlap(given, ["train", "eval", "eval", "eval", None]) == {"exact": 1, "normalised": 2}
    assert overlap(given, ["train", None, None, "eval", "eval"]) == {"exact": 0, "normalised": 0}


def test_touching_finds_normalised_copies() -> None:
    assert touching(rows(["a b?", "c", "C."]), rows(["A B", "d"])) == {0}


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("What is it?", "  what IS\tit "),
        ("ﬁne Ａ１", "fine a1"),
        ("Straße!", "strasse"),
        ("?!", "?!"),
    ],
)
def test_what_normalising_passes_over(text: str, same: str) -> None:
    assert normalise(text) == normalise(same)


@pytest.mark.parametrize(
    ("text", "other"), [("3+4", "3-4"), ("a b", "ab"), ("C++", "C"), ("-1", "1")]
)
def test_what_normalising_keeps_apart(text: str, other: str) -> None:
    assert normalise(text) != normalise(other)
