"""What was read from a source, before any edit: rows, and what was wrong with the records that are none."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import config as settings
from engine import paths
from engine.config import Config
from engine.data.containers.index_several import index_of_all
from engine.data.containers.json_cache import Cached, as_json_lines, open_cache
from engine.data.containers.record import Record
from engine.data.edits import Edited, Edits, OverlaidRows
from engine.data.encoded import EncodedRows
from engine.data.facts import Arrays, Facts
from engine.data.faulty import FaultyRecords
from engine.data.one_pass import cache_name, go_through
from engine.data.problems import WORDS, FaultLog
from engine.data.raw_text import Origin, stamps_of
from engine.data.read import Reading, open_source
from engine.data.rows import Fault, Message, Row
from engine.data.rows_on_disk import Joined, RowsOnDisk
from engine.data.shape import VOTERS, Shaper, shaper_of
from engine.data.template import template_of
from engine.errors import Problem

OnProgress = Callable[[str, int, int], None]
LARGE = 32 * 2**20
"""From so many bytes on, rows stay on the disk."""
SHOWN_FIRST = 200


@dataclass(frozen=True)
class Source:
    """The rows of the data file, and behind them those of a held-out file of its own, if there is one.

    `own` counts the rows of the data file; `paths` names both as they were given; `ids` are the rows' ids
    as numbers. `records` counts what was read, faulty ones too; `origins` tell where each can be read again.
    """

    container: str
    format: str
    confidence: float
    records: int
    rows: Sequence[Row]
    ids: NDArray[np.uint64]
    own: int
    paths: tuple[str, str]
    log: FaultLog
    notes: list[str]
    origins: tuple[Origin, ...] = ()
    faulty: FaultyRecords = field(default_factory=lambda: FaultyRecords((), FaultLog()))

    @property
    def path(self) -> str:
        return self.paths[0]

    @property
    def on_disk(self) -> bool:
        """Are its rows read from the disk when they are looked at?"""
        return not isinstance(self.rows, list)

    def file_of(self, place: int) -> str:
        """The file of the row at `place`; rows that were added lie behind all others, in the first."""
        return self.paths[self.own <= place < len(self.rows)]

    def of_held_out_file(self, number: int) -> bool:
        """Is the record of this number one of the held-out file?"""
        return len(self.origins) > 1 and self.origins[1].before < number <= self.records


OnFirst = Callable[[Source, bool], None]
"""Told the first rows of a source, as one of their own, and whether the whole one is large."""


def nobody(source: Source, large: bool) -> None:
    """Nobody waits for the first rows."""


def read(config: Config, on_progress: OnProgress, on_first: OnFirst = nobody) -> Source:
    """Read `config.data`. Raises Problem when no row can be made of it, UnknownShape when its columns must
    be named first. `on_first` is told the first rows where there are many."""
    log = FaultLog()
    source, held_out = _read(config.data.path or _sample_path(), config, log, on_progress, on_first)
    held_path = config.data.eval_path or held_out
    if not held_path:
        return replace(source, faulty=FaultyRecords(source.origins, log))
    held_log = FaultLog()
    held, _ = _read(held_path, config, held_log, on_progress, nobody)
    log.extend_numbered(held_log, source.records)
    origins = (*source.origins, *(replace(o, before=source.records) for o in held.origins))
    return replace(
        source,
        origins=origins,
        faulty=FaultyRecords(origins, log),
        records=source.records + held.records,
        rows=Joined(source.rows, held.rows, source.records),
        ids=np.concatenate([source.ids, held.ids]),
        paths=(source.path, held.path),
    )


def count(
    source: Source,
    config: Config,
    tokenizer: Any,
    on_progress: OnProgress,
    on_batch: Callable[[Arrays], None] = lambda facts: None,
) -> tuple[EncodedRows, Facts]:
    """Tokens and facts of all rows as read, in one pass or from the cache."""
    system = config.data.system
    rows = OverlaidRows(source.rows, {}, [], partial(with_system, system=system))
    name = cache_name(tokenizer, template_of(tokenizer).source, system, source.ids)
    return go_through(
        tokenizer, rows, name, lambda done, total: on_progress("tokenizing", done, total), on_batch
    )


def edited(source: Source, edits: Edits) -> Edited:
    """The source with the edits over it; its faulty records are read again only where some were edited."""
    overlay = edits.overlay
    faults = source.faulty.keys if overlay.mended or overlay.dropped else None
    return edits.apply(source.rows, source.ids, faults, source.records)


def with_system(row: Row, system: str | None) -> Row:
    """The row with a system message where one is set and the row has none of its own."""
    if not system or row.raw or row.system is not None:
        return row
    return replace(row, messages=(Message("system", system), *row.messages))


def nothing(path: str, records: int, log: FaultLog, files: Sequence[str] = ()) -> Problem:
    """Why no row can be used: the first fault speaks for all. `files` are those that `path` stands for."""
    first = next((fault for fault in log.faults if fault.path in (path, *files)), None)
    if first is None:
        return Problem(path, "no records", "put at least one row into it")
    place = f"{first.path}:{first.line}:{first.column}"
    what = f"{first.what} (none of {records:,} records can be used)"
    return Problem(place, what, first.fix if records == 1 else WORDS[first.code][1])


def _read(
    path: str | Sequence[str],
    config: Config,
    log: FaultLog,
    on_progress: OnProgress,
    on_first: OnFirst,
) -> tuple[Source, str | None]:
    """One source, and the name of the one that comes with it to be held out."""

    def told(done: int, total: int) -> None:
        on_progress("reading", done, total)

    with open_source(path, told) as reading:
        large = sum(map(_size, reading.files)) > LARGE
        if large and not reading.indexable:
            cached = _converted(reading, told)
            items: Iterator[Record | Fault] = iter(cached)
        else:
            items = iter(reading)
        shaper, rows, places, ids = _shape(reading, items, config, log, on_first, large=large)
        records = None
        if large:
            records = index_of_all(reading.files) if reading.indexable else cached
    if not len(ids):
        raise nothing(reading.path, reading.records, log, reading.files)
    assert shaper is not None
    shaper.refuse_mix()
    source = Source(
        container=reading.container,
        format=shaper.format,
        confidence=shaper.confidence,
        records=reading.records,
        rows=RowsOnDisk(records, places, shaper) if records is not None else rows,
        ids=ids,
        own=len(ids),
        paths=(reading.path, ""),
        log=log,
        notes=reading.notes + shaper.notes(),
        origins=(
            Origin(
                reading.path, reading.container, reading.files, stamps_of(reading.files), records,
                reading.records, shaper,
            ),
        ),
    )  # fmt: skip
    return source, reading.held_out


def _shape(
    reading: Reading,
    items: Iterator[Record | Fault],
    config: Config,
    log: FaultLog,
    on_first: OnFirst,
    *,
    large: bool,
) -> tuple[Shaper | None, list[Row], NDArray[np.int64], NDArray[np.uint64]]:
    """All records made into rows: the rows themselves (the first ones only, where it is `large`), the
    positions of their records, and their ids."""
    head = _head(items)
    sample = [item for item in head if isinstance(item, Record)]
    if not sample:
        log.extend(item for item in head if isinstance(item, Fault))
        return None, [], np.zeros(0, np.int64), np.zeros(0, np.uint64)
    data = config.data
    shaper = shaper_of(
        reading.path, reading.container, sample,
        chosen=data.chosen, only=data.format, columns=columns_of(config),
    )  # fmt: skip
    rows: list[Row] = []
    places, ids = array("q"), array("Q")
    for at, item in enumerate(chain(head, items)):
        if isinstance(item, Fault):
            log.add(item)
            continue
        row = shaper.take(item, log)
        if row is None:
            continue
        places.append(at)
        ids.append(int(row.id, 16))
        if not large or len(rows) < SHOWN_FIRST:
            rows.append(row)
        if len(ids) == SHOWN_FIRST:
            on_first(_first(reading, shaper, rows, ids), large)
    return shaper, rows, np.array(places, np.int64), np.array(ids, np.uint64)


def _head(items: Iterator[Record | Fault]) -> list[Record | Fault]:
    """As many items as hold the records that vote for a shape."""
    head: list[Record | Fault] = []
    good = 0
    while good < VOTERS and (item := next(items, None)) is not None:
        head.append(item)
        good += isinstance(item, Record)
    return head


def _first(reading: Reading, shaper: Shaper, rows: list[Row], ids: array[int]) -> Source:
    """The first rows as a source of their own, to be looked at while the rest is read."""
    return Source(
        container=reading.container,
        format=shaper.format,
        confidence=shaper.confidence,
        records=len(rows),
        rows=list(rows),
        ids=np.array(ids[: len(rows)], np.uint64),
        own=len(rows),
        paths=(reading.path, ""),
        log=FaultLog(),
        notes=["these are the first rows: the others are still being read"],
    )


def _converted(reading: Reading, told: Callable[[int, int], None]) -> Cached:
    """A large source that cannot be read row by row, as lines of JSON in the cache: made once."""
    folder = paths.make_private(paths.cache() / "rows")
    name = hashlib.sha256(reading.path.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    place = folder / f"{name}.jsonl"
    kept = open_cache(place, reading.files)
    if kept is not None:
        reading.records = len(kept)
        return kept
    return as_json_lines(reading, place, told)


def _size(path: str) -> int:
    try:
        return os.stat(os.path.expanduser(path)).st_size
    except OSError:
        return 0


def columns_of(config: Config) -> dict[str, str] | None:
    """The columns that the person named, by what they hold; None where shapes are to be found."""
    data = config.data
    named = {
        "prompt": data.prompt_column,
        "answer": data.answer_column,
        "system": data.system_column,
    }
    return {part: name for part, name in named.items() if name} if data.answer_column else None


def _sample_path() -> str | Sequence[str]:
    path = settings.load(paths.sample_config()).data.path
    if path is None:
        raise Problem("data.path", "no data is named", "name a file, a folder or a hub id")
    return path
