"""What the data is made of once it is read: messages, rows, and what was wrong with a record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import Problem

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, its text exactly as in the source.

    `trained`: None = as usual (an assistant turn is learned), False = an answer that is not
    learned, True = told to be learned. `tool_calls`: empty, or the JSON text of the calls an
    answer makes, `[{"type": "function", "function": {"name", "arguments"}, "id"?}, …]`.
    """

    role: Role
    content: str
    trained: bool | None = None
    tool_calls: str = ""
    name: str = ""
    tool_call_id: str = ""

    @property
    def learned(self) -> bool:
        return self.role == "assistant" and self.trained is not False

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls as a tree, as chat templates take them."""
        return json.loads(self.tool_calls) if self.tool_calls else []

    @property
    def text(self) -> str:
        """The content, with the calls written out below it."""
        written = [_written(call["function"]) for call in self.calls]
        return "\n".join([*([self.content] if self.content else []), *written])


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation: an optional system message, then user and assistant in turns (tool
    results after an answer that calls), assistant last; or, when `raw`, a text in pieces that no
    chat template touches, the assistant's learned.

    `number` counts the records of the source from 1, `line` the lines of the file from 1
    (the same as `number` where a container has no lines). `tools` is empty, or the JSON text of
    the list of tool definitions; `path` names the row's file where a source has several.
    """

    number: int
    line: int
    messages: tuple[Message, ...]
    tools: str = ""
    raw: bool = False
    path: str = ""

    @property
    def system(self) -> str | None:
        first = self.messages[0]
        return first.content if first.role == "system" else None

    @property
    def user_text(self) -> str:
        """All user turns, joined by line ends: what the split looks at. Where a raw text has
        none, the text itself."""
        asked = "\n".join(m.content for m in self.messages if m.role == "user")
        if asked.strip() or not self.raw:
            return asked
        return "".join(m.content for m in self.messages)

    @property
    def prompt(self) -> tuple[Message, ...]:
        """What stands before the last assistant turn."""
        at = max((i for i, m in enumerate(self.messages) if m.role == "assistant"), default=0)
        return self.messages[:at]

    @property
    def answer(self) -> str:
        """The last assistant turn, its tool calls written out."""
        return next((m.text for m in reversed(self.messages) if m.role == "assistant"), "")

    @property
    def id(self) -> str:
        """16 hexadecimal digits of the SHA-256 of all the row holds: the same text, the same
        id."""
        held: Any = messages_to_json(self.messages)
        if self.tools or self.raw:
            held = {"messages": held, "tools": self.tools, "raw": self.raw}
        text = json.dumps(held, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        tree = {
            "number": self.number,
            "line": self.line,
            "messages": messages_to_json(self.messages),
        }
        if self.tools:
            tree["tools"] = self.tools
        if self.raw:
            tree["raw"] = True
        return tree

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Row:
        """Raises KeyError or TypeError for a tree that is no row's."""
        return cls(
            tree["number"],
            tree["line"],
            messages_from_json(tree["messages"]),
            tree.get("tools", ""),
            tree.get("raw", False),
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record cannot be used. `line` and `column` count from 1, `number` counts records from
    1."""

    line: int
    column: int
    code: str
    what: str
    fix: str
    number: int = 0
    path: str = ""

    def __str__(self) -> str:
        return str(Problem(f"{self.path}:{self.line}:{self.column}", self.what, self.fix))


def messages_to_json(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Every field of every message; those that say nothing are left out."""
    return [_message_to_json(message) for message in messages]


def messages_from_json(tree: list[dict[str, Any]]) -> tuple[Message, ...]:
    return tuple(
        Message(
            m["role"],
            m["content"],
            m.get("trained"),
            m.get("tool_calls", ""),
            m.get("name", ""),
            m.get("tool_call_id", ""),
        )
        for m in tree
    )


def _message_to_json(message: Message) -> dict[str, Any]:
    tree: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.trained is not None:
        tree["trained"] = message.trained
    for name in ("tool_calls", "name", "tool_call_id"):
        if value := getattr(message, name):
            tree[name] = value
    return tree


def _written(function: dict[str, Any]) -> str:
    """A call as text, for models whose chat template has no words of its own for calls."""
    return f"<tool_call>\n{json.dumps(function, ensure_ascii=False)}\n</tool_call>"
