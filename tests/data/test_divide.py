"""No copy on both sides, exact, normalised or near: planted, moved together, set aside, counted by another pass."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import from_dict
from engine.data import opening
from engine.data.checks.near import Grouping
from engine.data.dataset import Dataset
from engine.data.opening import open_data, recount
from engine.data.rows import Message
from engine.data.summary import summary
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
WORDS = [f"{a}{b}" for a in ("ba", "ke", "li", "mo", "ru", "sa", "te", "vo") for b in "aeioukrst"]


def question(rng: random.Random, length: int = 14) -> list[str]:
    return [rng.choice(WORDS) for _ in range(length)]


def planted(seed: int) -> list[dict[str, str]]:
    """60 questions, each of the first 30 with a copy of one kind far behind it."""
    rng = random.Random(seed)
    asked = [question(rng) for _ in range(60)]
    copies = []
    for at, words in enumerate(asked[:30]):
        if at % 3 == 0:
            copies.append(" ".join(words))
        elif at % 3 == 1:
            copies.append("  ".join(words).upper() + "!")
        else:
            copies.append(" ".join([*words, "moba"]))  # 12 of 13 3-grams are the same
    texts = [" ".join(words) for words in asked] + copies
    return [{"instruction": text, "output": f"Answer {at}."} for at, text in enumerate(texts)]


def opened(path: Path, values: list[dict[str, str]], **data: Any) -> Dataset:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return open_data(from_dict({"data": {"path": str(path), **data}}), lambda: TOKENIZER)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_copies_of_every_kind_share_a_side(tmp_path: Path, fraction: float) -> None:
    for seed in range(3):
        found = opened(tmp_path / f"{seed}.jsonl", planted(seed), eval_fraction=fraction)
        assert [found.overlap[kind] for kind in ("exact", "normalised", "near")] == [0, 0, 0]
        assert all(found.sides[at] == found.sides[60 + at] for at in range(30))
        assert 8 <= found.sides.count("eval") <= 45


def test_leaks_that_grouping_misses_are_found_by_the_second_pass_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grouping is made blind: the independent pass still finds every copy, and joins it."""
    monkeypatch.setattr(opening, "group", lambda facts, *given: Grouping(np.arange(len(facts))))
    found = opened(tmp_path / "rows.jsonl", planted(1), eval_fraction=0.3)
    assert found.overlap["near"] == 0
    assert all(found.sides[at] == found.sides[60 + at] for at in range(30))


def test_rows_keep_their_sides_when_the_file_grows_and_what_touches_both_is_set_aside(
    tmp_path: Path,
) -> None:
    rng = random.Random(7)
    values = planted(2)
    path = tmp_path / "rows.jsonl"
    before = opened(path, values, eval_fraction=0.3)
    train = next(at for at in range(60) if before.sides[at] == "train")
    held = next(at for at in range(60) if before.sides[at] == "eval")
    one, other = (values[at]["instruction"].split() for at in (train, held))
    # near to a trained row by its copy, and to a held-out one: the three become one group
    values += [{"instruction": " ".join(question(rng)), "output": "New."} for _ in range(40)]
    values += [
        {"instruction": " ".join([*one, "keta"]), "output": "Near to a trained one."},
        {"instruction": " ".join([*other, "keta"]), "output": "Near to a held-out one."},
    ]
    after = opened(path, values, eval_fraction=0.3)
    assert after.sides[:90] == before.sides
    assert after.sides[-2:] == ["train", "eval"]
    assert after.overlap["near"] == 0
    assert summary(after)["set_aside"] == 0


def test_a_row_near_to_both_sides_is_set_aside_and_listed(tmp_path: Path) -> None:
    """Of 38 3-grams each end shares 34 with the middle (34 / 42 is near), and 30 with the other end."""
    for seed in range(50):
        middle = question(random.Random(seed), 40)
        ends = [[*middle[:-4], "qa", "qe", "qi", "qo"], ["ra", "re", "ri", "ro", *middle[4:]]]
        values = planted(4)[:60]
        values += [{"instruction": " ".join(end), "output": "It."} for end in ends]
        path = tmp_path / f"{seed}.jsonl"
        before = opened(path, values, eval_fraction=0.3)
        if before.sides[60] != before.sides[61]:
            break
    assert before.sides[60] != before.sides[61]
    values.append({"instruction": " ".join(middle), "output": "?"})
    grown = opened(path, values, eval_fraction=0.3)
    assert grown.sides[:62] == before.sides
    assert grown.sides[62] is None
    assert grown.set_aside == [62]
    (listed,) = [p for p in summary(grown)["problems"] if p["code"] == "held_out_copy"]
    assert listed["rows"] == [63]
    assert grown.overlap["near"] == 0


def test_near_copies_of_a_held_out_file_leave_training(tmp_path: Path) -> None:
    values = planted(5)
    held = tmp_path / "held.jsonl"
    opened(held, values[60:])
    found = opened(tmp_path / "train.jsonl", values[:60], eval_path=str(held))
    assert found.set_aside == list(range(30))
    assert found.sides == [None] * 30 + ["train"] * 30 + ["eval"] * 30
    assert found.overlap["near"] == 0


def test_sides_kept_from_before_never_hold_near_copies_apart(tmp_path: Path) -> None:
    """A row is left out, near copies of it come in and one is held out, the row is taken back: it gives way."""
    values = planted(6)[:60]
    found = opened(tmp_path / "rows.jsonl", values, eval_fraction=0.3)
    train = found.at("train")[0]
    found.edits.exclude([found.edited.key(train)])
    found = recount(found)
    words = values[train]["instruction"].split()
    for word in WORDS:
        if found.sides[-1] == "eval" and len(found.rows) > 60:
            break
        if len(found.rows) > 60:
            found.edits.undo()
        text = " ".join([*words, word])
        found.edits.add((Message("user", text), Message("assistant", "Near.")))
        found = recount(found)
    assert found.sides[-1] == "eval"
    found.edits.restore([found.edited.key(train)])
    found = recount(found)
    assert found.overlap["near"] == 0
    assert (found.sides[train], found.sides[-1]) == (None, "eval")
    assert train in found.set_aside
    assert any(f.code == "held_out_copy" and f.number == train + 1 for f in found.faults)
