"""The rows that the records of one shape make, with counts of what is not in them."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

from engine.data.containers import json_text
from engine.data.containers.json_text import BadJson
from engine.data.containers.record import Path, Record
from engine.data.problems import FaultLog
from engine.data.rows import Fault, Row
from engine.data.shapes.chat import OTHER_KEYS
from engine.data.shapes.declared import Shape
from engine.data.shapes.known import LIST_FIELDS, is_list_text, shape_of
from engine.data.shapes.turns import TURN_FIELDS
from engine.data.shapes.unfit import Unfit, nearest
from engine.data.shapes.worded import TAG
from engine.errors import Problem

STRAYS = 0.05
TABLES = ("csv", "tsv")


class Shaper:
    """Makes rows of records, and counts all that is not in them. Unless `strict`, records that
    have none of the shapes are left out without a fault."""

    def __init__(
        self, path: str, container: str, shape: Shape, shapes: tuple[Shape, ...], *, strict: bool
    ) -> None:
        self.path, self.table = path, container in TABLES
        self.shape, self.shapes, self.strict = shape, shapes, strict
        self.made = 0
        self.votes: Counter[str] = Counter()
        self.fields: dict[Shape, Counter[tuple[str, ...]]] = {}
        self.turn_fields: set[str] = set()
        self.rejected = self.others = self.tagged = self.worded = 0

    @property
    def format(self) -> str:
        return self.shape.name

    @property
    def confidence(self) -> float:
        """The share of the records taken so far that have the shape."""
        return self.votes[self.shape.name] / max(1, self.votes.total())

    def again(self, record: Record) -> Row:
        """The row of a record that made one before; nothing is counted."""
        row = self._row(shape_of(record.value, self.shapes), record)
        assert row is not None
        return row

    def refuse_mix(self) -> None:
        """Raises Problem where the records taken have several shapes, or none of them has the
        one that was asked for."""
        if not self.strict and not self.votes[self.shape.name]:
            what = f"no record is {self.shape.name}, as data.format asks"
            raise Problem(
                self.path, what, "set data.format: auto, or name the shape that they have"
            )
        refuse_mix(self.path, self.votes)

    def take(self, record: Record, log: FaultLog) -> Row | None:
        """The record's row; None where it has none, which is counted or goes to the log."""
        found = shape_of(record.value, self.shapes)
        self.votes[found.name if found else ""] += 1
        if found is None and not self.strict:
            self.others += 1
            return None
        try:
            row = self._row(found, record)
        except Unfit as unfit:
            line, column = record.place(unfit.path)
            log.add(
                Fault(
                    line,
                    column,
                    unfit.code,
                    unfit.what,
                    unfit.fix,
                    record.number,
                    record.path or self.path,
                )
            )
            return None
        if row is None:
            self.rejected += 1
            return None
        shape = found or self.shape
        self.fields.setdefault(shape, Counter())[tuple(record.value)] += 1
        self._note_turns(record.value)
        self.worded += _calls_in_words(row)
        self.made += 1
        return row

    def notes(self) -> list[str]:
        """What is in the source and not in the rows."""
        notes = []
        if self.shape.name == "preference":
            notes.append(f"trained on the chosen answers: {self.made:,} rejected ones are left out")
        if self.rejected:
            notes.append(f"{self.rejected:,} answers marked bad are left out")
        if self.others:
            notes.append(
                f"{self.others:,} records that are not {self.shape.name} are left out, "
                "as data.format asks"
            )
        if self.worded:
            notes.append(
                f"the calls of {self.worded:,} rows stay the text that they are written in"
            )
        elif self.tagged:
            notes.append(f"the calls in {self.tagged:,} turns, written as {TAG}, are read as calls")
        unused = {
            name
            for shape, counts in self.fields.items()
            for names in counts
            for name in names
            if name not in shape.fields
        } - ({"rejected", "label", "kto_tag"} if self.shape.refusal else set())
        if unused:
            notes.append(f"fields not used: {', '.join(sorted(unused)[:12])}")
        spare = self.turn_fields - TURN_FIELDS
        if spare:
            notes.append(f"fields of turns not used: {', '.join(sorted(spare)[:12])}")
        return notes

    def _row(self, found: Shape | None, record: Record) -> Row | None:
        _check_fields(self.shape, found, record.value)
        _parse_cells(record.value, every=self.table)
        content = (found or self.shape).parse(record.value)
        return Row(record.number, record.line, *content, path=record.path) if content else None

    def _note_turns(self, value: dict[str, Any]) -> None:
        for name in LIST_FIELDS:
            turns = value.get(name)
            if not isinstance(turns, list) or name in ("segments", "history"):
                continue
            for turn in turns:
                if not isinstance(turn, dict):
                    continue
                self.tagged += any(TAG in said for said in turn.values() if isinstance(said, str))
                if not turn.keys() <= TURN_FIELDS:
                    self.turn_fields.update(key for key in turn if turn[key] is not None)


def _calls_in_words(row: Row) -> bool:
    """Does a tool answer to a call that stands in the text of a turn?"""
    pairs = zip(row.messages, row.messages[1:], strict=False)
    return any(a.role == "assistant" and not a.tool_calls and b.role == "tool" for a, b in pairs)


def refuse_mix(path: str, votes: Counter[str]) -> None:
    """More than a few strays of another shape: the person must say which is meant."""
    shapes = Counter({name: count for name, count in votes.items() if name})
    total = shapes.total()
    others = total - max(shapes.values(), default=0)
    if others and others >= STRAYS * total:
        common = shapes.most_common()
        shares = ", ".join(f"{name} {100 * n / total:.0f}% ({n:,})" for name, n in common)
        fix = f"keep one with data.format: {common[0][0]}, or put each shape into a file of its own"
        raise Problem(path, f"a mix of shapes: {shares}", fix)


def _parse_cells(value: dict[str, Any], *, every: bool) -> None:
    """Lists of turns may be given as JSON text; in a table (`every`) they can only be so."""
    for name in LIST_FIELDS:
        text = value.get(name)
        if not isinstance(text, str) or not text.lstrip().startswith("["):
            continue
        if is_list_text(text) or (every and name not in OTHER_KEYS):
            value[name] = _parsed(text.strip(), name)


def _parsed(text: str, name: str) -> Any:
    try:
        value, end = json_text.parse(text)
    except BadJson as bad:
        raise Unfit((name,), bad.code, f"in '{name}': {bad.what}", bad.fix) from bad
    if end != len(text):
        what = f"in '{name}': not valid JSON (more follows after the list)"
        raise Unfit((name,), "json", what, "write one list of turns")
    return value


def _check_fields(shape: Shape, found: Shape | None, value: dict[str, Any]) -> None:
    """The record has the file's shape, and no field is passed over for a slip in its name. Raises
    Unfit."""
    if found is not None and found.name != shape.name:
        what = f"this record is {found.name}, the file is {shape.name}"
        raise Unfit((), "shape", what, "write it as the others are")
    slip = _slip(found or shape, tuple(value))
    if slip:
        raise Unfit(*slip)


@lru_cache(maxsize=4096)
def _slip(shape: Shape, names: tuple[str, ...]) -> tuple[Path, str, str, str] | None:
    """A needed field that is missing, or a field that was probably meant for an optional one."""
    needed = {name for several in shape.needed for name in several}
    for several in shape.needed:
        if not any(name in names for name in several):
            spare = [name for name in names if name not in needed]
            near = nearest(several[0], spare)
            fix = f'rename "{near}" to "{several[0]}"' if near else f'add "{several[0]}"'
            return (near,) if near else (), "missing", f"there is no '{several[0]}'", fix
    spare = [name for name in names if name not in shape.fields]
    for name in shape.optional:
        near = nearest(name, spare) if spare and name not in names else None
        if near:
            what = f'the field "{near[:40]}" is not known'
            return (near,), "unknown_field", what, f'did you mean "{name}"?'
    return None
