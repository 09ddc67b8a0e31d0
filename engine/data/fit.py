"""Rows made into tokens that fit: how long a row may be, and which rows have nothing left to
learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.config import Config
from engine.data.problems import FaultLog
from engine.data.rows import Fault, Row
from engine.data.template import Template, Unrenderable, template_of
from engine.data.tokens import Encoded, cut, encode_rows

MOST_TOKENS = 2048
ROUND_TO = 64
FEWEST_TOKENS = 16
NOTHING = Encoded(np.zeros(0, np.int32), np.zeros(0, np.bool_), 0)


@dataclass(frozen=True)
class Fitted:
    """Each row's tokens, at most `max_length` of them; empty for a row the template refuses."""

    encoded: list[Encoded]
    max_length: int
    notes: list[str]

    @property
    def usable(self) -> list[bool]:
        """Has the row a token that carries loss?"""
        return [bool(each.labels.any()) for each in self.encoded]


def fit(
    config: Config,
    tokenizer: Any,
    rows: Sequence[Row],
    sources: Sequence[str],
    log: FaultLog,
    on_progress: Callable[[str, int, int], None],
) -> Fitted:
    """Tokens of all rows; `sources` names each row's file for the log, which gets the unusable
    ones."""
    results = encode_rows(
        tokenizer, rows, None, lambda done, total: on_progress("tokenizing", done, total)
    )
    whole = [NOTHING if isinstance(each, Unrenderable) else each for each in results]
    max_length, notes = _max_length(config, tokenizer, [len(e.ids) for e in whole])
    encoded = [cut(each, max_length) for each in whole]
    for row, path, result, short in zip(rows, sources, results, encoded, strict=True):
        if not short.labels.any():
            log.add(_fault(row, path, result, max_length))
    template = template_of(tokenizer)
    notes += [*_template_notes(template), *_rewriting_notes(rows, whole)]
    return Fitted(encoded, max_length, notes + _control_notes(template, rows))


def percentiles(lengths: Sequence[int]) -> dict[str, int]:
    """Of lengths in tokens; each figure is the length of a row that is there."""
    if not lengths:
        return {"p50": 0, "p95": 0, "p99": 0, "max": 0}
    cuts = np.percentile(lengths, [50, 95, 99, 100], method="higher")
    return dict(zip(("p50", "p95", "p99", "max"), (int(c) for c in cuts), strict=True))


def _max_length(config: Config, tokenizer: Any, lengths: Sequence[int]) -> tuple[int, list[str]]:
    """As set, else the rows' 99th percentile rounded up to a multiple of 64, so that rows a
    little longer are kept whole; within the model's window."""
    window = int(min(tokenizer.model_max_length, 2**31 - 1))
    wanted = config.data.max_length
    if wanted is None:
        p99 = percentiles([n for n in lengths if n])["p99"]
        return min(max(FEWEST_TOKENS, -(-p99 // ROUND_TO) * ROUND_TO), MOST_TOKENS, window), []
    if wanted <= window:
        return wanted, []
    return window, [f"data.max_length {wanted} is more than the model takes: {window} is used"]


def _fault(row: Row, path: str, result: Encoded | Unrenderable, max_length: int) -> Fault:
    if isinstance(result, Unrenderable):
        code, what, fix = "template", str(result), "change the row, or use another model"
    else:
        code = "answer_lost"
        what = (
            f"the prompt fills the longest row ({max_length} tokens), nothing of the answer is left"
        )
        fix = "raise data.max_length, or shorten the prompt"
    return Fault(row.line, 1, code, what, fix, row.number, path)


def _template_notes(template: Template) -> list[str]:
    if template.kind == "plain":
        return ["the model has no chat template: a plain one with headed sections is used"]
    if template.adds_end:
        return ["the chat template does not end its answers: the end-of-text token is added"]
    return []


def _rewriting_notes(rows: Sequence[Row], encoded: Sequence[Encoded]) -> list[str]:
    late = sum(
        0 < _spans(each) < sum(m.role == "assistant" for m in row.messages)
        for row, each in zip(rows, encoded, strict=True)
    )
    if not late:
        return []
    return [
        f"only the last answer is trained in {late:,} conversations: "
        "the chat template rewrites earlier turns"
    ]


def _control_notes(template: Template, rows: Sequence[Row]) -> list[str]:
    """Text that reads as a control token becomes one: the person should know."""
    holding = [
        row.number
        for row in rows
        if any(stop in message.content for message in row.messages for stop in template.stops)
    ]
    if not holding:
        return []
    return [
        f"{len(holding):,} rows hold control tokens of the model in their text, "
        f"the first is record {holding[0]:,}"
    ]


def _spans(encoded: Encoded) -> int:
    """How many stretches of tokens carry loss."""
    return int(np.sum(np.diff(encoded.labels.astype(np.int8), prepend=0) == 1))
