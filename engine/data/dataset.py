"""The data of a run: read, shaped, tokenised and split, with all that was wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from engine import config as settings
from engine import paths
from engine.config import Config
from engine.data.fit import Fitted, fit, percentiles
from engine.data.problems import WORDS, FaultLog
from engine.data.read import Reading, open_source, quiet
from engine.data.rows import Fault, Message, Row
from engine.data.shape import Shaped, shape_rows
from engine.data.split import Side, overlap, split, touching
from engine.data.template import template_of
from engine.data.tokens import Encoded
from engine.data.view import row_view
from engine.errors import Problem

__all__ = ["Dataset", "open_data", "row_view", "summary"]

FEWEST_HELD_OUT = 8


@dataclass
class Dataset:
    """Rows with their sides (None = dropped) and tokens, all three in step, in the source's order.

    Rows of a held-out file of its own come last. `records` counts what was read, faulty ones too.
    """

    path: str
    container: str
    format: str
    confidence: float
    records: int
    rows: list[Row]
    sides: list[Side | None]
    encoded: list[Encoded]
    max_length: int
    template: str
    seed: int
    fraction: float
    method: str
    system: str | None
    log: FaultLog
    tokenizer: Any
    notes: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[Fault]:
        """The first 100 of each kind; `log.total` counts them all."""
        return self.log.faults

    def at(self, side: Side) -> list[int]:
        """Positions of one side's rows."""
        return [i for i, each in enumerate(self.sides) if each == side]


def open_data(
    config: Config, tokenizer: Any, on_progress: Callable[[str, int, int], None] = quiet
) -> Dataset:
    """Read `config.data` and make it ready to train on. Raises Problem when nothing can be used.

    `on_progress(phase, done, total)` may raise Cancelled; phases are "reading" and "tokenizing".
    """
    log, notes = FaultLog(), list[str]()
    path, held_path = config.data.path or _sample_path(), config.data.eval_path
    shaped, reading = _read(path, config, log, on_progress)
    path = reading.path
    rows, records = shaped.rows, reading.records
    notes += reading.notes + shaped.notes
    own = len(rows)
    if held_path:
        held, held_reading = _read(held_path, config, log, on_progress)
        held_path = held_reading.path
        rows, records = rows + held.rows, records + held_reading.records
    sources = [path] * own + [held_path or ""] * (len(rows) - own)
    fitted = fit(config, tokenizer, rows, sources, log, on_progress)
    notes += fitted.notes
    if held_path:
        sides, method = (
            _sides_of_files(rows, fitted, own, (path, held_path), log),
            "a held-out file",
        )
    else:
        sides, method = _sides_by_hash(config, rows, fitted, notes)
    if "train" not in sides:
        raise _nothing(path, records, log)
    return Dataset(
        path=path,
        container=reading.container,
        format=shaped.format,
        confidence=shaped.confidence,
        records=records,
        rows=rows,
        sides=sides,
        encoded=fitted.encoded,
        max_length=fitted.max_length,
        template=template_of(tokenizer).kind,
        seed=config.train.seed,
        fraction=config.data.eval_fraction,
        method=method,
        system=config.data.system or Counter(row.system for row in rows).most_common(1)[0][0],
        log=log,
        tokenizer=tokenizer,
        notes=notes,
    )


def summary(dataset: Dataset) -> dict[str, Any]:
    """The data in figures, as JSON. `label_tokens` and `train_tokens` count the training rows only;
    the lengths under `tokens` are those of the rows in use before anything was cut."""
    used = [e for e, side in zip(dataset.encoded, dataset.sides, strict=True) if side]
    train = [dataset.encoded[i] for i in dataset.at("train")]
    return {
        "path": dataset.path,
        "container": dataset.container,
        "format": dataset.format,
        "confidence": dataset.confidence,
        "rows": dataset.records,
        "usable": len(used),
        "train": len(train),
        "eval": len(used) - len(train),
        "dropped": dataset.records - len(used),
        "truncated": sum(e.truncated for e in used),
        "label_tokens": sum(int(e.labels.sum()) for e in train),
        "train_tokens": sum(len(e.ids) for e in train),
        "max_length": dataset.max_length,
        "tokens": percentiles([e.full_length for e in used]),
        "problems": dataset.log.to_json(),
        "split": {"seed": dataset.seed, "fraction": dataset.fraction, "method": dataset.method},
        "overlap": overlap(dataset.rows, dataset.sides),
        "system": dataset.system,
        "template": dataset.template,
        "notes": list(dataset.notes),
    }


def _read(
    path: str, config: Config, log: FaultLog, on_progress: Callable[[str, int, int], None]
) -> tuple[Shaped, Reading]:
    """One source's rows, each with a system message where one is set; faults go to the log."""
    with open_source(path, lambda done, total: on_progress("reading", done, total)) as reading:
        shaped = shape_rows(reading, log)
    if not shaped.rows:
        raise _nothing(reading.path, reading.records, log)
    if config.data.system:
        rows = [_with_system(row, config.data.system) for row in shaped.rows]
        shaped = replace(shaped, rows=rows)
    return shaped, reading


def _with_system(row: Row, system: str) -> Row:
    if row.system is not None:
        return row
    return replace(row, messages=(Message("system", system), *row.messages))


def _sides_by_hash(
    config: Config, rows: list[Row], fitted: Fitted, notes: list[str]
) -> tuple[list[Side | None], str]:
    """Split the usable rows; the notes say when little or nothing is held out."""
    at = [i for i, usable in enumerate(fitted.usable) if usable]
    chosen = split([rows[i] for i in at], config.data.eval_fraction, config.train.seed)
    sides: list[Side | None] = [None] * len(rows)
    for i, side in zip(at, chosen, strict=True):
        sides[i] = side
    held = chosen.count("eval")
    if config.data.eval_fraction == 0:
        notes.append(
            "nothing is held out (data.eval_fraction is 0): "
            "whether the model learns or memorises cannot be told"
        )
        return sides, "nothing held out"
    if held == 0:
        notes.append("nothing could be held out: there are too few different questions")
    elif held < FEWEST_HELD_OUT:
        several = "1 row is" if held == 1 else f"{held} rows are"
        notes.append(f"only {several} held out: the held-out loss will be rough")
    return sides, "hash of the user text"


def _sides_of_files(
    rows: list[Row], fitted: Fitted, own: int, paths: tuple[str, str], log: FaultLog
) -> list[Side | None]:
    """The first `own` rows train, the rest is held out; training rows with a held-out question are
    set aside and listed."""
    held = [i for i in range(own, len(rows)) if fitted.usable[i]]
    if not held:
        raise _nothing(paths[1], len(rows) - own, log)
    train = [i for i in range(own) if fitted.usable[i]]
    copies = {train[i] for i in touching([rows[i] for i in train], [rows[i] for i in held])}
    for i in sorted(copies):
        what, fix = "its question is in the held-out file", "nothing to do, it is not trained on"
        log.add(Fault(rows[i].line, 1, "held_out_copy", what, fix, rows[i].number, paths[0]))
    sides: list[Side | None] = [None] * len(rows)
    for i in held:
        sides[i] = "eval"
    for i in train:
        sides[i] = None if i in copies else "train"
    return sides


def _nothing(path: str, records: int, log: FaultLog) -> Problem:
    """Why no row can be used: the first fault speaks for all."""
    first = next((fault for fault in log.faults if fault.path == path), None)
    if first is None:
        return Problem(path, "no records", "put at least one row into it")
    place = f"{path}:{first.line}:{first.column}"
    what = f"{first.what} (none of {records:,} records can be used)"
    return Problem(place, what, first.fix if records == 1 else WORDS[first.code][1])


def _sample_path() -> str:
    path = settings.load(paths.sample_config()).data.path
    if path is None:
        raise Problem("data.path", "no data is named", "name a file, a folder or a hub id")
    return path
