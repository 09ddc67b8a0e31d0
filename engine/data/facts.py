"""What is found out of each row by itself, once: numbers from which all that concerns many rows together
(copies, sides, overlap, checks) is counted without reading them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data import tool_text
from engine.data.checks.copies import COPY_HASHES, copy_hashes
from engine.data.checks.language import language_code
from engine.data.checks.near import BANDS, SKETCHED, signatures
from engine.data.checks.scans import Scans
from engine.data.prints import Prints, prints_of, stretches
from engine.data.rows import Row
from engine.data.split import known_as, prompt_of

Arrays = Mapping[str, NDArray[Any]]
Places = NDArray[np.int64]
COLUMNS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "known": (np.uint64, ()),
    "same": (np.uint64, ()),
    "bands": (np.uint32, (BANDS,)),
    "minima": (np.uint8, (SKETCHED,)),
    **dict.fromkeys(COPY_HASHES, (np.uint64, ())),
    "language": (np.uint8, ()),
    "flags": (np.uint16, ()),
    "tools": (np.uint8, ()),
    "question": (np.uint64, ()),
    "plain_question": (np.uint64, ()),
    "gram_counts": (np.int64, ()),
}
"""One entry a row, by name: type and width. What the split knows the row as; the signature of its prompt (`same`,
`bands`, `minima`); what it may be a copy of; its language; the checks that found it; how it uses tools; the
prints of its question."""
GRAMS = "grams"
"""The 3-grams of all questions, end to end (uint64)."""
VERSION = 1
"""To be raised when any of these is found in another way: kept facts are then found anew."""


def facts_of(rows: Sequence[Row], scans: Scans) -> dict[str, NDArray[Any]]:
    """The columns of some rows, and their 3-grams."""
    signed = signatures([prompt_of(row) for row in rows])
    printed = prints_of(rows)
    copies = np.array([copy_hashes(row) for row in rows], np.uint64).reshape(-1, len(COPY_HASHES))
    return {
        "known": np.array([known_as(row) for row in rows], np.uint64),
        "same": signed.hashes,
        "bands": signed.bands,
        "minima": signed.minima,
        **dict(zip(COPY_HASHES, copies.T, strict=True)),
        "language": np.array([language_code(row) for row in rows], np.uint8),
        "flags": np.array([scans.flags(row) for row in rows], np.uint16),
        "tools": np.array([tool_text.uses(row) for row in rows], np.uint8),
        "question": printed.exact,
        "plain_question": printed.normal,
        "gram_counts": printed.counts,
        GRAMS: printed.grams,
    }


class Facts:
    """The facts of rows at `places` of a table, which may lie on the disk; those of edited rows stand in.

    It is the rows' near-copy signatures (`hashes`, `band`, `sketches`) and their `prints` at once.
    """

    def __init__(
        self,
        table: Arrays,
        places: Places | None = None,
        edited: Places | None = None,
        instead: Arrays | None = None,
        starts: Places | None = None,
    ) -> None:
        self._table = table
        self._places = np.arange(len(table["known"])) if places is None else places
        self._edited = np.zeros(0, np.int64) if edited is None else edited
        self._instead = table if instead is None else instead
        counts = table["gram_counts"]
        self._starts = np.cumsum(counts) - counts if starts is None else starts

    def __len__(self) -> int:
        return len(self._places)

    def with_edits(self, places: Sequence[int], facts: Arrays) -> Facts:
        """The same, other facts at some places of the whole table; those behind its end are added."""
        if not places:
            return self
        edited = np.array(places, np.int64)
        count = max(len(self._table["known"]), 1 + int(edited.max(initial=-1)))
        return Facts(self._table, np.arange(count), edited, facts, self._starts)

    def picked(self, at: Places) -> Facts:
        """Those of some rows."""
        return Facts(self._table, self._places[at], self._edited, self._instead, self._starts)

    def of(self, name: str, at: Places | None = None, which: int | None = None) -> NDArray[Any]:
        """A column (of it the number `which`, where it is wide), of all rows or of those `at`."""
        places = self._places if at is None else self._places[at]
        table, instead = (
            each[name] if which is None else each[name][:, which]
            for each in (self._table, self._instead)
        )
        there, order = self._stand_in(places)
        if not len(table):
            return np.array(instead[order], copy=True)
        found: NDArray[Any] = table[np.minimum(places, len(table) - 1)]
        found[there] = instead[order]
        return found

    def _stand_in(self, places: Places) -> tuple[Places, Places]:
        """Which of the places are edited, and where their facts lie."""
        if not len(self._edited):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        order = np.minimum(np.searchsorted(self._edited, places), len(self._edited) - 1)
        there = np.flatnonzero(self._edited[order] == places)
        return there, order[there]

    @property
    def hashes(self) -> NDArray[np.uint64]:
        return self.of("same")

    def band(self, which: int) -> NDArray[np.uint32]:
        return self.of("bands", which=which)

    def sketches(self, at: Places) -> NDArray[np.uint8]:
        return self.of("minima", at)

    def questions(self, at: Places) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Numbers of the questions of the rows `at`, as they are and normalised."""
        return self.of("question", at), self.of("plain_question", at)

    def prints(self, at: Places) -> Prints:
        """What the overlap compares of the rows `at`."""
        counts = self.of("gram_counts", at)
        return Prints(*self.questions(at), counts, self._grams(self._places[at], counts))

    def _grams(self, places: Places, counts: Places) -> NDArray[np.uint64]:
        there, order = self._stand_in(places)
        of_table = counts.copy()
        of_table[there] = 0
        last = max(len(self._starts) - 1, 0)
        starts = self._starts[np.minimum(places, last)] if len(self._starts) else of_table
        grams = np.zeros(int(counts.sum()), np.uint64)
        begin = np.cumsum(counts) - counts
        grams[stretches(begin, of_table)] = self._table[GRAMS][stretches(starts, of_table)]
        if len(there):
            own = self._instead["gram_counts"]
            from_own = stretches((np.cumsum(own) - own)[order], counts[there])
            grams[stretches(begin[there], counts[there])] = self._instead[GRAMS][from_own]
        return grams
