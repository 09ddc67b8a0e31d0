"""What the data is made of once it is read: messages, rows, and what was wrong with a record."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, its text exactly as in the source."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation: an optional system message, then user and assistant in turns, assistant
    last.

    `number` counts the records of the source from 1, `line` the lines of the file from 1
    (the same as `number` where a container has no lines).
    """

    number: int
    line: int
    messages: tuple[Message, ...]

    @property
    def system(self) -> str | None:
        first = self.messages[0]
        return first.content if first.role == "system" else None

    @property
    def user_text(self) -> str:
        """All user turns, joined by line ends: what the split looks at."""
        return "\n".join(m.content for m in self.messages if m.role == "user")

    @property
    def answer(self) -> str:
        """The last assistant turn."""
        return next((m.content for m in reversed(self.messages) if m.role == "assistant"), "")

    @property
    def id(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the messages: the same text, the same id."""
        text = json.dumps(messages_to_json(self.messages), separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


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
        return f"{self.path}:{self.line}:{self.column}: {self.what}. Fix: {self.fix}."


def messages_to_json(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]


def messages_from_json(tree: list[dict[str, Any]]) -> tuple[Message, ...]:
    return tuple(Message(m["role"], m["content"]) for m in tree)
