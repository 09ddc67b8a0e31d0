"""The overlap: planted leaks are counted, and those that comparing every pair finds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.overlap import leaks, overlap
from engine.data.split import normalise, prompt_of
from tests.data.test_split import QUESTIONS, frayed, rows


def index(one: str, other: str) -> float:
    sets = []
    for each in (one, other):
        words = normalise(each).split()
        sets.append({tuple(words[at : at + 3]) for at in range(max(1, len(words) - 2))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_planted_leaks_are_counted_by_their_kind() -> None:
    texts = [f"{question} And then {at} and why {at} so?" for at, question in enumerate(QUESTIONS)]
    long = [f"{' '.join(f'w{at}x{n}' for n in range(60))} end" for at in range(30)]
    planted = [
        *(texts[:5]),  # exact
        *(text.upper().replace(" ", "  ").rstrip("?") for text in texts[5:12]),
        *(text.replace("x30 ", "x30 new ") for text in long[:9]),
        *(text.replace("x30 ", "x30 new ").replace("x10 ", "a b c d e f g ") for text in long[9:]),
    ]
    given_rows = rows([*texts, *long, *planted])
    sides = ["train"] * (len(texts) + len(long)) + ["eval"] * len(planted)
    near = sum(index(long[at], planted[12 + at]) >= 0.8 for at in range(30))
    assert near == 9
    told = overlap(given_rows, sides, 0.8)
    assert (told["exact"], told["normalised"], told["near"]) == (5, 12, 21)
    assert told["threshold"] == 0.8
    assert told["method"]
    found = leaks(given_rows, sides, 0.8)
    first = len(texts) + len(long)
    assert found.exact.tolist() == list(range(first, first + 5))
    assert found.near.tolist() == list(range(first, first + 21))
    assert found.pairs[12].tolist() == [first + 12, len(texts)]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(frayed, st.sampled_from(["train", "eval", None])), max_size=30),
    st.sampled_from([0.5, 0.8, 0.9, 1.0]),
)
def test_near_leaks_are_those_of_comparing_all_pairs(
    given_texts: list[tuple[str, str | None]], threshold: float
) -> None:
    given_rows, sides = rows([t for t, _ in given_texts]), [side for _, side in given_texts]
    texts = [prompt_of(row) for row in given_rows]
    train = [text for text, side in zip(texts, sides, strict=True) if side == "train"]
    expected = [
        at
        for at, (text, side) in enumerate(zip(texts, sides, strict=True))
        if side == "eval" and any(index(text, other) >= threshold for other in train)
    ]
    assert leaks(given_rows, sides, threshold).near.tolist() == expected


def test_a_common_instruction_is_no_leak_but_a_copy_under_it_is() -> None:
    instruction = " ".join(f"say{n}" for n in range(100))
    texts = [f"{instruction} {' '.join(f'x{at}y{n}' for n in range(14))}" for at in range(300)]
    texts += [f"{texts[at]} too" for at in range(4)]
    sides = ["train"] * 300 + ["eval"] * 4
    assert leaks(rows(texts), sides, 0.8).pairs.tolist() == [[300 + at, at] for at in range(4)]
    assert index(texts[0], texts[1]) < 0.8
    assert overlap(rows(texts[:300]), ["train", "eval"] * 150, 0.8)["near"] == 0
