"""What a journal of edits comes to: rows changed, added and left out, records mended or given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from engine.data.rows import Message, Row, messages_from_json, messages_to_json

Operation = dict[str, Any]
Key = tuple[str, int]
"""16 hexadecimal digits that name a row or record, and its place (from 0) among those of that name."""


@dataclass(frozen=True)
class Held:
    """What a row is to hold; `tools` None leaves its tool definitions as they are."""

    messages: tuple[Message, ...]
    tools: str | None = None
    raw: bool = False

    def put_into(self, row: Row) -> Row:
        tools = row.tools if self.tools is None else self.tools
        return replace(row, messages=self.messages, tools=tools)

    def to_json(self) -> list[Any]:
        """The last entries of a journal's row; what says nothing is left out."""
        tree: list[Any] = [messages_to_json(self.messages)]
        return tree if self.tools is None else [*tree, self.tools]

    @classmethod
    def from_json(cls, tree: list[Any], *, raw: bool = False) -> Held:
        return cls(messages_from_json(tree[0]), tree[1] if len(tree) > 1 else None, raw)


@dataclass(frozen=True)
class Mended:
    """The row that a faulty record became, and by what the record is known."""

    record: Key
    held: Held


@dataclass
class Overlay:
    """`excluded` says why a row is left out; `dropped` are faulty records that stay out on purpose."""

    changed: dict[Key, Held] = field(default_factory=dict)
    mended: dict[Key, Mended] = field(default_factory=dict)
    added: dict[Key, Held] = field(default_factory=dict)
    excluded: dict[Key, str] = field(default_factory=dict)
    dropped: set[Key] = field(default_factory=set)
    chosen: dict[str, str] = field(default_factory=dict)
    """The remedy taken for a check, by its code."""
    undoable: int = 0

    @property
    def counts(self) -> dict[str, Any]:
        return {
            "changed": len(self.changed),
            "mended": len(self.mended),
            "added": len(self.added),
            "excluded": len(self.excluded),
            "dropped": len(self.dropped),
            "undo": self.undoable > 0,
        }

    def do(self, operation: Operation) -> None:
        """Let one more edit count."""
        _OPERATIONS[operation["op"]](self, operation)
        self.undoable += 1


def folded(operations: Iterable[Operation]) -> Overlay:
    overlay = Overlay()
    for operation in operations:
        overlay.do(operation)
    return overlay


def standing(journal: Iterable[Operation]) -> list[Operation]:
    """The operations that were not taken back; one that is not understood is passed over."""
    found: list[Operation] = []
    for entry in journal:
        if entry.get("op") == "undo":
            found = [each for each in found if each.get("id") != entry.get("id")]
        elif entry.get("op") in _OPERATIONS and isinstance(entry.get("rows"), list):
            found.append(entry)
    return found


def _change(overlay: Overlay, operation: Operation) -> None:
    for name, place, *tree in operation["rows"]:
        held, before = Held.from_json(tree), overlay.changed.get((name, place))
        if held.tools is None and before is not None:
            held = replace(held, tools=before.tools)
        overlay.changed[name, place] = held
    _choose(overlay, operation)


def _mend(overlay: Overlay, operation: Operation) -> None:
    for name, place, record, raw, *tree in operation["rows"]:
        held = Held.from_json(tree, raw=raw)
        overlay.mended[name, place] = Mended((record[0], record[1]), held)


def _add(overlay: Overlay, operation: Operation) -> None:
    for name, place, *tree in operation["rows"]:
        overlay.added[name, place] = Held.from_json(tree)


def _exclude(overlay: Overlay, operation: Operation) -> None:
    for name, place in operation["rows"]:
        overlay.excluded[name, place] = operation.get("check") or "by hand"
    _choose(overlay, operation)


def _drop(overlay: Overlay, operation: Operation) -> None:
    overlay.dropped.update((name, place) for name, place in operation["rows"])


def _restore(overlay: Overlay, operation: Operation) -> None:
    for name, place in operation["rows"]:
        if overlay.excluded.pop((name, place), None) is None:
            overlay.changed.pop((name, place), None)


def _choose(overlay: Overlay, operation: Operation) -> None:
    if operation.get("check"):
        overlay.chosen[operation["check"]] = operation.get("remedy", "")


_OPERATIONS: dict[str, Callable[[Overlay, Operation], None]] = {
    "change": _change,
    "mend": _mend,
    "add": _add,
    "exclude": _exclude,
    "drop": _drop,
    "restore": _restore,
    "choose": _choose,
}
