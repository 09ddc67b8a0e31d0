"""What is trained: by hand-written texts, by decoding the labels, and with tokenizers full of traps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.rows import Message, Role, Row
from engine.data.template import Unrenderable
from engine.data.tokens import encode_row, encode_rows, end_ids, prompt_ids
from engine.errors import Problem
from tests.data.tokenizers_made import (
    begins_with_bos,
    crossing_tokenizer,
    leading_space_tokenizer,
)
from tests.tiny import CHATML, tiny_tokenizer

ANSWERS = (
    "Paris.",
    " leading space",
    "trailing space ",
    "two\n\nlines\n",
    "ünï漢字😀",
    "1. one\n2. two",
    "assistant\nassistant",
    "x" * 200,
)


def row(*turns: str, system: str | None = None) -> Row:
    """User and assistant in turns."""
    roles: list[Role] = ["user", "assistant"]
    messages = [Message(roles[at % 2], text) for at, text in enumerate(turns)]
    if system is not None:
        messages.insert(0, Message("system", system))
    return Row(1, 1, tuple(messages))


def decode(tokenizer: Any, ids: Any) -> str:
    return str(tokenizer.decode([int(i) for i in ids], clean_up_tokenization_spaces=False))


def trained(tokenizer: Any, given: Row, max_length: int | None = None) -> list[str]:
    """The stretches of text that carry loss."""
    encoded = encode_row(tokenizer, given, max_length)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], encoded.labels.astype(int), [0]])))
    spans = zip(edges[::2], edges[1::2], strict=True)
    return [decode(tokenizer, encoded.ids[start:end]) for start, end in spans]


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_answer_and_its_end_of_turn_are_trained_and_nothing_else(answer: str) -> None:
    tokenizer = tiny_tokenizer()
    assert trained(tokenizer, row("Where?", answer)) == [answer + "<|im_end|>"]


def test_the_whole_text_is_the_template_up_to_the_last_end_of_turn() -> None:
    tokenizer = tiny_tokenizer()
    encoded = encode_row(tokenizer, row("a", "b", "c", "d", system="s"), None)
    assert decode(tokenizer, encoded.ids) == (
        "<|im_start|>system\ns<|im_end|>\n"
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
        "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\nd<|im_end|>"
    )
    assert encoded.ids.dtype == np.int32
    assert encoded.labels.dtype == np.bool_
    assert encoded.full_length == len(encoded.ids) == len(encoded.labels)


def test_ids_are_those_of_the_tokenizer_where_no_border_matters() -> None:
    tokenizer = tiny_tokenizer()
    text = "<|im_start|>user\nWhere is it?<|im_end|>\n<|im_start|>assistant\nIn Paris.<|im_end|>"
    expected = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert encode_row(tokenizer, row("Where is it?", "In Paris."), None).ids.tolist() == expected


def test_every_answer_of_a_conversation_is_trained() -> None:
    tokenizer = tiny_tokenizer()
    given = row("a", "first", "b", "second", "c", "third", system="s")
    ends = [text + "<|im_end|>" for text in ("first", "second", "third")]
    assert trained(tokenizer, given) == ends


@pytest.mark.parametrize("answer", ANSWERS)
def test_generation_starts_from_exactly_the_ids_before_the_answer(answer: str) -> None:
    tokenizer = tiny_tokenizer()
    for given in (row("Where?", answer), row("a", "b ", "c", answer, system="")):
        encoded = encode_row(tokenizer, given, None)
        prompt = prompt_ids(tokenizer, given.messages[:-1])
        assert encoded.ids[: len(prompt)].tolist() == prompt
        assert encoded.labels[len(prompt) :].all()
        assert not encoded.labels[len(prompt) - 1]


def test_a_pad_token_that_is_the_end_of_turn_changes_nothing() -> None:
    plain, same = tiny_tokenizer(), tiny_tokenizer(pad_token="<|im_end|>")
    assert same.pad_token_id == same.eos_token_id
    given = row("a", "b", "c", "d")
    first, second = encode_row(plain, given, None), encode_row(same, given, None)
    assert first.ids.tolist() == second.ids.tolist()
    assert first.labels.tolist() == second.labels.tolist()
    assert second.labels[-1]
    assert second.ids[-1] == same.eos_token_id


def test_no_token_spans_the_border_of_prompt_and_answer() -> None:
    tokenizer = crossing_tokenizer(
        "{% for m in messages %}{% if m['role'] == 'user' %}Q:{{ m['content'] }} "
        "{% else %}A:{{ m['content'] }}</s>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}A:{% endif %}"
    )
    whole = tokenizer("Q:hi A:Paris is it</s>", add_special_tokens=False)["input_ids"]
    pieces = [tokenizer.decode([i]) for i in whole]
    assert any("A:P" in piece for piece in pieces), "the trap is not set"
    given = row("hi", "Paris is it")
    assert trained(tokenizer, given) == ["Paris is it</s>"]
    encoded = encode_row(tokenizer, given, None)
    assert decode(tokenizer, encoded.ids[~encoded.labels]) == "Q:hi A:"


@pytest.mark.parametrize("template", ["{{ bos_token }}" + CHATML, CHATML, None])
def test_there_is_never_a_second_bos(template: str | None) -> None:
    tokenizer = begins_with_bos(template)
    ids = encode_row(tokenizer, row("a", "b"), None).ids.tolist()
    prompt = prompt_ids(tokenizer, (Message("user", "a"),))
    for found in (ids, prompt):
        assert found.count(tokenizer.bos_token_id) == (0 if template == CHATML else 1)
        if template != CHATML:
            assert found[0] == tokenizer.bos_token_id


def test_a_template_that_rewrites_earlier_turns_trains_the_last_answer() -> None:
    hides = CHATML.replace(
        "{{ message['content'] }}",
        "{% if message['role'] == 'assistant' and not loop.last %}"
        "{{ message['content'].split('</think>')[-1] }}"
        "{% else %}{{ message['content'] }}{% endif %}",
    )
    tokenizer = tiny_tokenizer(hides)
    given = row("a", "<think>x</think>b", "c", "<think>y</think>d")
    assert trained(tokenizer, given) == ["<think>y</think>d<|im_end|>"]
    encoded = encode_row(tokenizer, given, None)
    assert "<think>x" not in decode(tokenizer, encoded.ids)
    prompt = prompt_ids(tokenizer, given.messages[:-1])
    assert encoded.ids[: len(prompt)].tolist() == prompt
    # rewritten once and then left alone: still told, and no text is lost or doubled
    longer = row("a", "<think>x</think>b", "c", "d", "e", "f")
    assert trained(tokenizer, longer) == ["f<|im_end|>"]
    text = decode(tokenizer, encode_row(tokenizer, longer, None).ids)
    assert text + "\n" == tokenizer.apply_chat_template(
        [{"role": m.role, "content": m.content} for m in longer.messages], tokenize=False
    )
    # where the earlier answer has nothing to hide, both are trained
    assert len(trained(tokenizer, row("a", "b", "c", "d"))) == 2


def test_a_template_that_shows_the_last_prompt_differently_is_told() -> None:
    template = CHATML.replace(
        "{% if add_generation_prompt %}<|im_start|>assistant\n",
        "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n",
    )
    with pytest.raises(Unrenderable, match="differently"):
        encode_row(tiny_tokenizer(template), row("a", "b"), None)


def test_a_template_with_a_system_prompt_of_its_own() -> None:
    inserts = (
        "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
        + CHATML
    )
    tokenizer = tiny_tokenizer(inserts)
    assert trained(tokenizer, row("a", "b", "c", "d")) == ["b<|im_end|>", "d<|im_end|>"]
    encoded = encode_row(tokenizer, row("a", "b"), None)
    assert decode(tokenizer, encoded.ids).startswith("<|im_start|>system\nBe kind.<|im_end|>\n")


def test_a_template_that_trims_still_tells_the_answer_apart() -> None:
    tokenizer = tiny_tokenizer(CHATML.replace("message['content']", "message['content'] | trim"))
    assert trained(tokenizer, row("a ", " b ", "c", " d")) == ["b<|im_end|>", "d<|im_end|>"]


def test_the_plain_template_by_hand() -> None:
    tokenizer = tiny_tokenizer(None)
    given = row("a", "b", "c", "d", system="s")
    encoded = encode_row(tokenizer, given, None)
    assert decode(tokenizer, encoded.ids) == (
        "s\n\n### Instruction:\na\n\n### Response:\nb<|im_end|>\n\n"
        "### Instruction:\nc\n\n### Response:\nd<|im_end|>"
    )
    assert trained(tokenizer, given) == ["b<|im_end|>", "d<|im_end|>"]
    assert end_ids(tokenizer) == [tokenizer.eos_token_id]


def test_a_template_without_an_end_of_turn_gets_the_end_of_text() -> None:
    template = (
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: {% endif %}"
    )
    tokenizer = tiny_tokenizer(template)
    assert trained(tokenizer, row("a", "b", "c", "d")) == ["b", "d<|im_end|>"]
    assert end_ids(tokenizer) == [tokenizer.eos_token_id]


def test_no_way_to_end_an_answer_is_a_problem() -> None:
    tokenizer = tiny_tokenizer(None)
    tokenizer.eos_token = None
    with pytest.raises(Problem, match="token that ends an answer"):
        encode_row(tokenizer, row("a", "b"), None)


def test_the_end_of_turn_is_told_from_the_end_of_text() -> None:
    tokenizer = tiny_tokenizer(eos_token="<|endoftext|>")
    turn, text = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert end_ids(tokenizer) == [turn, text]
    assert trained(tokenizer, row("a", "b")) == ["b<|im_end|>"]


def test_an_end_of_turn_inside_an_answer_does_not_end_it() -> None:
    tokenizer = tiny_tokenizer()
    assert trained(tokenizer, row("a", "b<|im_end|>c")) == ["b<|im_end|>c<|im_end|>"]


def test_a_tokenizer_that_begins_texts_with_a_space() -> None:
    tokenizer = leading_space_tokenizer()
    encoded = encode_row(tokenizer, row("where is it?", "Paris is it."), None)
    whole = tokenizer(
        "<|im_start|>user\nwhere is it?<|im_end|>\n<|im_start|>assistant\nParis is it.<|im_end|>",
        add_special_tokens=False,
    )["input_ids"]
    pieces = tokenizer.convert_ids_to_tokens(encoded.ids[encoded.labels].tolist())
    assert pieces[0].startswith("P"), "no space stands before the answer"
    assert pieces == tokenizer.convert_ids_to_tokens(whole)[-len(pieces) :]


def test_truncation_cuts_the_end_and_its_end_of_turn() -> None:
    tokenizer = tiny_tokenizer()
    given = row("Where?", "one two three four five six")
    whole = encode_row(tokenizer, given, None)
    prompt = len(prompt_ids(tokenizer, given.messages[:-1]))
    for length in range(1, len(whole.ids) + 3):
        short = encode_row(tokenizer, given, length)
        assert short.ids.tolist() == whole.ids[:length].tolist()
        assert short.full_length == len(whole.ids)
        assert short.truncated == (length < len(whole.ids))
        assert short.labels.any() == (length > prompt)
        if short.truncated:
            assert short.ids[-1] != tokenizer.eos_token_id or not short.labels[-1]


def test_many_rows_at_once_are_the_rows_one_by_one() -> None:
    refuses = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no') }}{% endif %}" + CHATML
    )
    tokenizer = tiny_tokenizer(refuses)
    rows = [row(f"question {n}", ANSWERS[n % len(ANSWERS)]) for n in range(50)]
    rows[7] = row("a", "b", system="s")
    rows[9] = row("a", "b", "c", "d")
    together = encode_rows(tokenizer, rows, 40)
    refused = together.pop(7)
    assert isinstance(refused, Unrenderable)
    assert "refuses it (no)" in str(refused)
    del rows[7]
    for given, found in zip(rows, together, strict=True):
        alone = encode_row(tokenizer, given, 40)
        assert not isinstance(found, Unrenderable)
        assert found.ids.tolist() == alone.ids.tolist()
        assert found.labels.tolist() == alone.labels.tolist()
        assert found.full_length == alone.full_length


def test_a_template_that_never_ends_is_stopped_before_it_runs_here() -> None:
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(Problem, match="chat template: reading it takes longer than 2 s"):
        encode_row(tiny_tokenizer(endless), row("a", "b"), None)


@pytest.mark.parametrize("template", ["{{ messages[0]['content'] }}", "{% for %}"])
def test_a_template_that_cannot_work_is_a_problem(template: str) -> None:
    with pytest.raises(Problem, match="chat template"):
        encode_row(tiny_tokenizer(template), row("a", "b"), None)
