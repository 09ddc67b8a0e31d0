"""Copies, answers, lengths, languages, and all checks together."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pytest

from engine.data.checks.finding import Finding
from engine.data.checks.language import language, language_code, other_languages
from engine.data.checks.lengths import extreme, length_findings
from engine.data.checks.near import group
from engine.data.checks.remedies import dropped, keep_one, replacement
from engine.data.checks.run import run_checks
from engine.data.checks.scans import Scans
from engine.data.checks.table import CHECKS, REMEDIES
from engine.data.facts import COLUMNS, Facts, facts_of
from engine.data.rows import Message, Row
from engine.data.split import prompt_of
from engine.errors import Cancelled
from engine.paths import ROOT

REAL = ROOT.parent / "shared" / "data"


def row(question: str, answer: str, system: str = "", number: int = 1, tools: str = "") -> Row:
    first = (Message("system", system),) if system else ()
    messages = (*first, Message("user", question), Message("assistant", answer))
    return Row(number, number, messages, tools)


def checked(rows: Sequence[Row], **given: Any) -> dict[str, Finding]:
    """All checks where each row has 50 tokens, half of them learned, but for what is given."""
    tokens = np.full(len(rows), 50)
    usual: dict[str, Any] = {
        "lengths": tokens,
        "labels": tokens // 2,
        "full_lengths": tokens,
        "max_length": 100,
        "window": 1000,
    }
    facts = facts_on(rows)
    usual["groups"] = group(facts, lambda at: prompt_of(rows[at])).labels
    return {finding.code: finding for finding in run_checks(rows, facts, **(usual | given))}


def facts_on(rows: Sequence[Row]) -> Facts:
    return Facts(facts_of([rows[at] for at in range(len(rows))], Scans()))


def test_a_title_fits_its_column_and_every_action_is_known() -> None:
    for code, check in CHECKS.items():
        assert len(check.title) <= 30, code
        assert set(check.remedies) <= set(REMEDIES)
        assert check.default in check.remedies
        assert len(set(check.remedies)) == len(check.remedies)
        if "replace" in check.remedies:
            assert replacement(code)("plain text") == "plain text"
    destructive = {code for code, check in CHECKS.items() if check.default not in ("leave", "cut")}
    assert destructive == {"blank_answer", "nothing_learned", "answer_lost", "prompt_too_long"}


def test_nothing_is_found_in_good_rows_and_in_none() -> None:
    assert checked([row(f"Question {at}?", f"Answer {at}.") for at in range(60)]) == {}
    assert checked([]) == {}


# copies

LONG = " ".join(f"word{at}" for at in range(60))


def test_copies_of_each_kind_are_found_once() -> None:
    rows = [
        row(LONG, f"{LONG} so"),  # 0
        row(LONG, f"{LONG} so"),  # 1 exact
        row(LONG.upper() + " ?", f"{LONG}  SO."),  # 2 normalised
        row(f"{LONG} new", f"{LONG} so it is"),  # 3 near
        row(f"{LONG} new", "quite another answer, of other words"),  # 4 only the prompt is near
        row("something else", f"{LONG} so"),  # 5 only the answer is the same
        row(LONG, f"{LONG} so", system="Answer."),  # 6 another system text
        row(LONG, f"{LONG} so", tools="[]"),  # 7 other tools
    ]
    found = checked(rows)
    assert found["exact_copies"].rows.tolist() == [0, 1]
    assert found["normalised_copies"].rows.tolist() == [0, 2]
    assert found["near_copies"].rows.tolist() == [0, 3]


def test_keeping_one_of_each_kind_in_turn_leaves_what_differs() -> None:
    rows = [
        row(text, answer, number=at)
        for at, (text, answer) in enumerate(
            [
                (LONG, "yes"),
                (LONG, "yes"),
                (LONG.upper(), "Yes"),
                (f"{LONG} new", "yes"),
                ("a", "b"),
            ]
        )
    ]
    found = checked(rows)
    codes = ("exact_copies", "normalised_copies", "near_copies")
    gone = [dropped(found[code], "keep_one").tolist() for code in codes]
    assert gone == [[1], [2], [3]]
    left = [each for at, each in enumerate(rows) if at not in (1, 2, 3)]
    assert not set(checked(left)) & set(codes)
    assert found["exact_copies"].detail == {0: "the first of 2", 1: "like row 0"}


def test_keep_one_of_several_groups() -> None:
    rows, groups = np.array([2, 3, 5, 8, 9]), np.array([7, 1, 7, 1, 7])
    assert keep_one(rows, groups).tolist() == [5, 8, 9]
    finding = Finding("x", rows, "info", {}, groups)
    assert dropped(finding, "drop").tolist() == rows.tolist()
    assert dropped(finding, "leave").tolist() == []


def test_one_prompt_with_two_answers() -> None:
    def chat(*turns: str) -> Row:
        roles = ("user", "assistant") * 3
        return Row(1, 1, tuple(Message(r, t) for r, t in zip(roles, turns, strict=False)))  # type: ignore[arg-type]

    rows = [
        row("Capital of France?", "Paris"),
        row("capital of  france", "Lyon"),
        row("Capital of France?", "PARIS."),
        row("Capital of Spain?", "Madrid"),
        row("Capital of Spain", "madrid."),
        row("Capital of France?", "Rome", system="Be wrong."),
        chat("hi", "hello", "Capital of France?", "Nice"),
        chat("hi", "hey", "Capital of France?", "Nantes"),
        Row(9, 9, (Message("assistant", "text one"),), raw=True),
        Row(10, 10, (Message("assistant", "text two"),), raw=True),
    ]
    found = checked(rows)["two_answers"]
    assert found.rows.tolist() == [0, 1, 2]
    assert found.detail[0] == "its prompt has 2 different answers"
    assert found.groups is not None
    assert dropped(found, "keep_one").tolist() == [1, 2]


def test_near_copies_follow_the_groups_of_the_split() -> None:
    rows = [row(LONG, "yes"), row(f"{LONG} new", "yes"), row("b", "c")]
    assert checked(rows)["near_copies"].rows.tolist() == [0, 1]
    assert "near_copies" not in checked(rows, groups=np.arange(3))


# lengths


def lengths_of(**given: Any) -> dict[str, list[int]]:
    return {each.code: each.rows.tolist() for each in length_findings(**given)}


def test_cut_lost_masked_and_too_long() -> None:
    full = np.array([50, 100, 101, 140, 60, 2000, 0, 1100])
    given: dict[str, Any] = {
        "lengths": np.minimum(full, 100),
        "labels": np.array([20, 20, 20, 0, 0, 0, 0, 30]),
        "full_lengths": full,
        "max_length": 100,
        "window": 1000,
    }
    found = lengths_of(**given)
    assert found == {
        "answer_lost": [3, 5],
        "nothing_learned": [4],
        "answer_cut": [2, 7],
    }
    prompts = np.array([30, 80, 81, 120, 60, 1990, 0, 70])
    found = lengths_of(**given, prompt_lengths=prompts)
    assert found["prompt_too_long"] == [5]
    assert found["answer_lost"] == [3]
    assert lengths_of(**(given | {"window": 100}))["prompt_too_long"] == [3, 5]


def test_extreme_lengths_are_far_from_most() -> None:
    rng = np.random.default_rng(3)
    usual = np.exp(rng.normal(5, 0.7, 1000)).astype(int) + 1  # a median of 148 tokens
    assert not extreme(usual).any()
    assert np.flatnonzero(extreme(np.append(usual, [9000, 2, 400]))).tolist() == [1000, 1001]
    alike = np.full(100, 40)
    assert np.flatnonzero(extreme(np.append(alike, [250, 12, 300, 5, 0]))).tolist() == [102, 103]
    assert not extreme(np.array([5] * 30 + [5000])).any()


# languages

TEXTS = {
    "English": "The cat sat on the mat and this is what they have seen when there was no one.",
    "German": "Das ist nicht die Katze, und ich werde auch für eine andere durch die Stadt sich.",
    "French": "Vous avez une question pour nous et elle est dans les pages, mais pas avec moi.",
    "Spanish": "El perro y los gatos están muy bien, pero usted también puede ver las casas.",
    "Italian": "Questo è il gatto che sono andato a vedere nel parco, anche perché gli piace più.",
    "Portuguese": "Você não pode ver uma casa, mas isso são coisas que também vão ao seu lugar.",
    "Dutch": "Het is niet waar dat een kat naar de stad gaat, maar ook deze hond wordt ziek voor.",
    "Cyrillic": "Кошка сидела на ковре и смотрела в окно весь день.",
    "Chinese": "这是一个关于机器学习的问题请你用中文回答我谢谢你的帮助",
    "Japanese": "これは機械学習についての質問です。日本語で答えてください。",
    "Korean": "이것은 기계 학습에 관한 질문입니다. 한국어로 대답해 주세요.",
    "Arabic": "هذا سؤال عن التعلم الآلي، يرجى الإجابة باللغة العربية",
    "Thai": "นี่คือคำถามเกี่ยวกับการเรียนรู้ของเครื่อง",
}


@pytest.mark.parametrize(("name", "text"), TEXTS.items())
def test_the_language_of_a_text(name: str, text: str) -> None:
    assert language(text) == name


@pytest.mark.parametrize(
    "text",
    ["", "42", "x = [i for i in range(10)]", "привет", "Ω ≈ 3 µm", "Berlin, Hamburg, München"],
)
def test_too_little_tells_no_language(text: str) -> None:
    assert language(text) == ""


def outliers(texts: list[str]) -> list[int]:
    codes = np.array([language_code(row(text, "42")) for text in texts])
    return [at for finding in other_languages(codes) for at in finding.rows.tolist()]


def test_other_languages_among_nearly_all_of_one() -> None:
    english = [TEXTS["English"]] * 57 + ["42"] * 5
    assert outliers([*english, TEXTS["German"], TEXTS["Chinese"], "SELECT 1"]) == [62, 63]
    assert outliers([TEXTS["English"]] * 40 + [TEXTS["German"]]) == []  # too few to tell
    assert outliers([TEXTS["English"]] * 60 + [TEXTS["German"]] * 4) == []  # two languages
    quoting = f"Translate into German: the cat and the dog that they have. {TEXTS['German'][:30]}"
    assert outliers([*english, quoting]) == []


# all together


def test_findings_come_in_the_order_of_the_table_with_sorted_rows() -> None:
    rows = [row("same", "a"), row("same", " "), row("same", "cafÃ©"), row("same", "a")]
    found = run_checks(
        rows,
        facts_on(rows),
        groups=np.array([0, 0, 0, 0]),
        lengths=np.full(4, 9),
        labels=np.full(4, 3),
        full_lengths=np.full(4, 9),
        max_length=9,
        window=9,
    )
    codes = [finding.code for finding in found]
    assert codes == ["blank_answer", "exact_copies", "two_answers", "mojibake"]
    for finding in found:
        assert finding.rows.dtype == np.int64
        assert finding.rows.tolist() == sorted(finding.rows.tolist())
        assert set(finding.detail) <= set(finding.rows.tolist())


class OnDisk(Sequence[Row]):
    """Rows that are made anew each time, as when they are read from a file."""

    def __init__(self, count: int) -> None:
        self.reads = 0
        self.count = count

    def __len__(self) -> int:
        return self.count

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        assert isinstance(at, int)
        if not 0 <= at < self.count:
            raise IndexError(at)
        self.reads += 1
        return row(f"{LONG} {at // 2}", f"answer {at}", number=at + 1)

    def __iter__(self) -> Iterator[Row]:
        return (self[at] for at in range(self.count))


def test_rows_may_lie_on_disk_and_progress_is_told() -> None:
    rows, told = OnDisk(1500), []
    found = checked(rows, on_progress=lambda *each: told.append(each))
    assert found["two_answers"].rows.tolist() == list(range(1500))
    assert told
    assert all(done <= total for done, total in told)


def test_the_checks_can_be_cancelled() -> None:
    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        checked([row("a", "b"), row("a", "c")], on_progress=cancel)


def test_what_is_found_is_the_same_whatever_was_known_of_the_rows_before() -> None:
    """Only the facts of the rows decide: those of edited rows stand in for what was read."""
    rows = [row(f"Question {at}?", f"Answer {at}.") for at in range(20)]
    after = [*rows[:3], row("Question 1?", " "), *rows[4:], row("Question 5?", "Answer 5.")]
    whole = facts_on(rows).with_edits([3, 20], facts_of([after[3], after[20]], Scans()))
    anew = facts_on(after)
    every = np.arange(21)
    for name in COLUMNS:
        assert np.array_equal(whole.of(name), anew.of(name)), name
        assert np.array_equal(whole.of(name, every[::-3]), anew.of(name)[::-3]), name
    picked = whole.picked(np.array([1, 3, 4, 20]))
    for name, found in vars(picked.prints(np.array([1, 0, 3]))).items():
        assert np.array_equal(found, vars(anew.prints(np.array([3, 1, 20])))[name]), name


# real files: what a person who looked at them agrees with


def real(name: str) -> Path:
    path = REAL / name
    if not path.is_file():
        pytest.skip(f"{name} is not here")
    return path


def test_the_flags_of_a_real_instruction_set() -> None:
    values = json.loads(real("alpaca_en_demo.json").read_text("utf-8"))
    keys = ("instruction", "input", "output")
    rows = [
        row(f"{v['instruction']}\n{v['input']}", v["output"], number=at)
        for at, v in enumerate(values, start=1)
    ]
    found = checked(rows)
    whole = [tuple(v[key] for key in keys) for v in values]
    twice = [at for at, each in enumerate(whole) if whole.count(each) > 1]
    assert found.pop("exact_copies").rows.tolist() == twice
    (secret,) = found.pop("secrets").rows.tolist()
    assert "password: rT8$jLpZ." in rows[secret].answer
    assert found == {}


def test_the_flags_of_a_real_chat_set() -> None:
    lines = real("v1_sft_demo.jsonl").read_text("utf-8").splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        turns = json.loads(line)["messages"]
        messages = tuple(Message(t["role"], t["content"][0]["value"]) for t in turns)
        rows.append(Row(number, number, messages))
    found = checked(rows)
    assert set(found) == {"exact_copies", "two_answers", "secrets"}
    assert ["password: rT8$jLpZ." in rows[at].answer for at in found["secrets"].rows] == [True]
    assert len(found["exact_copies"].rows) == 2
    for at in found["two_answers"].rows.tolist():
        assert rows[at].user_text.strip("？?") in ("你好", "你是谁")
