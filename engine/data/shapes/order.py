"""The order of a conversation's turns, and that none is empty."""

from __future__ import annotations

from collections.abc import Sequence

from engine.data.rows import Message, Role
from engine.data.shapes.unfit import Path, Unfit
from engine.data.shapes.worded import holds_call

Turn = tuple[Path, Message]
"""A message and the place of the value it was read from."""


def check_conversation(turns: Sequence[Turn], path: Path) -> tuple[Message, ...]:
    """The messages, when they are a conversation to learn from. Raises Unfit."""
    check_order(turns, path)
    check_filled(turns)
    if not any(message.learned for _, message in turns):
        what = "every answer has weight 0, so there is nothing to learn"
        raise Unfit(path, "empty_answer", what, "give one answer weight 1, or delete the row")
    return tuple(message for _, message in turns)


def check_order(turns: Sequence[Turn], path: Path) -> None:
    """System first if at all, then user and assistant in turns, each call's results after it, an
    answer last. Raises Unfit."""
    if not turns:
        what = f"'{path[-1]}' is empty" if path else "there are no turns"
        raise Unfit(path, "empty_answer", what, "write the turns, or delete the row")
    start = 1 if turns[0][1].role == "system" else 0
    for at in range(start, len(turns)):
        place, message = turns[at]
        if message.role == "system":
            what = "a second system turn" if start else "a system turn that is not the first"
            raise Unfit(place, "order", what, "put one system turn before all others")
        _check_place(turns[start:at], place, message)
    if not any(message.role == "assistant" for _, message in turns):
        what = "there is no assistant turn"
        raise Unfit(path, "empty_answer", what, "write the answer, or delete the row")
    place, last = turns[-1]
    if last.role != "assistant":
        what = "the last turn is not the assistant's"
        raise Unfit(place, "order", what, "add the answer, or delete the last turn")


def check_filled(turns: Sequence[Turn]) -> None:
    """No empty question and no empty answer. Raises Unfit."""
    for path, message in turns:
        if message.content.strip() or message.tool_calls or message.role in ("system", "tool"):
            continue
        if message.role == "assistant":
            fix = "write the answer, or delete the row"
            raise Unfit(path, "empty_answer", "the answer is empty", fix)
        fix = "write the question, or delete the row"
        raise Unfit(path, "empty_prompt", "the user's text is empty", fix)


def _check_place(before: Sequence[Turn], place: Path, message: Message) -> None:
    """May `message` come after the turns `before` (without the system turn)?"""
    last = before[-1][1] if before else None
    if last is None:
        if message.role == "tool":
            raise _no_call(place)
        expected: tuple[Role, ...] = ("user",)
    elif last.role == "user":
        expected = ("assistant",)
        if message.role == "tool":
            raise _no_call(place)
    elif last.role == "assistant" and not last.tool_calls:
        expected = ("user",)
        if message.role == "tool" and holds_call(last.content):
            return
        if message.role == "tool":
            raise _no_call(place)
    else:
        _check_after_call(before, place, message)
        return
    if message.role not in expected:
        fix = "let user and assistant take turns"
        raise Unfit(place, "order", _order_words(message.role, last is None), fix)


def _check_after_call(before: Sequence[Turn], place: Path, message: Message) -> None:
    """After a call come its results, then the assistant."""
    at = max(at for at, (_, m) in enumerate(before) if m.role == "assistant")
    calls = before[at][1].calls
    results = [m for _, m in before[at + 1 :]]
    ids = {str(call["id"]) for call in calls if "id" in call}
    answered = {m.tool_call_id for m in results if m.tool_call_id}
    if message.role == "tool":
        if calls and len(results) >= len(calls):
            raise _no_call(place)
        given = message.tool_call_id
        if given and ids and (given not in ids or given in answered):
            what = f'a tool result for "{given[:40]}", which no call before it waits for'
            raise Unfit(place, "tools", what, "correct 'tool_call_id', or remove the result")
        return
    if not results or (ids and answered and ids - answered):
        what = "a tool call without its result"
        raise Unfit(place, "tools", what, "put the tool's turn right after the call")
    if message.role != "assistant":
        what = "the assistant's turn after a tool result is missing"
        raise Unfit(place, "order", what, "write the answer to the result before the next question")


def _no_call(place: Path) -> Unfit:
    what = "a tool result without a call before it"
    return Unfit(place, "tools", what, "put the call before it, or remove the result")


def _order_words(role: Role, first: bool) -> str:
    if first:
        return "the conversation begins with the assistant"
    return f"two {role} turns one after another"
