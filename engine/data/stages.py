"""What can be looked at of the data before all of it is counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.data import source as sources
from engine.data.checks.copies import exact_copies
from engine.data.checks.scans import Scans
from engine.data.dataset import Dataset
from engine.data.divide import NEAR
from engine.data.edits import Edits
from engine.data.encoded import EncodedOnDemand, EncodedRows
from engine.data.facts import Arrays
from engine.data.fit import MOST_TOKENS, window_of
from engine.data.overlap import counted, leaks
from engine.data.rows import Row
from engine.data.source import Source
from engine.data.template import template_of

TELL_SECONDS = 5.0


def as_text(config: Config, source: Source, edits: Edits) -> Dataset:
    """The rows as they were read; there is no tokenizer yet."""
    none = np.zeros(0, np.int32), np.zeros(0, np.bool_), np.zeros(len(source.rows) + 1, np.int64)
    part = _part(config, source, edits, lambda rows: EncodedRows(*none, {}))
    note = "this is the text of the rows: the model's tokenizer is still being loaded"
    return replace(part, notes=[*source.notes, note], stage="text")


def uncounted(config: Config, source: Source, edits: Edits, tokenizer: Any) -> Dataset:
    """All rows, to be looked at one by one; of them together only the copies are known."""
    max_length = config.data.max_length or min(MOST_TOKENS, window_of(tokenizer))
    part = _part(config, source, edits, lambda rows: EncodedOnDemand(tokenizer, rows, max_length))
    note = "all rows can be looked at; tokens, near copies and sides are still being counted"
    return replace(
        part,
        max_length=max_length,
        findings=exact_copies(part.rows, part.edited.ids),
        tokenizer=tokenizer,
        notes=[*source.notes, note],
        stage="rows",
    )


class SoFar:
    """Tells every few seconds what the checks found so far in a large source."""

    def __init__(self, part: Dataset, on_stage: Callable[[Dataset], None]) -> None:
        self._part, self._on_stage = part, on_stage
        self._flags: list[NDArray[np.uint16]] = []
        self._scans = Scans(template_of(part.tokenizer).stops)
        self._told = time.monotonic()
        on_stage(part)

    def add(self, facts: Arrays) -> None:
        """Take in what was found of the next rows."""
        self._flags.append(facts["flags"])
        if time.monotonic() - self._told > TELL_SECONDS:
            found = self._scans.findings(self._part.rows, np.concatenate(self._flags))
            self._on_stage(replace(self._part, findings=[*self._part.findings, *found]))
            self._told = time.monotonic()


def nobody(facts: Arrays) -> None:
    """What is found on the way is told to nobody."""


def _part(
    config: Config,
    source: Source,
    edits: Edits,
    encoded_of: Callable[[Sequence[Row]], EncodedRows],
) -> Dataset:
    """Rows of which nothing was counted."""
    edited = sources.edited(source, edits)
    rows = edited.rows.finished(partial(sources.with_system, system=config.data.system))
    return Dataset(
        config=config,
        source=source,
        whole=None,
        edits=edits,
        edited=edited,
        rows=rows,
        sides=[None] * len(rows),
        encoded=encoded_of(rows),
        max_length=0,
        method="not divided yet",
        findings=[],
        set_aside=[],
        overlap=counted(leaks((), (), NEAR), NEAR),
        log=source.log,
        tokenizer=None,
    )
