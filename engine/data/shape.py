"""Which shape the records have, found from the records themselves, and the rows they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from typing import Any

from engine.data.containers import json_text
from engine.data.containers.json_text import BadJson
from engine.data.containers.record import Path, Record
from engine.data.formats import SHAPES, Shape
from engine.data.problems import FaultLog
from engine.data.read import Reading
from engine.data.rows import Fault, Row
from engine.data.turns import Unfit, nearest
from engine.errors import Problem

VOTERS = 1000
TURN_FIELDS = ("messages", "conversations", "history")
STRAYS = 0.05
ACCEPTED = (
    "alpaca (instruction, output), messages (role, content), sharegpt (conversations: from, value) "
    "or prompt/completion"
)


@dataclass(frozen=True)
class Shaped:
    """The rows of one source. `confidence` is the share of its records that have the shape."""

    format: str
    confidence: float
    rows: list[Row]
    notes: list[str] = field(default_factory=list)


def shape_rows(reading: Reading, log: FaultLog) -> Shaped:
    """All rows of a source; what is wrong with a record goes to the log. Raises Problem for a mix
    or an unknown shape."""
    records = _without_faults(reading, log)
    sample = list(islice(records, VOTERS))
    if not sample:
        return Shaped("unknown", 0.0, [])
    shape = _vote(reading.path, sample)
    parse = _row_of_table if reading.container in ("csv", "tsv") else _row
    rows: list[Row] = []
    fields: Counter[tuple[str, ...]] = Counter()
    votes: Counter[str] = Counter()
    for record in chain(sample, records):
        votes[_kind(record.value) or ""] += 1
        made = parse(shape, record, reading.path)
        if isinstance(made, Fault):
            log.add(made)
        else:
            fields[tuple(record.value)] += 1
            rows.append(made)
    _refuse_mix(reading.path, votes)
    unused = {name for names in fields for name in names} - {*shape.needed, *shape.optional}
    notes = [f"fields not used: {', '.join(sorted(unused)[:12])}"] if unused else []
    return Shaped(shape.name, votes[shape.name] / votes.total(), rows, notes)


def _without_faults(reading: Reading, log: FaultLog) -> Iterator[Record]:
    for item in reading:
        if isinstance(item, Fault):
            log.add(item)
        else:
            yield item


def _row(shape: Shape, record: Record, path: str) -> Row | Fault:
    """A record's row, or why it makes none, at the place of the value to blame."""
    try:
        _check_fields(shape, record.value)
        return Row(record.number, record.line, shape.parse(record.value))
    except Unfit as unfit:
        return _fault(unfit, record, path)


def _row_of_table(shape: Shape, record: Record, path: str) -> Row | Fault:
    """The same where lists of turns can only stand in a cell as JSON text."""
    try:
        for name in TURN_FIELDS:
            text = record.value.get(name)
            if isinstance(text, str) and text.lstrip().startswith("["):
                record.value[name] = _parsed(text.strip(), name)
    except Unfit as unfit:
        return _fault(unfit, record, path)
    return _row(shape, record, path)


def _parsed(text: str, name: str) -> Any:
    try:
        value, end = json_text.parse(text)
    except BadJson as bad:
        raise Unfit((name,), bad.code, f"in '{name}': {bad.what}", bad.fix) from bad
    if end != len(text):
        what = f"in '{name}': not valid JSON (more follows after the list)"
        raise Unfit((name,), "json", what, "write one list of turns")
    return value


def _fault(unfit: Unfit, record: Record, path: str) -> Fault:
    line, column = record.place(unfit.path)
    return Fault(line, column, unfit.code, unfit.what, unfit.fix, record.number, path)


# ---------------------------------------------------------------- finding the shape


def _kind(value: dict[str, Any]) -> str | None:
    """The first shape that the record's fields allow, or a known one that is not trained on yet."""
    kind = _kind_of_fields(tuple(value))
    if kind == "prompt/completion" and str(value.get("label")).lower() in ("true", "false"):
        return "KTO"
    return kind


@lru_cache(maxsize=4096)
def _kind_of_fields(names: tuple[str, ...]) -> str | None:
    if "chosen" in names and "rejected" in names:
        return "preference pairs"
    if "kto_tag" in names:
        return "KTO"
    return next((shape.name for shape in SHAPES if {*shape.needed} <= {*names}), None)


def _vote(path: str, sample: list[Record]) -> Shape:
    """The shape that most records have."""
    votes = Counter(_kind(record.value) for record in sample)
    votes.pop(None, None)
    if not votes:
        raise _unknown(path, sample)
    _refuse_mix(path, Counter({name or "": count for name, count in votes.items()}))
    name = votes.most_common(1)[0][0]
    shape = next((shape for shape in SHAPES if shape.name == name), None)
    if shape is None:
        raise Problem(
            path, f"these are {name}, which are not trained on yet", f"write the rows as {ACCEPTED}"
        )
    return shape


def _refuse_mix(path: str, votes: Counter[str]) -> None:
    """More than a few strays of another shape: the person must say which is meant."""
    shapes = Counter({name: count for name, count in votes.items() if name})
    total = shapes.total()
    others = total - max(shapes.values(), default=0)
    if others and others >= STRAYS * total:
        shares = ", ".join(
            f"{name} {100 * n / total:.0f}% ({n:,})" for name, n in shapes.most_common()
        )
        raise Problem(path, f"a mix of shapes: {shares}", "put each shape into a file of its own")


def _unknown(path: str, sample: list[Record]) -> Problem:
    names = Counter(name for record in sample for name in record.value)
    found = [name for name, _ in names.most_common(12)]
    shown = ", ".join(f'"{name[:40]}"' for name in found) or "none"
    guess = _meant(found)
    if guess:
        fix = guess
    elif sample[0].cells:
        fix = f"name the columns in the first line; accepted: {ACCEPTED}"
    else:
        fix = f"rename the fields; accepted: {ACCEPTED}"
    return Problem(path, f"the shape is not known (fields found: {shown})", fix)


def _meant(found: list[str]) -> str | None:
    """The renaming that would make the fields a shape, when a slip or two is all that is wrong."""
    for shape in SHAPES:
        meant = {name: nearest(name, found) for name in shape.needed}
        if all(meant.values()):
            changes = [f'"{old}" to "{name}"' for name, old in meant.items() if old != name]
            return f"did you mean {shape.name}? Rename {' and '.join(changes)}"
    return None


def _check_fields(shape: Shape, value: dict[str, Any]) -> None:
    """The record has the file's shape, and no field is passed over for a slip in its name. Raises
    Unfit."""
    kind = _kind(value)
    if kind != shape.name and kind is not None:
        what = f"this record is {kind}, the file is {shape.name}"
        raise Unfit((), "shape", what, "write it as the others are")
    slip = _slip(shape, tuple(value))
    if slip:
        raise Unfit(*slip)
    for name in ("tools", "functions"):
        if value.get(name):
            what = f"'{name}': tool calls are not trained on yet"
            raise Unfit((name,), "unsupported", what, "leave this row out")


@lru_cache(maxsize=4096)
def _slip(shape: Shape, names: tuple[str, ...]) -> tuple[Path, str, str, str] | None:
    """A needed field that is missing, or a field that was probably meant for an optional one."""
    for name in shape.needed:
        if name not in names:
            near = nearest(name, [n for n in names if n not in shape.needed])
            fix = f'rename "{near}" to "{name}"' if near else f'add "{name}"'
            return (near,) if near else (), "missing", f"there is no '{name}'", fix
    spare = [name for name in names if name not in shape.needed + shape.optional]
    for name in shape.optional:
        near = nearest(name, spare) if spare and name not in names else None
        if near:
            what = f'the field "{near[:40]}" is not known'
            return (near,), "unknown_field", what, f'did you mean "{name}"?'
    return None
