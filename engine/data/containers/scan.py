"""Where the records of JSON Lines and of tables begin, found at the speed of the disk.

A scan takes bytes that begin where a record may begin and gives the offsets and line counts of
the records that are whole in them; what follows the last whole one is handed in again with more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.containers.record import MAX_BYTES

Int64 = NDArray[np.int64]
NEWLINE, RETURN, QUOTE, SPACE = 10, 13, 34, 32


@dataclass(frozen=True)
class Scanned:
    """`starts`: int64 offsets in the bytes, of whole records; `lines`: how many lines stand before
    each. `used` bytes and `used_lines` lines are done with. `stuck`: the row at `used` must be read
    by the parser itself."""

    starts: Int64
    lines: Int64
    used: int
    used_lines: int
    stuck: bool = False


def json_lines(content: bytes, *, at_end: bool) -> Scanned:
    """Every line that is not blank. `at_end`: the file ends with these bytes."""
    values = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(values == NEWLINE).astype(np.int64) + 1
    if at_end and len(content) and (not len(ends) or ends[-1] < len(content)):
        ends = np.append(ends, len(content))
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1])) if len(ends) else ends
    # a line that begins with a letter or bracket is not blank: only the others are looked at
    filled = values[starts] > SPACE
    for at in np.flatnonzero(~filled):
        start, end = int(starts[at]), int(ends[at])
        filled[at] = end - start > MAX_BYTES or bool(content[start:end].strip())
    (lines,) = np.nonzero(filled)
    used = int(ends[-1]) if len(ends) else 0
    stuck = not used and len(content) > MAX_BYTES
    return Scanned(starts[filled], lines, used, len(ends), stuck)


def table(content: bytes, delimiter: str, *, at_end: bool) -> Scanned:
    """Every row that is not blank, of a table in quotes as they should be: an odd count of them
    before a line end means that it stands inside a field. The first quote, lone carriage return or
    giant row that this does not hold for is where the scan is stuck."""
    if at_end and content and not content.endswith(b"\n"):
        content += b"\n"
    values = np.frombuffer(content, np.uint8)
    newlines = np.flatnonzero(values == NEWLINE).astype(np.int64)
    quotes = np.flatnonzero(values == QUOTE).astype(np.int64)
    outside = np.searchsorted(quotes, newlines) % 2 == 0
    (ends_at,) = np.nonzero(outside)
    ends = newlines[ends_at] + 1
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1])) if len(ends) else ends
    lines = np.concatenate((np.zeros(1, np.int64), ends_at[:-1] + 1)) if len(ends) else ends
    end = int(ends[-1]) if len(ends) else 0
    wrong = _first_wrong(values, quotes, ord(delimiter))
    giant = np.flatnonzero(ends - starts > MAX_BYTES)
    whole = int(np.searchsorted(ends, wrong, "right"))
    whole = min(whole, int(giant[0])) if len(giant) else whole
    left = len(content) - end
    stuck = whole < len(ends) or wrong < len(content) or left > MAX_BYTES or (at_end and left > 0)
    used = int(ends[whole - 1]) if whole else 0
    used_lines = int(ends_at[whole - 1]) + 1 if whole else 0
    starts, lines, ends = starts[:whole], lines[:whole], ends[:whole]
    filled = ~_blank(values, starts, ends)
    return Scanned(starts[filled], lines[filled], used, used_lines, stuck)


def _first_wrong(values: NDArray[np.uint8], quotes: Int64, delimiter: int) -> int:
    """The first place where a quote does not stand at a field's edge, or a carriage return not
    before a line end; the length where there is none. What stands behind the last two bytes is not
    known yet, so those are not judged by it."""
    opening, closing = quotes[0::2], quotes[1::2]
    before = values[np.maximum(opening - 1, 0)]
    fine = (before == delimiter) | (before == NEWLINE) | (before == QUOTE) | (opening == 0)
    wrong = _first(opening, ~fine, len(values))
    judged = closing[closing < len(values) - 2]
    after, beyond = values[judged + 1], values[judged + 2]
    fine = (after == delimiter) | (after == NEWLINE) | (after == QUOTE)
    fine |= (after == RETURN) & (beyond == NEWLINE)
    wrong = min(wrong, _first(judged, ~fine, len(values)))
    returns = np.flatnonzero(values[:-1] == RETURN)
    lone = returns[values[returns + 1] != NEWLINE]
    return min(wrong, int(lone[0]) if len(lone) else len(values))


def _first(places: Int64, chosen: NDArray[np.bool_], default: int) -> int:
    at = int(np.argmax(chosen)) if len(chosen) else 0
    return int(places[at]) if len(chosen) and chosen[at] else default


def _blank(values: NDArray[np.uint8], starts: Int64, ends: Int64) -> NDArray[np.bool_]:
    """Rows of a line end alone, with or without a carriage return."""
    length = ends - starts
    blank: NDArray[np.bool_] = (length == 1) | ((length == 2) & (values[starts] == RETURN))
    return blank
