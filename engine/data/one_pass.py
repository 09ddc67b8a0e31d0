"""One pass over all rows: their tokens and their facts, worked out side by side and kept by content."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data import flat, tool_text
from engine.data.checks.scans import Scans
from engine.data.encoded import NOTHING, EncodedRows
from engine.data.facts import COLUMNS, GRAMS, VERSION, Arrays, Facts, facts_of
from engine.data.rows import Row
from engine.data.template import Unrenderable, template_of
from engine.data.tokens import Encoded, encode_rows

FEW = 20_000
"""Up to so many rows are kept in memory; more are worth files."""
BATCH = 1024
AHEAD = 2
TOKENS: flat.Columns = {"ids": (np.int32, ()), "labels": (np.bool_, ()), "lengths": (np.int64, ())}
ALL: flat.Columns = {**TOKENS, **COLUMNS, GRAMS: (np.uint64, ())}


def go_through(
    tokenizer: Any,
    rows: Sequence[Row],
    name: str,
    on_progress: Callable[[int, int], None],
    on_batch: Callable[[Arrays], None] = lambda facts: None,
) -> tuple[EncodedRows, Facts]:
    """Tokens and facts of all rows, or as a pass before left them in the cache under `name`.

    `on_progress(rows done, rows)` may raise Cancelled; `on_batch` is given the facts of the next rows.
    """
    if len(rows) > FEW and (found := flat.kept(name, ALL)):
        return _made(found[0], {int(place): why for place, why in found[1].items()})
    refused: dict[int, str] = {}
    scans = Scans(template_of(tokenizer).stops)
    with flat.Growing(ALL) as growing:
        for start, some, tokens in _tokenized(tokenizer, rows):
            on_progress(start, len(rows))
            facts = facts_of(some, scans)
            for column, batch in facts.items():
                growing.add(column, batch)
            on_batch(facts)
            _add_tokens(growing, tokens.result(), start, refused)
        on_progress(len(rows), len(rows))
        if len(rows) <= FEW:
            return _made(growing.in_memory(), refused)
        more = {str(place): why for place, why in refused.items()}
        return _made(growing.kept(name, more), refused)


def cache_name(tokenizer: Any, template: str, system: str | None, ids: NDArray[np.uint64]) -> str:
    """What decides tokens and facts: the tokenizer, the template, the system prompt put in, the rows' ids."""
    digest = hashlib.sha256(ids.tobytes())
    backend = getattr(tokenizer, "backend_tokenizer", None)
    digest.update(backend.to_str().encode() if backend is not None else repr(tokenizer).encode())
    words = [tool_text.INTRODUCTION, tool_text.INSTRUCTION]
    digest.update(json.dumps([VERSION, template, system, words]).encode())
    return digest.hexdigest()[:32]


def _tokenized(
    tokenizer: Any, rows: Sequence[Row]
) -> Iterator[tuple[int, Sequence[Row], Future[list[Encoded | Unrenderable]]]]:
    """The rows in batches, with their tokens to come: a second thread makes them, most of it beside Python."""
    with ThreadPoolExecutor(1) as aside:
        waiting: deque[tuple[int, Sequence[Row], Future[list[Encoded | Unrenderable]]]] = deque()
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            waiting.append((start, some, aside.submit(encode_rows, tokenizer, some, None)))
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        yield from waiting


def _add_tokens(
    growing: flat.Growing,
    tokens: list[Encoded | Unrenderable],
    start: int,
    refused: dict[int, str],
) -> None:
    good = [NOTHING if isinstance(each, Unrenderable) else each for each in tokens]
    refused.update(
        (start + at, str(each)) for at, each in enumerate(tokens) if isinstance(each, Unrenderable)
    )
    growing.add("ids", np.concatenate([each.ids for each in good]))
    growing.add("labels", np.concatenate([each.labels for each in good]))
    growing.add("lengths", np.array([len(each.ids) for each in good], np.int64))


def _made(arrays: flat.Arrays, refused: dict[int, str]) -> tuple[EncodedRows, Facts]:
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(arrays["lengths"])])
    encoded = EncodedRows(arrays["ids"], arrays["labels"], offsets, refused)
    return encoded, Facts(arrays)
