"""The data in hand: rows with their sides, their tokens, and what was found of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import numpy as np

from engine.config import Config
from engine.data.checks.finding import Finding
from engine.data.edits import Edited, Edits
from engine.data.encoded import EncodedRows
from engine.data.facts import Facts
from engine.data.problems import FaultLog
from engine.data.rows import Fault, Row
from engine.data.source import Source
from engine.data.split import Side
from engine.data.template import template_of

LOOKED_AT = 10_000


@dataclass(frozen=True)
class Whole:
    """Tokens and facts of a source's rows as they were read."""

    encoded: EncodedRows
    facts: Facts


Stage = Literal["text", "first rows", "rows", "counted"]
"""The text of the first rows is there at once, before there is a tokenizer; of a large source then the first rows
as the model sees them, then all rows, then all that is counted over them."""


@dataclass
class Dataset:
    """Rows with their sides (None = not used) and tokens, all in step, in the source's order.

    Rows of a held-out file of its own follow, then those that were mended, then those that the person added.
    `whole` are the source's tokens and facts, before edits (None until all is counted); `findings` are what
    the checks found, by positions; `set_aside` are positions of rows that touch both sides.
    """

    config: Config
    source: Source
    whole: Whole | None
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
        return template_of(self.tokenizer).kind if self.tokenizer is not None else ""

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


def _holds(finding: Finding, place: int) -> bool:
    at = int(np.searchsorted(finding.rows, place))
    return at < len(finding.rows) and int(finding.rows[at]) == place
