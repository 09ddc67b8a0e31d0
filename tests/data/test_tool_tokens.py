"""Tools and texts without a template as tokens: what is learned, and what a model starts from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data import tool_text
from engine.data.rows import Message, Row
from engine.data.template import Unrenderable, template_of
from engine.data.tokens import encode_row, encode_rows, prompt_ids
from tests.data.tokenizers_made import begins_with_bos, leading_space_tokenizer
from tests.tiny import CHATML, tiny_tokenizer

FUNCTION = {"name": "weather", "arguments": {"place": "Rome"}}
CALLS = json.dumps([{"type": "function", "function": FUNCTION}])
DEFINED = {"name": "weather", "description": "Tells it.", "parameters": {"type": "object"}}
TOOLS = json.dumps([{"type": "function", "function": DEFINED}])
WRITTEN = '<tool_call>\n{"name": "weather", "arguments": {"place": "Rome"}}\n</tool_call>'

KNOWING = (
    "{% if tools %}<|im_start|>system\n{% for t in tools %}{{ t.function | tojson }}\n{% endfor %}"
    "<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}[{{ c.function.name }}({{ c.function.arguments | tojson }})]"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Shows definitions, calls and results in words of its own."""
STRICT = (
    "{% for m in messages %}"
    "{% if m.role not in ['system', 'user', 'assistant'] %}{{ raise_exception('no tools') }}{% endif %}"
    "{% if m.role == 'user' and not loop.first and loop.previtem.role == 'user' %}"
    "{{ raise_exception('take turns') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Refuses every turn of a tool."""

ROW = Row(
    1,
    1,
    (
        Message("user", "Weather?"),
        Message("assistant", "", tool_calls=CALLS),
        Message("tool", "sunny"),
        Message("assistant", "Sunny."),
        Message("user", "Thanks."),
        Message("assistant", "Bye."),
    ),
    TOOLS,
)


def decode(tokenizer: Any, ids: Any) -> str:
    return str(tokenizer.decode([int(i) for i in ids], clean_up_tokenization_spaces=False))


def trained(tokenizer: Any, row: Row) -> list[str]:
    """The stretches of text that carry loss."""
    encoded = encode_row(tokenizer, row, None)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], encoded.labels.astype(int), [0]])))
    return [
        decode(tokenizer, encoded.ids[start:end])
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def test_a_template_with_tools_is_given_them() -> None:
    tokenizer = tiny_tokenizer(KNOWING)
    assert template_of(tokenizer).shown == tool_text.ALL
    assert trained(tokenizer, ROW) == [
        '[weather({"place": "Rome"})]<|im_end|>',
        "Sunny.<|im_end|>",
        "Bye.<|im_end|>",
    ]
    text = decode(tokenizer, encode_row(tokenizer, ROW, None).ids)
    assert text.startswith("<|im_start|>system\n" + json.dumps(DEFINED))
    assert "<|im_start|>tool\nsunny<|im_end|>" in text
    assert tool_text.notes(template_of(tokenizer).shown, 1, 1) == []


@pytest.mark.parametrize(
    ("template", "result"),
    [
        (CHATML, "<|im_start|>tool\nsunny<|im_end|>"),
        (STRICT, "<|im_start|>user\n<tool_response>\nsunny\n</tool_response><|im_end|>"),
        (None, "### Result:\nsunny\n\n"),
    ],
)
def test_else_they_are_written_into_the_turns(template: str | None, result: str) -> None:
    tokenizer = tiny_tokenizer(template)
    answers = [WRITTEN + "<|im_end|>", "Sunny.<|im_end|>", "Bye.<|im_end|>"]
    assert trained(tokenizer, ROW) == answers
    text = decode(tokenizer, encode_row(tokenizer, ROW, None).ids)
    assert result in text
    assert text.count(json.dumps(DEFINED)) == 1
    assert text.index(json.dumps(DEFINED)) < text.index("Weather?")
    uses = [tool_text.uses(each) for each in (ROW, Row(2, 2, ROW.messages[4:]))]
    assert uses == [tool_text.DEFINED + tool_text.CALLED, 0]
    (note,) = tool_text.notes(template_of(tokenizer).shown, 1, 1)
    assert "definitions of 1 rows" in note
    assert "calls of 1 rows" in note


def test_definitions_stand_below_the_system_text_and_results_together() -> None:
    tokenizer = tiny_tokenizer(STRICT)
    two = json.dumps([*json.loads(CALLS)] * 2)
    messages = (
        Message("system", "Be kind."),
        Message("user", "Weather?"),
        Message("assistant", "Let me see.", tool_calls=two),
        Message("tool", "sunny"),
        Message("tool", "dry"),
        Message("assistant", "Fine."),
    )
    row = Row(1, 1, messages, TOOLS)
    called = f"Let me see.\n{WRITTEN}\n{WRITTEN}<|im_end|>"
    assert trained(tokenizer, row) == [called, "Fine.<|im_end|>"]
    text = decode(tokenizer, encode_row(tokenizer, row, None).ids)
    assert text.startswith("<|im_start|>system\nBe kind.\n\nYou can call")
    assert text.count("<|im_start|>user") == 2


def test_what_a_template_would_leave_out_of_a_row_is_told() -> None:
    only = "{{ m.content if not m.tool_calls else '' }}"
    first = "{% for c in (m.tool_calls or [])[:1] %}"
    terse = KNOWING.replace("{{ m.content }}", only)
    one = KNOWING.replace("{% for c in m.tool_calls or [] %}", first)
    assert KNOWING not in (terse, one)
    two = Message("assistant", "", tool_calls=json.dumps([*json.loads(CALLS)] * 2))
    beside = Message("assistant", "Let me see.", tool_calls=CALLS)
    for template, message, words in (
        (terse, beside, "leaves out the text beside a tool call"),
        (one, two, "no more than one tool call"),
    ):
        tokenizer = tiny_tokenizer(template)
        results = (ROW.messages[2],) * len(message.calls)
        row = Row(1, 1, (ROW.messages[0], message, *results, ROW.messages[3]))
        with pytest.raises(Unrenderable, match=words):
            encode_row(tokenizer, row, None)
        assert len(trained(tokenizer, ROW)) == 3
        assert len(trained(tiny_tokenizer(KNOWING), row)) == 2


@pytest.mark.parametrize("template", [KNOWING, CHATML, STRICT, None])
def test_generation_starts_from_the_ids_of_training_at_every_answer(template: str | None) -> None:
    tokenizer = tiny_tokenizer(template)
    encoded = encode_row(tokenizer, ROW, None)
    for at, message in enumerate(ROW.messages):
        if message.role == "assistant":
            prompt = prompt_ids(tokenizer, ROW.messages[:at], ROW.tools)
            assert encoded.ids[: len(prompt)].tolist() == prompt
            assert encoded.labels[len(prompt)]
            assert not encoded.labels[len(prompt) - 1]


@pytest.mark.parametrize("template", [KNOWING, CHATML, None])
def test_an_answer_of_weight_0_is_seen_and_not_learned(template: str | None) -> None:
    tokenizer = tiny_tokenizer(template)
    turns = [Message("user", "a"), Message("assistant", "b", False)]
    row = Row(1, 1, (*turns, Message("user", "c"), Message("assistant", "d")))
    usual = Row(1, 1, tuple(Message(m.role, m.content) for m in row.messages))
    assert trained(tokenizer, row) == ["d<|im_end|>"]
    same = encode_row(tokenizer, usual, None)
    assert encode_row(tokenizer, row, None).ids.tolist() == same.ids.tolist()


def test_what_follows_the_last_learned_answer_is_left_away() -> None:
    tokenizer = tiny_tokenizer()
    turns = (Message("user", "a"), Message("assistant", "b"))
    row = Row(1, 1, (*turns, Message("user", "c"), Message("assistant", "d", False)))
    short = encode_row(tokenizer, Row(1, 1, turns), None)
    assert encode_row(tokenizer, row, None).ids.tolist() == short.ids.tolist()
    nothing = Row(1, 1, (turns[0], Message("assistant", "b", False)))
    (refused,) = encode_rows(tokenizer, [nothing], None)
    assert isinstance(refused, Unrenderable)


def test_earlier_answers_keep_their_tokens_when_they_are_not_learned() -> None:
    tokenizer = leading_space_tokenizer()
    turns = (Message("user", "where is it?"), Message("assistant", "Paris is it."))
    learned = Row(1, 1, turns * 2)
    given = Row(1, 1, (turns[0], Message("assistant", "Paris is it.", False), *turns))
    first, second = encode_row(tokenizer, learned, None), encode_row(tokenizer, given, None)
    assert first.ids.tolist() == second.ids.tolist()
    assert first.labels.sum() > second.labels.sum()


TEXT = "Name three primary colours. Red, yellow and blue.\n"


def raw(*pieces: str | tuple[str]) -> Row:
    """Pieces of a text; those in brackets are given, not learned."""
    messages = [
        Message("user", piece[0]) if isinstance(piece, tuple) else Message("assistant", piece)
        for piece in pieces
    ]
    return Row(1, 1, tuple(messages), raw=True)


@pytest.mark.parametrize("template", [CHATML, None])
def test_a_text_is_the_tokenizers_own_ids_with_an_end(template: str | None) -> None:
    tokenizer = begins_with_bos(template)
    encoded = encode_row(tokenizer, raw(TEXT), None)
    assert encoded.ids.tolist() == [*tokenizer(TEXT)["input_ids"], tokenizer.eos_token_id]
    assert encoded.labels.tolist() == [False] + [True] * (len(encoded.ids) - 1)
    assert prompt_ids(tokenizer, (), raw=True) == [tokenizer.bos_token_id]
    plain = tiny_tokenizer(template)
    encoded = encode_row(plain, raw(TEXT), None)
    assert encoded.ids.tolist() == [*plain(TEXT)["input_ids"], plain.eos_token_id]
    assert not encoded.labels[0]
    assert encoded.labels[1:].all()


def test_marks_that_a_text_has_of_its_own_are_not_doubled() -> None:
    tokenizer = begins_with_bos(CHATML)
    text = f"{tokenizer.bos_token}{TEXT}{tokenizer.eos_token}"
    ids = encode_row(tokenizer, raw(text), None).ids.tolist()
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids.count(tokenizer.bos_token_id) == ids.count(tokenizer.eos_token_id) == 1


def test_pieces_of_a_text_are_learned_by_their_labels() -> None:
    tokenizer = tiny_tokenizer()
    row = raw(("Q: Where? ",), "A: Paris.", (" Q: And? ",), "A: Rome.")
    assert trained(tokenizer, row) == ["A: Paris.", "A: Rome.<|im_end|>"]
    text = "".join(m.content for m in row.messages)
    assert decode(tokenizer, encode_row(tokenizer, row, None).ids) == text + "<|im_end|>"
    prompt = prompt_ids(tokenizer, row.prompt, raw=True)
    assert encode_row(tokenizer, row, None).ids[: len(prompt)].tolist() == prompt


def test_a_text_begins_as_the_tokenizer_begins_it() -> None:
    tokenizer = leading_space_tokenizer()
    own = tokenizer("where is it?", add_special_tokens=False)["input_ids"]
    ids = encode_row(tokenizer, raw("where is it?"), None).ids.tolist()
    assert ids == [*own, tokenizer.eos_token_id]


def test_pieces_join_without_a_space_of_the_tokenizers_own() -> None:
    tokenizer = leading_space_tokenizer()
    row = raw(("where is",), " it?", " Paris")
    ids = encode_row(tokenizer, row, None).ids.tolist()
    assert decode(tokenizer, ids) == "where is it? Paris<|im_end|>"


def test_tools_and_texts_are_kept_with_a_run(tmp_path: Path) -> None:
    from engine.config import from_dict
    from engine.data.frozen import freeze, frozen_rows
    from engine.data.opening import open_data

    call = {"role": "assistant", "content": None, "tool_calls": json.loads(CALLS)}
    values = [
        {
            "messages": [
                {"role": "user", "content": f"Weather {n}?"},
                call,
                {"role": "tool", "content": "sunny", "name": "weather"},
                {"role": "assistant", "content": "Sunny.", "weight": 1},
            ],
            "tools": [DEFINED],
        }
        for n in range(30)
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    dataset = open_data(from_dict({"data": {"path": str(path)}}), lambda: tiny_tokenizer())
    freeze(tmp_path / "run", dataset)
    kept = frozen_rows(tmp_path / "run", "train") + frozen_rows(tmp_path / "run", "eval")
    assert sorted(kept, key=lambda row: row.number) == list(dataset.rows)


def test_a_text_is_read_split_and_kept(tmp_path: Path) -> None:
    from engine.config import from_dict
    from engine.data.frozen import freeze, frozen_rows
    from engine.data.opening import open_data

    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"text": f"Line {n} of it."}) + "\n" for n in range(60)))
    config = from_dict({"data": {"path": str(path), "system": "Be kind."}})
    dataset = open_data(config, lambda: tiny_tokenizer())
    assert all(row.messages[0].role == "assistant" for row in dataset.rows)
    assert {"train", "eval"} == set(dataset.sides)
    freeze(tmp_path / "run", dataset)
    kept = frozen_rows(tmp_path / "run", "eval")
    assert kept == [dataset.rows[i] for i in dataset.at("eval")]
    assert all(row.raw for row in kept)
