"""A list of turns as messages: roles, contents and their order."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from engine.data.containers.json_lines import type_name
from engine.data.rows import Message, Role

Path = tuple[str | int, ...]

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
}
SUGGESTED = ("system", "user", "assistant", "human", "gpt")
TOOL_ROLES = (
    "tool",
    "function",
    "function_call",
    "observation",
    "tool_call",
    "tool_response",
    "ipython",
)
TOOL_FIELDS = ("tool_calls", "function_call", "tool_call_id")
WEIGHTS = ("weight", "loss_weight", "train", "training", "loss")


@dataclass
class Unfit(Exception):
    """A record that is no usable row: which value of it, and why."""

    path: Path
    code: str
    what: str
    fix: str


def read_turns(turns: Any, path: Path) -> tuple[Message, ...]:
    """The messages of a list of {role, content} or {from, value}. Raises Unfit."""
    if not isinstance(turns, list):
        raise Unfit(
            path,
            "type",
            f"'{path[-1]}' is {type_name(turns)}, expected a list of turns",
            "write a list",
        )
    return tuple(_message(turn, (*path, at)) for at, turn in enumerate(turns))


def check_order(messages: tuple[Message, ...], path: Path) -> None:
    """System first if at all, then user and assistant in turns, an answer last. Raises Unfit."""
    if not messages:
        raise Unfit(
            path, "empty_answer", f"'{path[-1]}' is empty", "write the turns, or delete the row"
        )
    start = 1 if messages[0].role == "system" else 0
    turns = messages[start:]
    for at, message in enumerate(turns, start=start):
        if message.role == "system":
            what = "a second system turn" if start else "a system turn that is not the first"
            raise Unfit((*path, at), "order", what, "put one system turn before all others")
        expected = "user" if (at - start) % 2 == 0 else "assistant"
        if message.role != expected:
            raise Unfit(
                (*path, at),
                "order",
                _order_words(message.role, at == start),
                "let user and assistant take turns",
            )
    if not any(message.role == "assistant" for message in turns):
        raise Unfit(
            path,
            "empty_answer",
            "there is no assistant turn",
            "write the answer, or delete the row",
        )
    if turns[-1].role != "assistant":
        last = (*path, len(messages) - 1)
        raise Unfit(
            last,
            "order",
            "the last turn is not the assistant's",
            "add the answer, or delete the last turn",
        )


def check_filled(messages: tuple[Message, ...], paths: list[Path]) -> None:
    """No empty question and no empty answer. Raises Unfit."""
    for message, path in zip(messages, paths, strict=True):
        if message.content.strip() or message.role == "system":
            continue
        if message.role == "assistant":
            raise Unfit(
                path, "empty_answer", "the answer is empty", "write the answer, or delete the row"
            )
        raise Unfit(
            path,
            "empty_prompt",
            "the user's text is empty",
            "write the question, or delete the row",
        )


def read_text(value: Any, path: Path) -> str:
    """Text as it is. Raises Unfit for every other kind of value."""
    if isinstance(value, str):
        return value
    name = next((part for part in reversed(path) if isinstance(part, str)), "it")
    what = f"'{name}' is {type_name(value)}, expected text"
    raise Unfit(path, "type", what, "write it as text in quotes")


def _message(turn: Any, path: Path) -> Message:
    if not isinstance(turn, dict):
        raise Unfit(
            path,
            "type",
            f"the turn is {type_name(turn)}, expected an object",
            'write {"role": …, "content": …}',
        )
    names = ("from", "value") if "from" in turn and "role" not in turn else ("role", "content")
    _refuse_tools(turn, path)
    role = _role(turn, names[0], path)
    if names[1] not in turn:
        raise _missing(turn, names[1], path)
    content = turn[names[1]]
    if content is None:
        code = "empty_answer" if role == "assistant" else "empty_prompt"
        raise Unfit(
            (*path, names[1]), code, f"'{names[1]}' is null", "write the text, or delete the row"
        )
    _check_weight(turn, role, path)
    return Message(role, _content(content, (*path, names[1])))


def _role(turn: dict[str, Any], name: str, path: Path) -> Role:
    if name not in turn:
        raise _missing(turn, name, path)
    given = turn[name]
    if isinstance(given, str) and given in ROLES:
        return ROLES[given]
    if isinstance(given, str) and given in TOOL_ROLES:
        raise Unfit(
            (*path, name),
            "unsupported",
            f'a "{given}" turn: tool calls are not trained on yet',
            "leave this row out",
        )
    if not isinstance(given, str):
        raise Unfit(
            (*path, name),
            "type",
            f"'{name}' is {type_name(given)}, expected text",
            'write "user" or "assistant"',
        )
    near = get_close_matches(given.strip().lower(), SUGGESTED, 1, 0.6)
    fix = f'did you mean "{near[0]}"?' if near else "use system, user or assistant"
    raise Unfit((*path, name), "role", f'the role "{given[:40]}" is not known', fix)


def _refuse_tools(turn: dict[str, Any], path: Path) -> None:
    for name in TOOL_FIELDS:
        if turn.get(name):
            raise Unfit(
                (*path, name),
                "unsupported",
                f"'{name}': tool calls are not trained on yet",
                "leave this row out",
            )


def _check_weight(turn: dict[str, Any], role: Role, path: Path) -> None:
    """A weight that says what is done anyway (answers 1, all else 0) is fine; another is not kept
    to yet."""
    for name in WEIGHTS:
        weight = turn.get(name)
        if weight is None:
            continue
        usual = 1 if role == "assistant" else 0
        if not isinstance(weight, (int, float)) or weight != usual:
            what = f"'{name}' {str(weight)[:20]} on a {role} turn: weights are not kept to yet"
            raise Unfit(
                (*path, name), "unsupported", what, f"set it to {usual}, or leave this row out"
            )


def _content(content: Any, path: Path) -> str:
    """A turn's text: as it is, or its typed parts joined."""
    if isinstance(content, list):
        return "".join(_part(part, (*path, at)) for at, part in enumerate(content))
    return read_text(content, path)


def _part(part: Any, path: Path) -> str:
    """The text of one typed part: {"type": "text", "text": …} (or "value")."""
    if not isinstance(part, dict):
        what = f"a part is {type_name(part)}, expected an object"
        raise Unfit(path, "type", what, 'write {"type": "text", "text": …}')
    kind = part.get("type", "text")
    if kind != "text":
        what = f'a part of type "{str(kind)[:30]}": only text is trained on'
        raise Unfit(path, "unsupported", what, "leave this row out")
    text = part.get("text", part.get("value"))
    if not isinstance(text, str):
        what = f"a part's text is {type_name(text)}, expected text"
        raise Unfit(path, "type", what, "write it as text")
    return text


def _missing(turn: dict[str, Any], name: str, path: Path) -> Unfit:
    near = nearest(name, list(turn))
    fix = f'rename "{near}" to "{name}"' if near else f'add "{name}"'
    return Unfit(path, "missing", f"the turn has no '{name}'{_found(list(turn))}", fix)


def nearest(name: str, given: list[str]) -> str | None:
    """The given name that was probably meant for `name`: other case, spaces, or a letter or two."""
    plain = {other.strip().lower(): other for other in given}
    if name in plain:
        return plain[name]
    near = get_close_matches(name, list(plain), 1, 0.8)
    return plain[near[0]] if near else None


def _found(names: list[str]) -> str:
    return f" (it has {', '.join(name[:30] for name in names[:6])})" if names else ""


def _order_words(role: Role, first: bool) -> str:
    if first:
        return "the conversation begins with the assistant"
    return f"two {role} turns one after another"
