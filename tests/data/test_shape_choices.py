"""What a person can ask for: the chosen answers, one shape of a mix, columns by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.data.problems import FaultLog
from engine.data.read import open_source
from engine.data.shape import Shaped, UnknownShape, shape_rows
from engine.errors import Problem
from tests.data.reading import alpaca, shape

USER = {"role": "user", "content": "q"}
GOOD = {"role": "assistant", "content": "good"}
BAD = {"role": "assistant", "content": "bad"}


def asked(folder: Path, values: list[Any], **wanted: Any) -> tuple[Shaped, FaultLog]:
    try:
        shape(folder, values)
    except Problem:
        pass
    log = FaultLog()
    with open_source(str(folder / "data.jsonl")) as reading:
        return shape_rows(reading, log, **wanted), log


def turns(shaped: Shaped) -> list[list[tuple[str, str, bool]]]:
    return [[(m.role, m.content, m.learned) for m in row.messages] for row in shaped.rows]


QA = [("user", "q", False), ("assistant", "good", True)]
LONGER = [("user", "q", False), ("assistant", "bad", False), *QA]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"prompt": "q", "chosen": "good", "rejected": "bad"}, QA),
        ({"prompt": "q", "chosen": [GOOD], "rejected": [BAD]}, QA),
        ({"prompt": [USER], "chosen": GOOD, "rejected": BAD}, QA),
        ({"prompt": [USER, BAD, USER], "chosen": [GOOD], "rejected": [BAD]}, LONGER),
        ({"chosen": [USER, GOOD], "rejected": [USER, BAD]}, QA),
        ({"chosen": [USER, BAD, USER, GOOD], "rejected": [USER, BAD, USER, BAD]}, LONGER),
        ({"prompt": "q", "chosen": [USER, GOOD], "rejected": [USER, BAD]}, QA),
        ({"instruction": "q", "input": "", "chosen": "good", "rejected": "bad"}, QA),
        (
            {
                "conversations": [{"from": "human", "value": "q"}],
                "chosen": {"from": "gpt", "value": "good"},
                "rejected": {"from": "gpt", "value": "bad"},
            },
            QA,
        ),
        (
            {
                "input": {"messages": [USER], "tools": [], "parallel_tool_calls": True},
                "preferred_output": [GOOD],
                "non_preferred_output": [BAD],
            },
            QA,
        ),
    ],
)
def test_pairs_are_refused_until_the_chosen_answers_are_asked_for(
    tmp_path: Path, value: dict[str, Any], expected: list[tuple[str, str, bool]]
) -> None:
    with pytest.raises(Problem, match=r"preference pairs.* data\.chosen: true"):
        shape(tmp_path, [value])
    shaped, log = asked(tmp_path, [value] * 3, chosen=True)
    assert (shaped.format, log.faults) == ("preference", [])
    assert turns(shaped) == [expected] * 3
    assert any("3 rejected ones are left out" in note for note in shaped.notes)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (
            {"prompt": "q", "completion": "good", "label": True},
            {"prompt": "q", "completion": "bad", "label": False},
        ),
        (
            {"prompt": [USER], "completion": [GOOD], "label": True},
            {"prompt": [USER], "completion": [BAD], "label": False},
        ),
        (
            {"conversations": [USER, GOOD], "kto_tag": True},
            {"conversations": [USER, BAD], "kto_tag": False},
        ),
        (
            {"instruction": "q", "output": "good", "kto_tag": "true"},
            {"instruction": "q", "output": "bad", "kto_tag": "false"},
        ),
        (
            {"messages": [USER, GOOD], "kto_tag": True},
            {"messages": [USER, BAD], "kto_tag": False},
        ),
    ],
)
def test_marked_answers_are_refused_until_the_good_ones_are_asked_for(
    tmp_path: Path, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    with pytest.raises(Problem, match=r"KTO.* data\.chosen: true"):
        shape(tmp_path, [good, bad])
    shaped, log = asked(tmp_path, [good, bad, bad, good], chosen=True)
    assert (shaped.format, log.faults) == ("KTO", [])
    assert turns(shaped) == [QA, QA]
    assert shaped.notes == ["2 answers marked bad are left out"]


def test_an_answer_without_its_question_is_a_fault(tmp_path: Path) -> None:
    rows = [
        {"chosen": "good", "rejected": "bad"},
        {"prompt": "q", "chosen": "good", "rejected": ""},
    ]
    shaped, log = asked(tmp_path, rows, chosen=True)
    assert turns(shaped) == [QA]
    assert [fault.code for fault in log.faults] == ["missing"]


def test_one_shape_of_a_mix(tmp_path: Path) -> None:
    values = [*alpaca(6), *[{"messages": [USER, GOOD]}] * 4]
    with pytest.raises(
        Problem, match=r"alpaca 60% \(6\), messages 40% \(4\).* data\.format: alpaca"
    ):
        shape(tmp_path, values)
    shaped, log = asked(tmp_path, values, only="messages")
    assert (shaped.format, shaped.confidence, log.faults) == ("messages", 0.4, [])
    assert turns(shaped) == [QA] * 4
    assert any("6 records that are not messages are left out" in note for note in shaped.notes)
    assert len(asked(tmp_path, alpaca(3), only="auto")[0].rows) == 3
    late = [*alpaca(2000), {"messages": [USER, GOOD]}]
    assert turns(asked(tmp_path, late, only="messages")[0]) == [QA]
    pairs = [{"prompt": "q", "chosen": "good", "rejected": "bad"}]
    with pytest.raises(Problem, match="preference pairs"):
        asked(tmp_path, pairs, only="preference")


def test_a_named_shape_settles_what_is_ambiguous(tmp_path: Path) -> None:
    both = {"messages": [USER, GOOD], "text": "q a"}
    assert turns(asked(tmp_path, [both], only="messages")[0]) == [QA]
    assert asked(tmp_path, [both], only="text")[0].rows[0].raw


def test_a_named_shape_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r'data.format: "alpacca".* did you mean "alpaca"\?'):
        asked(tmp_path, alpaca(2), only="alpacca")
    with pytest.raises(Problem, match=r"no record is sharegpt, as data.format asks"):
        asked(tmp_path, alpaca(2), only="sharegpt")


def test_an_unknown_shape_offers_its_columns(tmp_path: Path) -> None:
    values = [{"Ticket": f"t{n}", "model_answer": n, "context": "c"} for n in range(9)]
    with pytest.raises(UnknownShape) as met:
        shape(tmp_path, values)
    assert met.value.columns == ["Ticket", "model_answer", "context"]
    assert met.value.guess == {"prompt": None, "answer": "model_answer", "system": None}
    assert met.value.rows[1] == {"Ticket": "t1", "model_answer": "1", "context": "c"}
    assert len(met.value.rows) == 5


@pytest.mark.parametrize(
    ("columns", "guess"),
    [
        (["input", "reply"], ("input", "reply", None)),
        (["input", "query", "reply"], ("query", "reply", None)),
        (["prompt", "solution", "context"], ("prompt", "solution", None)),
        (["userQuestion", "Target", "persona"], ("userQuestion", "Target", "persona")),
        (["a", "b"], (None, None, None)),
        (["question_answer"], (None, "question_answer", None)),
    ],
)
def test_columns_are_guessed_by_their_names(
    tmp_path: Path, columns: list[str], guess: tuple[str | None, ...]
) -> None:
    with pytest.raises(UnknownShape) as met:
        shape(tmp_path, [dict.fromkeys(columns, "x")])
    assert tuple(met.value.guess[part] for part in ("prompt", "answer", "system")) == guess


def test_rows_are_made_from_named_columns(tmp_path: Path) -> None:
    values = [
        {"Ticket": "q", "Reply": "good", "Who": "s", "n": 1},
        {"Ticket": "q", "Reply": "good", "Who": None},
        {"Ticket": "q", "Reply": 7, "Who": ""},
        {"Ticket": "q", "Who": ""},
    ]
    named = {"prompt": "Ticket", "answer": "Reply", "system": "Who"}
    shaped, log = asked(tmp_path, values, columns=named)
    assert turns(shaped) == [[("system", "s", False), *QA], QA]
    assert shaped.format == "columns"
    assert shaped.confidence == 0.75
    assert [(fault.line, fault.code) for fault in log.faults] == [(3, "type"), (4, "missing")]
    assert shaped.notes == ["fields not used: n"]


def test_a_column_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r'data.answer_column.*"Replly".* did you mean "Reply"\?'):
        asked(
            tmp_path,
            [{"Ticket": "q", "Reply": "a"}],
            columns={"prompt": "Ticket", "answer": "Replly"},
        )
    with pytest.raises(Problem, match="no column is named for the answer"):
        asked(tmp_path, [{"Ticket": "q", "Reply": "a"}], columns={"prompt": "Ticket"})
