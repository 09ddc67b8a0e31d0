"""From a source to rows ready to train on: read, edited, made into tokens that fit, checked, divided into sides."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.data import source as sources
from engine.data.checks.copies import near_prompts
from engine.data.checks.finding import Finding
from engine.data.checks.run import run_checks
from engine.data.divide import NEAR, divide
from engine.data.edits import Edited, Edits
from engine.data.encoded import EncodedOnDemand, EncodedRows
from engine.data.fit import MOST_TOKENS, Fitted, fit, window_of
from engine.data.overlap import counted, leaks
from engine.data.picked import Picked
from engine.data.problems import FaultLog
from engine.data.project import EDITS, Project, Unkept
from engine.data.read import quiet
from engine.data.rows import Fault, Row
from engine.data.source import Source
from engine.data.split import Side
from engine.data.summary import summary
from engine.data.template import template_of
from engine.data.tokens import encode_rows
from engine.data.view import row_view
from engine.errors import Problem

__all__ = ["Dataset", "open_data", "recount", "row_view", "summary"]

OnProgress = Callable[[str, int, int], None]
LOOKED_AT = 10_000


Stage = Literal["first rows", "rows", "counted"]
"""Of a large source the first rows are there at once, then all rows, then all that is counted over them."""


@dataclass
class Dataset:
    """Rows with their sides (None = not used) and tokens, all in step, in the source's order.

    Rows of a held-out file of its own follow, then those that were mended, then those that the person added.
    `whole` are the source's tokens, before edits; `findings` are what the checks found, by positions;
    `set_aside` are positions of rows that touch both sides.
    """

    config: Config
    source: Source
    whole: EncodedRows
    edits: Edits
    edited: Edited
    rows: Sequence[Row]
    sides: list[Side | None]
    encoded: EncodedRows
    max_length: int
    method: str
    findings: list[Finding]
    set_aside: list[int]
    overlap: dict[str, Any]
    log: FaultLog
    tokenizer: Any
    notes: list[str] = field(default_factory=list)
    stage: Stage = "counted"

    @property
    def path(self) -> str:
        return self.source.path

    @property
    def container(self) -> str:
        return self.source.container

    @property
    def format(self) -> str:
        return self.source.format

    @property
    def confidence(self) -> float:
        """The share of the source's records that have its shape."""
        return self.source.confidence

    @property
    def records(self) -> int:
        """What was read, faulty ones too, and what was added."""
        added = len(self.rows) - len(self.source.rows) - len(self.edited.mended)
        return self.source.records + added

    @property
    def seed(self) -> int:
        return self.config.train.seed

    @property
    def fraction(self) -> float:
        return self.config.data.eval_fraction

    @property
    def template(self) -> str:
        return template_of(self.tokenizer).kind

    @property
    def system(self) -> str | None:
        """As set, else the commonest among the first rows."""
        set_one = self.config.data.system
        if set_one or not len(self.rows):
            return set_one
        return Counter(row.system for row in islice(self.rows, LOOKED_AT)).most_common(1)[0][0]

    @property
    def faults(self) -> list[Fault]:
        """The first 100 of each kind; `log.total` counts them all."""
        return self.log.faults

    def at(self, side: Side) -> list[int]:
        """Positions of one side's rows."""
        return [i for i, each in enumerate(self.sides) if each == side]

    def checks_of(self, place: int) -> list[str]:
        """The codes of the checks that found the row at a position."""
        return [f.code for f in self.findings if _holds(f, place)]


def open_data(
    config: Config,
    tokenizer: Any,
    on_progress: OnProgress = quiet,
    project_of: Callable[[str], Project] = Project,
    on_stage: Callable[[Dataset], None] = lambda dataset: None,
) -> Dataset:
    """Read `config.data` and make it ready to train on, with the edits kept for it. Raises Problem when
    nothing can be used. Of a large source `on_stage` is given the first rows and then all, to be looked at
    while the rest is done.

    `on_progress(phase, done, total)` may raise Cancelled; phases are "reading", "tokenizing", "near copies",
    "counting overlap", "checking".
    """

    def first_rows(source: Source) -> None:
        whole = sources.tokenize(source, config, tokenizer, quiet)
        with suppress(Problem):  # what is wrong with them is told with the rest
            edits = Edits(Unkept(source.path))
            first = _counted(config, source, whole, edits, tokenizer, quiet)
            on_stage(replace(first, stage="first rows"))

    source = sources.read(config, on_progress, first_rows)
    edits = Edits(project_of(source.path))
    if source.on_disk:
        on_stage(_uncounted(config, source, edits, tokenizer))
    whole = sources.tokenize(source, config, tokenizer, on_progress)
    return _counted(config, source, whole, edits, tokenizer, on_progress)


def recount(dataset: Dataset, on_progress: OnProgress = quiet) -> Dataset:
    """The same source after an edit: everything is counted anew, only what was edited is tokenised anew."""
    return _counted(
        dataset.config, dataset.source, dataset.whole, dataset.edits, dataset.tokenizer, on_progress
    )


def _counted(
    config: Config,
    source: Source,
    whole: EncodedRows,
    edits: Edits,
    tokenizer: Any,
    on_progress: OnProgress,
) -> Dataset:
    edited = _edited(source, edits)
    rows = edited.rows.finished(partial(sources.with_system, system=config.data.system))
    log = copy.deepcopy(source.log)
    log.without([*edited.mended.values(), *edited.dropped])
    encoded = _with_edits(whole, edited, rows, tokenizer)
    fitted = fit(config, tokenizer, rows, encoded, source.file_of, log)
    usable = fitted.usable.copy()
    usable[list(edited.excluded)] = False
    used = np.flatnonzero(usable)
    picked = Picked(rows, used)
    groups = near_prompts(picked, lambda done, total: on_progress("near copies", done, total))
    divided = divide(config, source, edits.project, rows, used, groups, log, on_progress)
    if "train" not in divided.sides:
        raise _nothing_to_train(source, edited, edits, log)
    return Dataset(
        config=config,
        source=source,
        whole=whole,
        edits=edits,
        edited=edited,
        rows=rows,
        sides=divided.sides,
        encoded=fitted.encoded,
        max_length=fitted.max_length,
        method=divided.method,
        findings=_findings(picked, used, groups, fitted, tokenizer, on_progress),
        set_aside=divided.set_aside,
        overlap=divided.overlap,
        log=log,
        tokenizer=tokenizer,
        notes=[*source.notes, *fitted.notes, *divided.notes, *_edit_notes(edited)],
    )


def _edited(source: Source, edits: Edits) -> Edited:
    """The source with the edits over it; its faulty records are read again only where some were edited."""
    overlay = edits.overlay
    faults = source.faulty.keys if overlay.mended or overlay.dropped else None
    return edits.apply(source.rows, source.ids, faults, source.records)


def _nothing_to_train(source: Source, edited: Edited, edits: Edits, log: FaultLog) -> Problem:
    if not edited.excluded:
        return sources.nothing(source.path, source.records, log)
    what = f"no row is left to train on: {len(edited.excluded):,} are left out by your edits"
    kept = edits.project.folder / EDITS
    return Problem(source.path, what, f"leave some of them in, or delete the edits ({kept})")


def _uncounted(config: Config, source: Source, edits: Edits, tokenizer: Any) -> Dataset:
    """All rows, to be looked at one by one; nothing is known of them together."""
    edited = _edited(source, edits)
    rows = edited.rows.finished(partial(sources.with_system, system=config.data.system))
    max_length = config.data.max_length or min(MOST_TOKENS, window_of(tokenizer))
    encoded = EncodedOnDemand(tokenizer, rows, max_length)
    return Dataset(
        config=config,
        source=source,
        whole=encoded,
        edits=edits,
        edited=edited,
        rows=rows,
        sides=[None] * len(rows),
        encoded=encoded,
        max_length=max_length,
        method="not divided yet",
        findings=[],
        set_aside=[],
        overlap=counted(leaks((), (), NEAR), NEAR),
        log=source.log,
        tokenizer=tokenizer,
        notes=["all rows can be looked at; tokens, copies and sides are still being counted"],
        stage="rows",
    )


def _with_edits(
    whole: EncodedRows, edited: Edited, rows: Sequence[Row], tokenizer: Any
) -> EncodedRows:
    """The source's tokens, those of edited rows made anew."""
    at = sorted(edited.edited)
    results = encode_rows(tokenizer, [rows[place] for place in at], None)
    return whole.with_edits(dict(zip(at, results, strict=True)))


def _findings(
    picked: Picked,
    used: NDArray[np.int64],
    groups: Any,
    fitted: Fitted,
    tokenizer: Any,
    on_progress: OnProgress,
) -> list[Finding]:
    """What the checks find among the rows in use, by their positions among all rows."""
    encoded = fitted.encoded
    window = window_of(tokenizer)
    found = run_checks(
        picked,
        lengths=encoded.lengths[used],
        labels=encoded.label_counts[used],
        full_lengths=encoded.full_lengths[used],
        max_length=fitted.max_length,
        window=window,
        prompt_lengths=encoded.prompt_lengths(window)[used],
        special_tokens=template_of(tokenizer).stops,
        groups=groups,
        on_progress=on_progress,
    )
    return [
        replace(f, rows=used[f.rows], detail={int(used[at]): said for at, said in f.detail.items()})
        for f in found
    ]


def _holds(finding: Finding, place: int) -> bool:
    at = int(np.searchsorted(finding.rows, place))
    return at < len(finding.rows) and int(finding.rows[at]) == place


def _edit_notes(edited: Edited) -> list[str]:
    if not edited.lost:
        return []
    return [f"{edited.lost:,} edits name rows or records that are no longer in the file"]
