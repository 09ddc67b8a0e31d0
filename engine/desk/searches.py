"""Long searches for words, beside all other work: with progress, what is found so far, and cancelled at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.desk.look_up import BATCH, Where

if TYPE_CHECKING:
    from engine.desk.data_work import DataWork
    from engine.desk.process import Task

TOLD_EVERY = 0.25


class Searches:
    """Looks through the rows of the open data. `rows` shows at any time what was found so far."""

    def __init__(self, work: DataWork) -> None:
        self._work = work
        self.calls = {"search": self.search, "find": self.find}

    def search(self, task: Task, side: str | None, where: Where) -> dict[str, Any]:
        """Look at every row of a view for the words in `where`; items tell {"total"}: how many hold them."""
        places = self._work.look_up.places(side, where)
        found = self._work.words(str(where["text"]))
        left, total, told = found.left(places), len(found.among(places)), 0.0
        for start in range(0, len(left), BATCH):
            task.progress("searching", start, len(left))
            some = left[start : start + BATCH]
            found.look(some)
            more = len(found.among(some))
            if more and (not total or time.monotonic() - told >= TOLD_EVERY):
                told = time.monotonic()
                task.item({"total": total + more})
            total += more
        return {"total": total}

    def find(
        self,
        task: Task,
        text: str,
        after: int,
        by: int = 1,
        side: str | None = None,
        where: Where | None = None,
    ) -> dict[str, Any]:
        """Where in a view the next row (`by` 1) or the one before (-1) with this text stands, going round once
        from the row `after`; None where there is none."""
        places, _ = self._work.places(side, where or {})
        found = self._work.words(text)
        ring = np.roll(np.arange(len(places)), -(after + 1))
        if by < 0:
            ring = np.roll(np.arange(len(places)), -after)[::-1]
        for start in range(0, len(ring), BATCH):
            task.progress("searching", start, len(ring))
            some = ring[start : start + BATCH]
            found.look(found.left(places[some]))
            (holding,) = np.nonzero(np.isin(places[some], found.among(places[some])))
            if len(holding):
                return {"place": int(some[holding[0]])}
        return {"place": None}
