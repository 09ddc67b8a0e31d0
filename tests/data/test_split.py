"""The split: one side for ever, copies together, and an overlap counted by other means."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.checks.near import near_groups
from engine.data.rows import Message, Row
from engine.data.split import (
    FrozenSides,
    Side,
    grouped_split,
    merged,
    normalise,
    overlap,
    prompt_of,
    split,
    text_hash,
)


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


# groups


def test_rows_of_one_group_share_a_side() -> None:
    given_rows = rows(QUESTIONS)
    groups = np.arange(1000) // 4
    sides = np.array(grouped_split(given_rows, 0.1, 42, groups).sides)
    assert all(len(set(sides[groups == group].tolist())) == 1 for group in range(250))
    assert 40 <= np.count_nonzero(sides == "eval") <= 180  # as many as without groups


def test_large_groups_are_held_out_no_oftener_than_small_ones() -> None:
    held = [
        grouped_split(rows(QUESTIONS), 0.1, seed, np.arange(1000) // 20).sides.count("eval")
        for seed in range(60)
    ]
    # 50 groups of 20, each held out with chance 0.1: 100 rows, standard error 5.5
    assert 80 < np.mean(held) < 120


def test_copies_stay_together_even_where_the_groups_part_them() -> None:
    texts = [text for question in QUESTIONS[:100] for text in (question, question.upper())]
    sides = grouped_split(rows(texts), 0.3, 42, np.arange(200)).sides
    assert sides[::2] == sides[1::2]


def test_a_group_larger_than_the_share_is_told_and_stays() -> None:
    large = [f"{' '.join(f'w{n}' for n in range(30))} number {at}" for at in range(200)]
    given_rows = rows(large + QUESTIONS[:800])
    groups = near_groups([prompt_of(row) for row in given_rows])
    seen = set()
    for seed in range(40):
        found = grouped_split(given_rows, 0.1, seed, groups)
        side = {found.sides[at] for at in range(200)}
        assert len(side) == 1
        seen |= side
        where = "held out" if side == {"eval"} else "trained on"
        (note,) = found.notes
        assert note.startswith("200 rows are copies of one another, more than the 100 to be held")
        assert note.endswith(where)
    assert "train" in seen
    assert grouped_split(rows(QUESTIONS), 0.1, 42, np.arange(1000)).notes == []


def test_groupings_are_merged_through_shared_members() -> None:
    first, second = np.array([5, 5, 6, 7, 8, 9]), np.array([1, 2, 2, 3, 4, 3])
    assert merged(first, second).tolist() == [0, 0, 0, 3, 4, 3]
    assert merged(np.zeros(0, np.int64)).tolist() == []


# frozen sides


def hashes(texts: list[str]) -> np.ndarray:
    return np.array([text_hash(normalise(text)) for text in texts], np.uint64)


def frozen_of(given_rows: list[Row], sides: list[Side | None]) -> FrozenSides:
    used = [at for at, side in enumerate(sides) if side]
    texts = [given_rows[at].user_text for at in used]
    return FrozenSides(hashes(texts), np.array([sides[at] == "eval" for at in used], np.bool_))


def test_what_a_split_says_to_keep_is_what_it_did() -> None:
    found = grouped_split(rows(QUESTIONS), 0.3, 1)
    assert found.frozen.sides_of(hashes(QUESTIONS)) == found.sides
    assert found.frozen.sides_of(hashes(["never seen"])) == [None]
    more = FrozenSides(hashes(["new", QUESTIONS[0]]), np.array([True, found.sides[0] != "eval"]))
    both = found.frozen.with_more(more)
    assert both.sides_of(hashes(["new", QUESTIONS[0]])) == ["eval", found.sides[0]]


def test_what_is_frozen_stays_when_rows_are_added() -> None:
    before = rows(QUESTIONS[:300])
    first = grouped_split(before, 0.1, 42).sides
    frozen = frozen_of(before, first)
    assert len(frozen) == 300
    assert frozen.sides_of(hashes(QUESTIONS[7:8])) == [first[7]]
    after = grouped_split(rows(QUESTIONS), 0.5, 7, frozen=frozen)  # another seed and share
    assert after.sides[:300] == first
    assert 200 < after.sides[300:].count("eval") < 500
    assert len(after.set_aside) == 0


def test_a_new_row_joins_the_frozen_side_of_its_group_or_is_set_aside() -> None:
    base = "one two three four five six seven eight nine ten eleven twelve {} fifteen sixteen"
    texts = [*QUESTIONS[:40], base.format("a"), base.format("b"), "Unheard of?"]
    groups = np.arange(43)
    for new, members, expected in (
        ("What is 0 times 0?!", {0}, None),
        (base.format("c"), {40, 41}, None),
        ("like train", {40}, "train"),
        ("like eval", {41}, "eval"),
    ):
        given_rows = rows([*texts[:42], new])
        sides = split(given_rows[:42], 0.2, 42)
        sides[40:42] = ["train", "eval"]
        frozen = frozen_of(given_rows[:42], sides)
        labels = groups.copy()
        for member in members:
            labels[labels == labels[member]] = 42
        found = grouped_split(given_rows, 0.2, 42, labels, frozen)
        assert found.sides[:42] == sides
        if new.startswith("What"):
            expected = sides[0]
        assert found.sides[42] == expected
        assert found.set_aside.tolist() == ([42] if expected is None else [])


def test_few_held_out_are_made_up_for_from_new_rows_only() -> None:
    before = rows(QUESTIONS[:12])
    frozen = frozen_of(before, ["eval", "eval", *["train"] * 10])
    found = grouped_split(rows(QUESTIONS[:40]), 0.01, 42, frozen=frozen)
    assert found.sides[:12] == ["eval", "eval", *["train"] * 10]
    assert found.sides.count("eval") == 8


# Texts from few words, so that copies of every kind are common.
phrases = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=14).map(" ".join)
frayed = st.tuples(phrases, st.sampled_from(["", "?", " .", "  "]), st.booleans()).map(
    lambda parts: (parts[0].upper() if parts[2] else parts[0]) + parts[1]
)
data_sets = st.lists(frayed, max_size=40)


@settings(deadline=None, max_examples=80)
@given(data_sets, st.floats(0, 1), st.integers(0, 99))
def test_no_group_is_ever_parted(texts: list[str], fraction: float, seed: int) -> None:
    groups = near_groups(texts)
    given_rows = rows(texts)
    found = grouped_split(given_rows, fraction, seed, groups)
    sides: dict[int, set[str | None]] = {}
    for group, side in zip(groups.tolist(), found.sides, strict=True):
        sides.setdefault(group, set()).add(side)
    assert all(len(each) == 1 for each in sides.values())
    assert len(found.set_aside) == 0
    told = overlap(given_rows, found.sides, 0.8)
    assert told["exact"] == told["normalised"] == told["near"] == 0


@settings(deadline=None, max_examples=60)
@given(data_sets, st.floats(0, 1), st.integers(0, 99), st.randoms())
def test_the_order_of_rows_is_irrelevant(
    texts: list[str], fraction: float, seed: int, rng: random.Random
) -> None:
    order = list(range(len(texts)))
    rng.shuffle(order)
    shuffled = [texts[at] for at in order]
    sides = grouped_split(rows(texts), fraction, seed, near_groups(texts)).sides
    moved = grouped_split(rows(shuffled), fraction, seed, near_groups(shuffled)).sides
    assert moved == [sides[at] for at in order]


@settings(deadline=None, max_examples=80)
@given(data_sets, data_sets, st.floats(0, 1), st.integers(0, 99))
def test_growth_moves_no_frozen_row_and_leaks_nothing(
    texts: list[str], more: list[str], fraction: float, seed: int
) -> None:
    before = rows(texts)
    first = grouped_split(before, fraction, seed, near_groups(texts)).sides
    frozen = frozen_of(before, first)
    grown = texts + more
    after = grouped_split(rows(grown), fraction, seed, near_groups(grown), frozen)
    assert after.sides[: len(texts)] == first
    assert all(at >= len(texts) for at in after.set_aside.tolist())
    assert [side is None for side in after.sides].count(True) == len(after.set_aside)
    assert overlap(rows(grown), after.sides, 0.8)["near"] == 0


def test_rows_without_a_question_are_known_by_what_they_say() -> None:
    raw = [Row(n, n, (Message("assistant", f"text {n}"),), raw=True) for n in range(100)]
    assert 0 < split(raw, 0.1, 42).count("eval") < 50
    assert overlap([raw[0], raw[0]], ["train", "eval"], 0.8)["near"] == 1
    assert overlap(raw[:2], ["train", "eval"], 0.8)["near"] == 0
