"""The shapes a record can have, and how each becomes messages.

alpaca             instruction, output; input (put below the instruction), system, history
messages           messages: a list of {role, content}
sharegpt           conversations: a list of {from, value}; system
prompt/completion  prompt, completion: both text, or both lists of messages
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.data.containers.json_lines import type_name
from engine.data.rows import Message
from engine.data.turns import Path, Unfit, check_filled, check_order, read_text, read_turns


@dataclass(frozen=True)
class Shape:
    """A shape's fields: `needed` must all be there, `optional` are used where they are."""

    name: str
    needed: tuple[str, ...]
    optional: tuple[str, ...]
    parse: Callable[[dict[str, Any]], tuple[Message, ...]]


def _alpaca(value: dict[str, Any]) -> tuple[Message, ...]:
    """The input, where there is one, goes below the instruction on a line of its own."""
    instruction = read_text(value["instruction"], ("instruction",))
    extra = _optional_text(value, "input")
    parts = [part for part in (instruction, extra) if part]
    messages = [*_history(value.get("history"))]
    paths: list[Path] = [("history",)] * len(messages)
    messages += [Message("user", "\n".join(parts)), Message("assistant", _answer(value, "output"))]
    paths += [("instruction",), ("output",)]
    check_filled(tuple(messages), paths)
    return (*_system(value), *messages)


def _messages(value: dict[str, Any]) -> tuple[Message, ...]:
    return _conversation(value["messages"], ("messages",))


def _sharegpt(value: dict[str, Any]) -> tuple[Message, ...]:
    messages = _conversation(value["conversations"], ("conversations",))
    if messages[0].role == "system":
        return messages
    return (*_system(value), *messages)


def _prompt_completion(value: dict[str, Any]) -> tuple[Message, ...]:
    prompt, completion = value["prompt"], value["completion"]
    if isinstance(prompt, list) and isinstance(completion, list):
        return _prompt_lists(prompt, completion)
    messages = (
        *_system(value),
        Message("user", read_text(prompt, ("prompt",))),
        Message("assistant", _answer(value, "completion")),
    )
    check_filled(messages[-2:], [("prompt",), ("completion",)])
    return messages


def _prompt_lists(prompt: list[Any], completion: list[Any]) -> tuple[Message, ...]:
    """Only the completion is to be learned, so the prompt may hold no answer yet."""
    before = read_turns(prompt, ("prompt",))
    after = read_turns(completion, ("completion",))
    for at, message in enumerate(before):
        if message.role == "assistant":
            what = "an answer inside the prompt, which is not to be trained on: not kept to yet"
            raise Unfit(
                ("prompt", at), "unsupported", what, "write the row as messages, or leave it out"
            )
    messages = before + after
    check_order(messages, ("completion",))
    paths: list[Path] = [("prompt", at) for at in range(len(before))]
    check_filled(messages, paths + [("completion", at) for at in range(len(after))])
    return messages


def _conversation(turns: Any, path: Path) -> tuple[Message, ...]:
    messages = read_turns(turns, path)
    check_order(messages, path)
    check_filled(messages, [(*path, at) for at in range(len(messages))])
    return messages


def _answer(value: dict[str, Any], name: str) -> str:
    if value[name] is None:
        raise Unfit(
            (name,), "empty_answer", f"'{name}' is null", "write the answer, or delete the row"
        )
    return read_text(value[name], (name,))


def _optional_text(value: dict[str, Any], name: str) -> str:
    given = value.get(name)
    return "" if given is None else read_text(given, (name,))


def _system(value: dict[str, Any]) -> tuple[Message, ...]:
    text = _optional_text(value, "system")
    return (Message("system", text),) if text.strip() else ()


def _history(history: Any) -> Iterator[Message]:
    """Earlier turns as [user, assistant] pairs."""
    if history is None or history == "":
        return
    if not isinstance(history, list):
        raise Unfit(
            ("history",),
            "type",
            f"'history' is {type_name(history)}, expected a list of pairs",
            "write a list",
        )
    for at, pair in enumerate(history):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Unfit(
                ("history", at),
                "type",
                "an entry of 'history' is no pair",
                "write [user, assistant]",
            )
        yield Message("user", read_text(pair[0], ("history", at, 0)))
        yield Message("assistant", read_text(pair[1], ("history", at, 1)))


SHAPES = (
    Shape("messages", ("messages",), ("tools", "functions"), _messages),
    Shape("sharegpt", ("conversations",), ("system", "tools"), _sharegpt),
    Shape("prompt/completion", ("prompt", "completion"), ("system",), _prompt_completion),
    Shape("alpaca", ("instruction", "output"), ("input", "system", "history"), _alpaca),
)
"""In the order in which a record of several shapes is read."""
