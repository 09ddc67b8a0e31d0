"""Near copies: what is found is so, and next to nothing is missed."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.checks.crowd import possible_pairs
from engine.data.checks.near import BANDS, ROWS, chance_missed, group, near_groups, signatures
from engine.data.checks.shingles import jaccard, shingle_hashes, shingles, spaced
from engine.errors import Cancelled

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdgklmnrst"]


def text(rng: random.Random, words: int = 100) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def partner(rng: random.Random, one: str, wanted: float) -> str:
    """A text like `one`, with words changed at its end until their Jaccard index is just not
    below `wanted`: of n 3-grams k go and k others come, so it is (n - k) / (n + k)."""
    words = one.split()
    best = one
    for changed in range(1, len(words)):
        other = " ".join([*words[:-changed], *(f"x{rng.random()}" for _ in range(changed))])
        if index(one, other) < wanted:
            return best
        best = other
    return best


def index(one: str, other: str) -> float:
    """The Jaccard index by definition, on lists and without the code under test."""
    sets = []
    for each in (one, other):
        words = each.lower().split()
        sets.append({tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def by_group(groups: np.ndarray) -> set[frozenset[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for at, label in enumerate(groups.tolist()):
        found[label].add(at)
    return {frozenset(each) for each in found.values()}


def brute_force(texts: list[str]) -> set[frozenset[int]]:
    """Every pair compared; groups closed by walking from text to text."""
    alike = defaultdict(set)
    for a in range(len(texts)):
        for b in range(a):
            if index(texts[a], texts[b]) >= 0.8:
                alike[a].add(b)
                alike[b].add(a)
    found, seen = set(), set()
    for start in range(len(texts)):
        if start in seen:
            continue
        group, edge = {start}, [start]
        while edge:
            for other in alike[edge.pop()] - group:
                group.add(other)
                edge.append(other)
        seen |= group
        found.add(frozenset(group))
    return found


def test_the_bands_miss_as_seldom_as_promised() -> None:
    for similarity, most in ((0.8, 0.02), (0.85, 0.001), (0.9, 0.00002)):
        # independently: no band of `ROWS` minima agrees whole
        expected = 1.0
        for _ in range(BANDS):
            expected *= 1 - similarity**ROWS
        assert chance_missed(similarity) == pytest.approx(expected)
        assert expected < most
    assert chance_missed(1.0) == 0


@pytest.mark.parametrize(("wanted", "most_missed"), [(0.8, 0.02), (0.85, 0.005), (0.9, 0.0)])
def test_planted_pairs_are_found(wanted: float, most_missed: float) -> None:
    rng, pairs = random.Random(5), 400
    texts = []
    for _ in range(pairs):
        one = text(rng)
        texts += [one, partner(rng, one, wanted)]
    assert all(0.8 <= index(texts[at], texts[at + 1]) < 0.98 for at in range(0, len(texts), 2))
    groups = near_groups(texts)
    missed = sum(groups[at] != groups[at + 1] for at in range(0, len(texts), 2))
    assert missed <= most_missed * pairs


def test_pairs_below_the_threshold_are_never_joined() -> None:
    rng, texts = random.Random(6), []
    for _ in range(300):
        one = text(rng)
        words = one.split()
        for changed in range(12, 40):
            other = " ".join([*words[:-changed], *(f"y{rng.random()}" for _ in range(changed))])
            if index(one, other) < 0.8:
                break
        assert 0.75 < index(one, other) < 0.8
        texts += [one, other]
    assert len(set(near_groups(texts).tolist())) == len(texts)


def test_the_same_groups_as_comparing_every_pair() -> None:
    rng = random.Random(7)
    texts = [text(rng, rng.choice((1, 2, 3, 5, 30, 120))) for _ in range(120)]
    for at in range(0, 120, 3):
        words = texts[at].split()
        words[rng.randrange(len(words))] = "changed"
        texts.append(" ".join(words))
        texts.append(texts[at].upper() + ".")
    rng.shuffle(texts)
    plain = [each.rstrip(".") for each in texts]
    assert by_group(near_groups(texts)) == brute_force(plain)


def test_copies_of_copies_share_a_group() -> None:
    rng = random.Random(8)
    chain = [text(rng, 120)]
    for step in range(12):
        words = chain[-1].split()
        words[step * 9 : step * 9 + 2] = [f"a{step}", f"b{step}"]
        chain.append(" ".join(words))
    assert index(chain[0], chain[-1]) < 0.5
    groups = near_groups([text(rng), *chain, text(rng)])
    assert len(set(groups[1:-1].tolist())) == 1
    assert len(set(groups.tolist())) == 3


def test_many_copies_and_two_crowds_in_one_bucket() -> None:
    rng = random.Random(9)
    one, other = text(rng, 80), text(rng, 80)
    texts = [one, other] * 400 + [f"{one} number {at}" for at in range(300)]
    groups = near_groups(texts)
    assert len(set(groups.tolist())) == 2
    assert groups[0] != groups[1]


@pytest.mark.parametrize("inputs", [(12, 13), (8, 20), (5, 16), (20, 22)])
def test_a_crowd_under_one_instruction_is_told_apart_exactly(inputs: tuple[int, int]) -> None:
    """A long text that all share, so that pairs lie on both sides of the threshold."""
    rng = random.Random(12)
    instruction = text(rng, 100)
    own = [text(rng, rng.randint(*inputs)) for _ in range(150)]
    own += [f"{own[at]} and so" for at in range(5)]
    texts = [f"{instruction} {each}" for each in own]
    found = group(signatures(texts), texts.__getitem__)
    assert by_group(found.labels) == brute_force(texts)
    assert found.untried == 0


def test_possible_pairs_leave_no_pair_out() -> None:
    rng = random.Random(13)
    texts = [" ".join(rng.choices("ab", k=rng.randint(3, 9))) for _ in range(120)]
    none, all_settled = np.zeros(120, np.bool_), np.ones(120, np.bool_)
    parts = list(possible_pairs(*shingle_hashes(texts), 0.8, none))
    found = {
        frozenset(pair)
        for part in parts
        for pair in zip(*map(np.ndarray.tolist, part), strict=True)
    }
    real = {
        frozenset((a, b)) for a in range(120) for b in range(a) if index(texts[a], texts[b]) >= 0.8
    }
    assert real <= found
    assert len(real) > 10
    assert len(found) < 120 * 119 / 4
    assert sum(len(one) for one, _ in possible_pairs(*shingle_hashes(texts), 0.8, all_settled)) == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("", "", True),
        ("", "a", False),
        ("hello", "Hello!", True),
        ("hello there", "hello", False),
        ("hello there", "there hello", False),
        ("one two three", "one two three four", False),
        ("what is this", "What  is\nthis?", True),
        ("请把这句话翻译成英文好吗谢谢你们大家", "请把这句话翻译成英文好吗谢谢你们大家吧", True),
        ("请把这句话翻译成英文", "今天天气怎么样我们", False),
    ],
)
def test_short_texts_and_texts_without_spaces(one: str, other: str, same: bool) -> None:
    groups = near_groups([one, other])
    assert (groups[0] == groups[1]) == same


def test_a_group_is_named_by_its_first_and_nothing_gives_nothing() -> None:
    assert near_groups(["a", "b", "A", "b."]).tolist() == [0, 1, 0, 1]
    assert near_groups([]).tolist() == []


def test_texts_are_read_again_by_position_only_to_verify() -> None:
    rng = random.Random(10)
    texts = [text(rng, 40) for _ in range(50)]
    texts += [f"{each} extra" for each in texts]
    asked = []

    def text_at(at: int) -> str:
        asked.append(at)
        return texts[at]

    found = group(signatures(texts), text_at)
    assert found.labels.tolist() == list(range(50)) * 2 == near_groups(texts).tolist()
    assert found.untried == 0
    assert asked


def test_it_can_be_cancelled() -> None:
    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        near_groups(["a"], cancel)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(), max_size=12))
def test_hashed_shingles_are_the_shingles(texts: list[str]) -> None:
    """Any texts: as many different hashes as 3-grams, and the same ones for the same 3-grams."""
    plain = [spaced(each) for each in texts]
    hashed, starts = shingle_hashes(plain)
    assert len(starts) == len(plain)
    parts = np.split(hashed, starts[1:]) if len(plain) else []
    number: dict[str, int] = {}
    for each, part in zip(texts, parts, strict=True):
        found = shingles(each)
        assert len(set(part.tolist())) == len(found)
        words = spaced(each).split(" ")
        grams = [" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))]
        for gram, value in zip(grams, part.tolist(), strict=True):
            assert number.setdefault(gram, value) == value
    assert len(set(number.values())) == len(number)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="abc .\n字", max_size=40), max_size=25), st.randoms())
def test_the_order_of_texts_does_not_matter(texts: list[str], rng: random.Random) -> None:
    order = list(range(len(texts)))
    rng.shuffle(order)
    shuffled = by_group(near_groups([texts[at] for at in order]))
    assert by_group(near_groups(texts)) == {
        frozenset(order[place] for place in group) for group in shuffled
    }


@given(st.text(), st.text())
def test_the_jaccard_index_is_one_only_for_the_same_shingles(one: str, other: str) -> None:
    value = jaccard(shingles(one), shingles(other))
    assert 0 <= value <= 1
    assert (value == 1) == (shingles(one) == shingles(other))
