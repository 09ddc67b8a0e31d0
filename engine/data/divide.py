"""The rows in use put on their sides: by hash and kept groups, or by a held-out file of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.data import source as sources
from engine.data.overlap import counted, leaks
from engine.data.picked import Picked
from engine.data.problems import FaultLog
from engine.data.project import Project
from engine.data.rows import Fault, Row
from engine.data.source import Source
from engine.data.split import FrozenSides, Side, Split, grouped_split, merged

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


def divide(
    config: Config,
    source: Source,
    project: Project,
    rows: Sequence[Row],
    used: NDArray[np.int64],
    groups: NDArray[np.int64],
    log: FaultLog,
    on_progress: Callable[[str, int, int], None],
) -> Divided:
    """Put the `used` rows on sides, those of one group (near copies) together; what is set aside for its
    copies is logged."""
    if source.paths[1]:
        return _by_file(source, rows, used, groups.tolist(), log)
    seed, fraction = config.train.seed, config.data.eval_fraction
    frozen = project.sides(seed, fraction)
    chosen, counts = _without_leaks(Picked(rows, used), fraction, seed, groups, frozen, on_progress)
    sides: list[Side | None] = [None] * len(rows)
    for place, side in zip(used.tolist(), chosen.sides, strict=True):
        sides[place] = side
    aside = used[chosen.set_aside].tolist()
    if counts["near"]:  # sides kept from before hold near copies apart: those in training give way
        more, counts = _set_aside(rows, sides)
        aside = sorted(aside + more)
    for place in aside:
        _log_copy(rows[place], source.path, "it has near copies on both sides", log)
    now = frozen.with_more(chosen.frozen)
    if len(now) > len(frozen):
        project.keep_sides(seed, fraction, now)
    notes = chosen.notes + _notes(fraction, sides.count("eval"))
    method = "hash of the user text" if fraction else "nothing held out"
    return Divided(sides, method, counts, aside, notes)


def _without_leaks(
    rows: Sequence[Row],
    fraction: float,
    seed: int,
    groups: NDArray[np.int64],
    frozen: FrozenSides,
    on_progress: Callable[[str, int, int], None],
) -> tuple[Split, dict[str, Any]]:
    """The split, and its overlap as an independent pass counts it. The groups are drawn by chance and miss a
    near copy in a hundred; what that pass finds joins them, and the rows are divided once more."""

    def told(done: int, total: int) -> None:
        on_progress("counting overlap", done, total)

    chosen = grouped_split(rows, fraction, seed, groups, frozen)
    found = leaks(rows, chosen.sides, NEAR, told)
    if len(found.pairs):
        joined = np.arange(len(rows))
        joined[found.pairs[:, 0]] = found.pairs[:, 1]
        chosen = grouped_split(rows, fraction, seed, merged(groups, joined), frozen)
        found = leaks(rows, chosen.sides, NEAR, told)
    return chosen, counted(found, NEAR)


def _by_file(
    source: Source, rows: Sequence[Row], used: NDArray[np.int64], groups: list[int], log: FaultLog
) -> Divided:
    """The held-out file's rows are held out, all others train; training rows with a copy there are set aside."""
    held = {
        place
        for place in used.tolist()
        if source.own <= place
        and (place < len(source.rows) or source.of_held_out_file(rows[place].number))
    }
    if not held:
        raise sources.nothing(source.paths[1], len(source.rows) - source.own, log)
    held_groups = {
        group for place, group in zip(used.tolist(), groups, strict=True) if place in held
    }
    sides: list[Side | None] = [None] * len(rows)
    aside = []
    for place, group in zip(used.tolist(), groups, strict=True):
        if place in held:
            sides[place] = "eval"
        elif group in held_groups:
            aside.append(place)
        else:
            sides[place] = "train"
    more, counts = _set_aside(rows, sides)
    aside = sorted(aside + more)
    for place in aside:
        _log_copy(rows[place], source.path, "its question is in the held-out file", log)
    return Divided(sides, "a held-out file", counts, aside)


def _set_aside(rows: Sequence[Row], sides: list[Side | None]) -> tuple[list[int], dict[str, Any]]:
    """Take the training rows out that a second pass finds near to held-out ones, until it finds none; their
    positions, and the overlap that is left."""
    aside: list[int] = []
    while len((found := leaks(rows, sides, NEAR)).pairs):
        for place in np.unique(found.pairs[:, 1]).tolist():
            sides[place] = None
            aside.append(place)
    return aside, counted(found, NEAR)


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
