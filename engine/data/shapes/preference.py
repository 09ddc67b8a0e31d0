"""Answers that were compared or marked: read for the chosen answer, where the person asks for
it."""

from __future__ import annotations

from typing import Any

from engine.data.rows import Message
from engine.data.shapes import chat, instruction
from engine.data.shapes.completion import parse_prompt_completion, unlearned
from engine.data.shapes.declared import Content, Refusal, Shape
from engine.data.shapes.instruction import system_turn
from engine.data.shapes.order import Turn, check_conversation
from engine.data.shapes.tools import read_tools, row_tools
from engine.data.shapes.transcript import is_transcript, read_transcript
from engine.data.shapes.turns import read_turn, read_turns
from engine.data.shapes.unfit import Unfit, read_answer, read_flag, read_text

ADD_PROMPT = "add the question as 'prompt'"


def _pair(value: dict[str, Any]) -> Content:
    """`chosen` and `rejected`, the question beside them or, in lists, at their beginning."""
    if "conversations" in value:
        return _after(value, read_turns(value["conversations"], ("conversations",)))
    if "prompt" not in value and isinstance(value["chosen"], str):
        if is_transcript(value["chosen"]):
            return _after(value, [])
        declared = instruction.declared_of(value)
        if declared is None:
            what = "the question is missing: there is no 'prompt'"
            raise Unfit(("chosen",), "missing", what, ADD_PROMPT)
        content = instruction.parse(declared, value, "chosen")
        return content._replace(messages=_with_system(value, content.messages))
    return _after(value, _prompt(value.get("prompt")))


def _prompt(given: Any) -> list[Turn]:
    if given is None:
        return []
    if isinstance(given, list):
        return read_turns(given, ("prompt",))
    if is_transcript(given):
        return read_transcript(given, ("prompt",))
    return [(("prompt",), Message("user", read_text(given, ("prompt",))))]


def _after(value: dict[str, Any], prompt: list[Turn]) -> Content:
    """The chosen answer after its prompt; a chosen list that begins with a question is a whole
    conversation, and the prompt is said twice."""
    chosen = _answers(value, "chosen")
    if chosen and chosen[0][1].role != "assistant":
        prompt, chosen = _apart(chosen, _answers(value, "rejected"))
    messages = check_conversation([*unlearned(prompt), *chosen], ("chosen",))
    return Content(_with_system(value, messages), row_tools(value))


def _with_system(value: dict[str, Any], messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return messages if messages[0].role == "system" else (*system_turn(value), *messages)


def _apart(chosen: list[Turn], rejected: list[Turn]) -> tuple[list[Turn], list[Turn]]:
    """Two conversations' common beginning, and how the chosen one goes on."""
    same = 0
    for (_, one), (_, other) in zip(chosen, rejected, strict=False):
        if one != other:
            break
        same += 1
    same = min(same, len(chosen) - 1)
    return chosen[:same], chosen[same:]


def _answers(value: dict[str, Any], name: str) -> list[Turn]:
    given = value[name]
    if isinstance(given, dict):
        return [((name,), message) for message in read_turn(given, (name,))[0]]
    if isinstance(given, list):
        return read_turns(given, (name,))
    if is_transcript(given):
        return read_transcript(given, (name,))
    return [((name,), Message("assistant", read_answer(value, name)))]


def _better(value: dict[str, Any]) -> Content:
    """A question with the better answer as `response_j`, the worse as `response_k`."""
    return instruction.parse(instruction.QUESTION, value, "response_j")


def _preferred(value: dict[str, Any]) -> Content:
    """`input` with messages and tools, `preferred_output` beside `non_preferred_output`."""
    given = value["input"]
    if not isinstance(given, dict):
        what = "'input' is no object with messages"
        raise Unfit(("input",), "type", what, 'write {"messages": […]}')
    prompt = read_turns(given.get("messages"), ("input", "messages"))
    turns = [*unlearned(prompt), *_answers(value, "preferred_output")]
    messages = check_conversation(turns, ("preferred_output",))
    return Content(messages, read_tools(given.get("tools"), ("input", "tools")))


def _labelled(value: dict[str, Any]) -> Content | None:
    """Prompt and completion with a `label`; an answer marked false is left out."""
    return parse_prompt_completion(value) if read_flag(value["label"], ("label",)) else None


def _tagged(value: dict[str, Any]) -> Content | None:
    """Another shape's record with a `kto_tag`; an answer marked false is left out."""
    if not read_flag(value["kto_tag"], ("kto_tag",)):
        return None
    if "messages" in value:
        return chat.messages_only(value)
    if any(name in value for name in chat.SHAREGPT_KEYS):
        return chat.parse_sharegpt(value)
    if "prompt" in value and "completion" in value:
        return parse_prompt_completion(value)
    for declared in instruction.FAMILY:
        answered = any(name in value for name in declared.answers)
        if answered and any(name in value for name in declared.questions):
            return instruction.parse(declared, value)
    what = "the marked answer is missing"
    raise Unfit((), "missing", what, "add instruction and output, or conversations")


_BESIDE = (
    "prompt", "instruction", "input", "question", "context", "conversations", "conversation",
    "system", "history",
    "tools", "functions",
)  # fmt: skip
CHOSEN_FIX = "set data.chosen: true to train on the chosen answers"
_PAIRS = Refusal(
    "these are preference pairs (a chosen and a rejected answer to one question)",
    CHOSEN_FIX,
    chosen=True,
)
_MARKED = Refusal(
    "these are answers marked good or bad (KTO)",
    "set data.chosen: true to train on the good ones",
    chosen=True,
)
SHAPES = (
    Shape("preference", (("chosen",), ("rejected",)), _BESIDE, _pair, refusal=_PAIRS),
    Shape(
        "preference",
        (("preferred_output",), ("non_preferred_output",), ("input",)),
        (),
        _preferred,
        refusal=_PAIRS,
    ),
    Shape(
        "preference",
        (("question",), ("response_j",), ("response_k",)),
        (),
        _better,
        refusal=_PAIRS,
    ),
    Shape(
        "KTO",
        (("prompt",), ("completion",), ("label",)),
        ("system", "tools", "functions"),
        _labelled,
        kinds=(("label", "flag"),),
        refusal=_MARKED,
    ),
    Shape(
        "KTO",
        (("kto_tag",),),
        (
            "messages", *chat.SHAREGPT_KEYS, "completion", "output", "response", "answer",
            *_BESIDE,
        ),
        _tagged,
        refusal=_MARKED,
    ),
)  # fmt: skip
