"""Which shape the records have, found from the records themselves, and the rows they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from engine.data.containers.record import Record
from engine.data.problems import FaultLog
from engine.data.read import Reading
from engine.data.rows import Fault, Row
from engine.data.shapes.completion import PROMPT_ONLY
from engine.data.shapes.declared import Shape
from engine.data.shapes.known import SHAPE_NAMES, SHAPES, shape_of, shapes_named
from engine.data.shapes.shaper import Shaper, refuse_mix
from engine.data.shapes.unfit import nearest
from engine.data.shapes.unknown import (
    ACCEPTED,
    UnknownShape,
    mapped,
    meant,
    names_answer,
    unknown,
)
from engine.errors import Problem

__all__ = ["SHAPE_NAMES", "Shaped", "Shaper", "UnknownShape", "shape_rows", "shaper_of"]

VOTERS = 1000
AUTO = ("", "auto")


@dataclass(frozen=True)
class Shaped:
    """The rows of one source. `confidence` is the share of its records that have the shape."""

    format: str
    confidence: float
    rows: list[Row]
    notes: list[str] = field(default_factory=list)


def shape_rows(
    reading: Reading,
    log: FaultLog,
    *,
    chosen: bool = False,
    only: str = "",
    columns: Mapping[str, str] | None = None,
) -> Shaped:
    """All rows of a source; what is wrong with a record goes to the log.

    `chosen`: of compared answers the chosen ones are rows. `only`: a shape's name; records of
    others are left out. `columns` names the columns of prompt, answer and perhaps system, whatever
    the shape. Raises Problem for a mix and for a shape with nothing to learn, UnknownShape where
    no shape fits.
    """
    records = _without_faults(reading, log)
    sample = list(islice(records, VOTERS))
    if not sample:
        return Shaped("unknown", 0.0, [])
    shaper = shaper_of(
        reading.path, reading.container, sample, chosen=chosen, only=only, columns=columns
    )
    rows = [row for record in chain(sample, records) if (row := shaper.take(record, log))]
    shaper.refuse_mix()
    return Shaped(shaper.format, shaper.confidence, rows, shaper.notes())


def shaper_of(
    path: str,
    container: str,
    sample: list[Record],
    *,
    chosen: bool = False,
    only: str = "",
    columns: Mapping[str, str] | None = None,
) -> Shaper:
    """The shape that the sample has, ready to make rows; the arguments are those of `shape_rows`."""
    if columns:
        shapes: tuple[Shape, ...] = (mapped(columns, sample),)
        shape = shapes[0]
    else:
        shapes = SHAPES if only in AUTO else _named(only)
        shape = _vote(path, sample) if only in AUTO else shapes[0]
        _refuse_unlearnable(path, shape, chosen)
        if shape is not PROMPT_ONLY:
            shapes = tuple(each for each in shapes if each is not PROMPT_ONLY)
    return Shaper(path, container, shape, shapes, strict=bool(columns) or only in AUTO)


def _without_faults(reading: Reading, log: FaultLog) -> Iterator[Record]:
    for item in reading:
        if isinstance(item, Fault):
            log.add(item)
        else:
            yield item


def _named(only: str) -> tuple[Shape, ...]:
    shapes = shapes_named(only)
    if not shapes:
        near = nearest(only, list(SHAPE_NAMES))
        fix = f'did you mean "{near}"?' if near else f"use one of {', '.join(SHAPE_NAMES)}"
        raise Problem("data.format", f'"{only[:40]}" is no shape that is known', fix)
    return shapes


def _vote(path: str, sample: Sequence[Record]) -> Shape:
    """The shape that most records have."""
    votes = Counter(shape for record in sample if (shape := shape_of(record.value)))
    if len(votes) > 1:
        votes.pop(PROMPT_ONLY, None)
    if not votes:
        raise unknown(path, sample)
    names = Counter[str]()
    for shape, count in votes.items():
        names[shape.name] += count
    refuse_mix(path, names)
    name = names.most_common(1)[0][0]
    shape = max((each for each in votes if each.name == name), key=lambda each: votes[each])
    found = list(dict.fromkeys(field for record in sample for field in record.value))
    if shape is PROMPT_ONLY and (meant(found) or names_answer(found)):
        raise unknown(path, sample)
    return shape


def _refuse_unlearnable(path: str, shape: Shape, chosen: bool) -> None:
    if shape.refusal and not (chosen and shape.refusal.chosen):
        fix = shape.refusal.fix
        fix = f"{fix}, or write the rows as {ACCEPTED}" if shape.refusal.chosen else fix
        raise Problem(path, shape.refusal.what, fix)
