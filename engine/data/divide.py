"""The rows in use put on their sides: by hash and kept groups, or by a held-out file of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.data import source as sources
from engine.data.facts import Facts
from engine.data.overlap import Leaks, counted, leaks_between
from engine.data.problems import FaultLog
from engine.data.project import Project
from engine.data.rows import Fault, Row
from engine.data.source import Source
from engine.data.split import (
    EVAL,
    NONE,
    TRAIN,
    FrozenSides,
    Side,
    Split,
    merged,
    named,
    split_known,
)

OnProgress = Callable[[str, int, int], None]
FEWEST_HELD_OUT = 8
NEAR = 0.8
"""The Jaccard index of word 3-grams from which on two prompts count as near copies."""


@dataclass(frozen=True)
class Divided:
    """A side for each row, None for one that is not used; `set_aside` are positions of rows with copies on
    both sides."""

    sides: list[Side | None]
    method: str
    overlap: dict[str, Any]
    set_aside: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Used:
    """The rows in use: their positions among all, themselves, their facts, and their groups of near copies."""

    places: NDArray[np.int64]
    rows: Sequence[Row]
    facts: Facts
    groups: NDArray[np.int64]


def divide(
    config: Config,
    source: Source,
    project: Project,
    rows: Sequence[Row],
    used: Used,
    log: FaultLog,
    on_progress: OnProgress,
) -> Divided:
    """Put the rows in use on sides, those of one group (near copies) together; what is set aside for its
    copies is logged."""
    if source.paths[1]:
        found = _by_file(source, rows, used, log, on_progress)
        why = "its question is in the held-out file"
    else:
        found = _by_hash(config, project, len(rows), used, on_progress)
        why = "it has near copies on both sides"
    for place in found.set_aside:
        _log_copy(rows[place], source.path, why, log)
    return found


def _by_hash(
    config: Config, project: Project, count: int, used: Used, on_progress: OnProgress
) -> Divided:
    """Sides by the hash of the user text, or as they were kept with the project."""
    seed, fraction = config.train.seed, config.data.eval_fraction
    frozen, lost = project.sides(seed, fraction)
    chosen, counts = _without_leaks(used, fraction, seed, frozen, on_progress)
    codes = chosen.codes
    if counts["near"]:  # sides kept from before hold near copies apart: those in training give way
        codes, counts = _giving_way(used, codes, on_progress)
    now = frozen.with_more(chosen.frozen)
    if len(now) > len(frozen):
        project.keep_sides(seed, fraction, now)
    notes = lost + chosen.notes + _notes(fraction, int(np.count_nonzero(codes == EVAL)))
    method = "hash of the user text" if fraction else "nothing held out"
    return _divided(count, used, codes, method, counts, notes)


def _without_leaks(
    used: Used, fraction: float, seed: int, frozen: FrozenSides, on_progress: OnProgress
) -> tuple[Split, dict[str, Any]]:
    """The split, and its overlap as an independent pass counts it. The groups are drawn by chance and miss a
    near copy in a hundred; what that pass finds joins them, and the rows are divided once more."""
    known = used.facts.of("known")
    chosen = split_known(known, fraction, seed, used.groups, frozen)
    found = _leaks(used, chosen.codes, on_progress)
    if len(found.pairs):
        joined = np.arange(len(known))
        joined[found.pairs[:, 0]] = found.pairs[:, 1]
        chosen = split_known(known, fraction, seed, merged(used.groups, joined), frozen)
        found = _leaks(used, chosen.codes, on_progress)
    return chosen, counted(found, NEAR)


def _leaks(used: Used, codes: NDArray[np.int8], on_progress: OnProgress) -> Leaks:
    def told(done: int, total: int) -> None:
        on_progress("counting overlap", done, total)

    held, train = (np.flatnonzero(codes == side) for side in (EVAL, TRAIN))
    return leaks_between(used.rows, used.facts, held, train, NEAR, told)


def _by_file(
    source: Source, rows: Sequence[Row], used: Used, log: FaultLog, on_progress: OnProgress
) -> Divided:
    """The held-out file's rows are held out, all others train; training rows with a copy there are set aside."""
    held = np.array([_of_held_out_file(source, rows, at) for at in used.places.tolist()], np.bool_)
    if not held.any():
        raise sources.nothing(source.paths[1], len(source.rows) - source.own, log)
    copies = np.isin(used.groups, used.groups[held])
    codes = np.select([held, copies], [EVAL, NONE], TRAIN).astype(np.int8)
    codes, counts = _giving_way(used, codes, on_progress)
    return _divided(len(rows), used, codes, "a held-out file", counts, [])


def _of_held_out_file(source: Source, rows: Sequence[Row], place: int) -> bool:
    """Mended rows lie behind those of both files."""
    if place < len(source.rows):
        return place >= source.own
    return source.of_held_out_file(rows[place].number)


def _giving_way(
    used: Used, codes: NDArray[np.int8], on_progress: OnProgress
) -> tuple[NDArray[np.int8], dict[str, Any]]:
    """The sides without the training rows that a second pass finds near to held-out ones, looked for until
    it finds none; and the overlap that is left."""
    codes = codes.copy()
    while len((found := _leaks(used, codes, on_progress)).pairs):
        codes[found.pairs[:, 1]] = NONE
    return codes, counted(found, NEAR)


def _divided(
    count: int,
    used: Used,
    codes: NDArray[np.int8],
    method: str,
    counts: dict[str, Any],
    notes: list[str],
) -> Divided:
    """The sides of the rows in use put among all `count` rows."""
    everywhere = np.zeros(count, np.int8)
    everywhere[used.places] = codes
    aside = used.places[codes == NONE].tolist()
    return Divided(named(everywhere), method, counts, aside, notes)


def _log_copy(row: Row, path: str, what: str, log: FaultLog) -> None:
    fix = "nothing to do, it is not trained on"
    log.add(Fault(row.line, 1, "held_out_copy", what, fix, row.number, row.path or path))


def _notes(fraction: float, held: int) -> list[str]:
    """Whether little or nothing is held out."""
    if fraction == 0:
        return [
            "nothing is held out (data.eval_fraction is 0): "
            "whether the model learns or memorises cannot be told"
        ]
    if held == 0:
        return ["nothing could be held out: there are too few different questions"]
    if held < FEWEST_HELD_OUT:
        several = "1 row is" if held == 1 else f"{held} rows are"
        return [f"only {several} held out: the held-out loss will be rough"]
    return []
