"""Rows made to fit: how long a row may be, and which rows have nothing left to learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.data import tool_text
from engine.data.encoded import EncodedRows
from engine.data.problems import FaultLog
from engine.data.rows import Fault, Row
from engine.data.template import Template, template_of
from engine.data.tokens import Encoded

MOST_TOKENS = 2048
ROUND_TO = 64
FEWEST_TOKENS = 16
LOOKED_AT = 1000


@dataclass(frozen=True)
class Fitted:
    """Each row's tokens, at most `max_length` of them; `usable` says whether a token of it carries loss."""

    encoded: EncodedRows
    max_length: int
    usable: NDArray[np.bool_]
    notes: list[str]


def fit(
    config: Config,
    tokenizer: Any,
    rows: Sequence[Row],
    encoded: EncodedRows,
    tools: NDArray[np.uint8],
    file_of: Callable[[int], str],
    log: FaultLog,
) -> Fitted:
    """Cut the rows to the longest length; the log gets those with nothing to learn. `tools` says of each row
    how it uses tools (`tool_text.uses`)."""
    lengths = encoded.full_lengths
    max_length, notes = _max_length(config, tokenizer, lengths[lengths > 0])
    short = encoded.cut_to(max_length)
    usable = short.label_counts > 0
    for place in np.flatnonzero(~usable):
        at = int(place)
        log.add(_fault(rows[at], file_of(at), encoded.refused.get(at), max_length))
    template = template_of(tokenizer)
    notes += [*_template_notes(template), *_rewriting_notes(rows, encoded)]
    defined, called = (
        np.count_nonzero(tools & use) for use in (tool_text.DEFINED, tool_text.CALLED)
    )
    notes += tool_text.notes(template.shown, int(defined), int(called))
    return Fitted(short, max_length, usable, notes)


def percentiles(lengths: Sequence[int] | NDArray[np.int64]) -> dict[str, int]:
    """Of lengths in tokens; each figure is the length of a row that is there."""
    if not len(lengths):
        return {"p50": 0, "p95": 0, "p99": 0, "max": 0}
    cuts = np.percentile(lengths, [50, 95, 99, 100], method="higher")
    return dict(zip(("p50", "p95", "p99", "max"), (int(c) for c in cuts), strict=True))


def window_of(tokenizer: Any) -> int:
    """The most tokens the model takes."""
    return int(min(tokenizer.model_max_length, 2**31 - 1))


def _max_length(
    config: Config, tokenizer: Any, lengths: NDArray[np.int64]
) -> tuple[int, list[str]]:
    """As set, else the rows' 99th percentile rounded up to a multiple of 64, so that rows a
    little longer are kept whole; within the model's window."""
    window = window_of(tokenizer)
    wanted = config.data.max_length
    if wanted is None:
        p99 = percentiles(lengths)["p99"]
        return min(max(FEWEST_TOKENS, -(-p99 // ROUND_TO) * ROUND_TO), MOST_TOKENS, window), []
    if wanted <= window:
        return wanted, []
    return window, [f"data.max_length {wanted} is more than the model takes: {window} is used"]


def _fault(row: Row, path: str, refused: str | None, max_length: int) -> Fault:
    if refused is not None:
        code, what, fix = "template", refused, "change the row, or use another model"
    else:
        code = "answer_lost"
        what = (
            f"the prompt fills the longest row ({max_length} tokens), nothing of the answer is left"
        )
        fix = "raise data.max_length, or shorten the prompt"
    return Fault(row.line, 1, code, what, fix, row.number, row.path or path)


def _template_notes(template: Template) -> list[str]:
    if template.kind == "plain":
        return ["the model has no chat template: a plain one with headed sections is used"]
    if template.adds_end:
        return ["the chat template does not end its answers: the end-of-text token is added"]
    return []


def _rewriting_notes(rows: Sequence[Row], encoded: Sequence[Encoded]) -> list[str]:
    """Whether the template rewrites earlier answers, seen on the first rows."""
    late = sum(
        0 < _spans(each) < sum(m.learned for m in row.messages)
        for row, each in islice(zip(rows, encoded, strict=False), LOOKED_AT)
        if not row.raw
    )
    if not late:
        return []
    among = "" if len(rows) <= LOOKED_AT else f" of the first {LOOKED_AT:,}"
    return [
        f"only the last answer is trained in {late:,} conversations{among}: "
        "the chat template rewrites earlier turns"
    ]


def _spans(encoded: Encoded) -> int:
    """How many stretches of tokens carry loss."""
    return int(np.sum(np.diff(encoded.labels.astype(np.int8), prepend=0) == 1))
