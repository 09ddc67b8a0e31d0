"""Conversations as well-known public data sets publish them, each with its messages written out by
hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.rows import Row
from engine.errors import Problem
from tests.data.reading import shape, shape_file

QA = [("user", "q"), ("assistant", "a")]
QAQA = [*QA, ("user", "r"), ("assistant", "b")]
SQA = [("system", "s"), *QA]
USER, ANSWER = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
HUMAN = {"from": "human", "value": "q"}

CHATS: dict[str, tuple[dict[str, Any], str, list[tuple[str, str]]]] = {
    "SlimOrca": (
        {"conversations": [{"from": "system", "value": "s", "weight": None},
                           {**HUMAN, "weight": 0.0}, {"from": "gpt", "value": "a", "weight": 1.0}]},
        "sharegpt", SQA,
    ),
    "OpenHermes-2.5": (
        {"custom_instruction": None, "topic": None, "model_name": None, "title": None,
         "conversations": [HUMAN, {"from": "gpt", "value": "a", "weight": None}],
         "system_prompt": "s", "source": "airoboros2.2"},
        "sharegpt", SQA,
    ),
    **{
        f"ShareGPT by {speaker}": (
            {"id": "x", "conversations": [HUMAN, {"from": speaker, "value": "a"}]}, "sharegpt", QA,
        )
        for speaker in ("gpt", "chatgpt", "bing", "bard")
    },
    "ShareGPT, raw": ({"id": "x", "items": [HUMAN, {"from": "gpt", "value": "a"}]}, "sharegpt", QA),
    "UltraChat": ({"id": "0", "data": ["q", "a", "r", "b"]}, "sharegpt", QAQA),
    "UltraChat 200k": ({"prompt": "q", "prompt_id": "x", "messages": [USER, ANSWER]}, "messages", QA),
    "LIMA": ({"conversations": ["q", "a"], "source": "x"}, "sharegpt", QA),
    "Capybara": (
        {"source": "x", "conversation": [{"input": "q", "output": "a"}, {"input": "r", "output": "b"}]},
        "sharegpt", QAQA,
    ),
    "XTuner": (
        {"conversation": [{"system": "s", "input": "q", "output": "a"}]}, "sharegpt", SQA,
    ),
    "MOSS-003, as pairs": ({"conversation": [{"human": "q", "assistant": "a"}]}, "sharegpt", QA),
    "COIG, counterfactual": (
        {"conversations": [{"question": "q", "answer": "a"}]}, "sharegpt", QA,
    ),
    "tulu": ({"id": "x", "messages": [USER, ANSWER], "source": "ai2"}, "messages", QA),
    "smoltalk": ({"messages": [USER, ANSWER], "full_topic": "Travel", "source": "x"}, "messages", QA),
    "lmsys-chat": ({"conversation": [USER, ANSWER], "turn": 1, "model": "x"}, "sharegpt", QA),
    "orca-agentinstruct": ({"messages": json.dumps([USER, ANSWER])}, "messages", QA),
    "OpenThoughts": (
        {"system": "s", "conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}]},
        "sharegpt", SQA,
    ),
    "OpenAI, developer": (
        {"messages": [{"role": "developer", "content": "s"}, USER, ANSWER], "parallel_tool_calls": False},
        "messages", SQA,
    ),
    "Cohere": (
        {"messages": [{"role": "System", "content": "s"}, {"role": "User", "content": "q"},
                      {"role": "Chatbot", "content": "a"}]},
        "messages", SQA,
    ),
    "PaLM": ({"messages": [{"author": "user", "content": "q"}, {"author": "bot", "content": "a"}]}, "messages", QA),
    "Gemini": (
        {"systemInstruction": {"role": "system", "parts": [{"text": "s"}]},
         "contents": [{"role": "user", "parts": [{"text": "q"}]},
                      {"role": "model", "parts": [{"text": "a"}]}]},
        "gemini", SQA,
    ),
    "Anthropic": ({"system": "s", "messages": [USER, ANSWER]}, "messages", SQA),
    "Anthropic, parts": (
        {"system": [{"type": "text", "text": "s"}],
         "messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, ANSWER]},
        "messages", SQA,
    ),
    "Bedrock": (
        {"schemaVersion": "bedrock-conversation-2024", "system": [{"text": "s"}],
         "messages": [{"role": "user", "content": [{"text": "q"}]},
                      {"role": "assistant", "content": [{"text": "a"}]}]},
        "messages", SQA,
    ),
    "Baize": (
        {"topic": "x", "input": "s\n[|Human|] q\n[|AI|] a\n[|Human|] r\n[|AI|] b\n[|Human|] "},
        "transcript", [("system", "s"), *QAQA],
    ),
}  # fmt: skip


def turns(row: Row) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in row.messages]


@pytest.mark.parametrize("name", CHATS)
def test_the_messages_are_those_of_the_record(tmp_path: Path, name: str) -> None:
    value, format_, expected = CHATS[name]
    shaped, log = shape(tmp_path, [value] * 2)
    assert log.faults == []
    assert (shaped.format, shaped.confidence) == (format_, 1.0)
    assert [turns(row) for row in shaped.rows] == [expected] * 2
    assert all(m.learned == (m.role == "assistant") for m in shaped.rows[0].messages)


@pytest.mark.parametrize("name", CHATS)
def test_a_single_record_is_no_file_of_records(tmp_path: Path, name: str) -> None:
    value, format_, expected = CHATS[name]
    for indent in (None, 2):
        (tmp_path / "one.json").write_text(json.dumps(value, indent=indent))
        shaped, _ = shape_file(tmp_path / "one.json")
        assert (shaped.format, [turns(row) for row in shaped.rows]) == (format_, [expected])


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ({"conversations": [{"from": "gpt", "value": "a"}, HUMAN]}, "order", "begins with the assistant"),
        ({"conversations": []}, "empty_answer", "'conversations' is empty"),
        ({"conversations": [HUMAN, {"from": "gpt", "value": "a"}, HUMAN]}, "order", "last turn"),
        ({"conversations": ["q"]}, "empty_answer", "no assistant turn"),
        ({"conversations": ["q", {"from": "gpt", "value": "a"}]}, "type", "the turn is text"),
        ({"conversations": [{"input": "q", "output": 3}]}, "type", "'output' is a number"),
        ({"conversations": [{"input": "q", "output": "a"}, {"system": "s", "input": "r", "output": "b"}]},
         "order", "not the first"),
        ({"image": "0.jpg", "conversations": [HUMAN, {"from": "gpt", "value": "a"}]},
         "unsupported", "pictures or sound ('image')"),
        ({"conversations": [{"from": "human", "value": [{"type": "image"}]}, {"from": "gpt", "value": "a"}]},
         "unsupported", 'type "image"'),
        ({"conversations": [{"role": "user", "parts": [{"fileData": {"fileUri": "gs://x"}}]}, ANSWER]},
         "unsupported", 'type "fileData"'),
        ({"conversations": [USER, {"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}]}]},
         "unsupported", 'type "thinking"'),
        ({"conversations": [USER, {"role": "model", "parts": [{"text": "x", "thought": True}]}]},
         "unsupported", 'type "thought"'),
        ({"system_prompt": "s", "conversations": [{"from": "system", "value": "t"}, HUMAN,
                                                  {"from": "gpt", "value": "a"}]}, "order", "two different system"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_named(
    tmp_path: Path, value: dict[str, Any], code: str, words: str
) -> None:
    good = {"conversations": [HUMAN, {"from": "gpt", "value": "a"}]}
    shaped, log = shape(tmp_path, [good, value])
    (fault,) = log.faults
    assert (fault.line, fault.code) == (2, code)
    assert words in str(fault)
    assert len(shaped.rows) == 1


def test_a_picture_that_is_not_there_is_no_picture(tmp_path: Path) -> None:
    shaped, log = shape(tmp_path, [{"messages": [USER, ANSWER], "image": None, "images": []}])
    assert ([turns(row) for row in shaped.rows], log.faults) == ([QA], [])


GOOD, BAD = {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"}
PAIRS: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "UltraFeedback": (
        {"prompt": "q", "chosen": [USER, GOOD], "rejected": [USER, BAD], "messages": [USER, GOOD],
         "score_chosen": 8.0},
        [("user", "q"), ("assistant", "good")],
    ),
    "orca_dpo_pairs": (
        {"system": "s", "question": "q", "chosen": "good", "rejected": "bad"},
        [("user", "q"), ("assistant", "good")],
    ),
    "orca_dpo_pairs, distilabel": (
        {"system": "s", "input": "q", "chosen": "good", "rejected": "bad", "rating": [1, 2]},
        [("user", "q"), ("assistant", "good")],
    ),
    "Capybara preferences": (
        {"conversation": [{"input": "q", "output": "o"}], "chosen": [USER, GOOD], "rejected": [USER, BAD]},
        [("user", "q"), ("assistant", "good")],
    ),
    "hh-rlhf": (
        {"chosen": "\n\nHuman: q\n\nAssistant: a\n\nHuman: r\n\nAssistant: good",
         "rejected": "\n\nHuman: q\n\nAssistant: a\n\nHuman: r\n\nAssistant: bad"},
        [*QA, ("user", "r"), ("assistant", "good")],
    ),
    "rm-static": (
        {"prompt": "\n\nHuman: q\n\nAssistant:", "chosen": "good", "rejected": "bad", "response": "x"},
        [("user", "q"), ("assistant", "good")],
    ),
    "stack-exchange-paired": (
        {"qid": 1, "question": "q", "response_j": "good", "response_k": "bad", "metadata": []},
        [("user", "q"), ("assistant", "good")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_of_pairs_the_chosen_answer(tmp_path: Path, name: str) -> None:
    value, expected = PAIRS[name]
    if "system" in value:
        expected = [("system", "s"), *expected]
    with pytest.raises(Problem, match=r"preference pairs.* data\.chosen: true"):
        shape(tmp_path, [value] * 2)
    shaped, log = shape_file(tmp_path / "data.jsonl", chosen=True)
    assert log.faults == []
    assert [turns(row) for row in shaped.rows] == [expected] * 2
    assert [m.content for m in shaped.rows[0].messages if m.learned] == ["good"]
