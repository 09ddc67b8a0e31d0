"""Rows as token ids: the prompt and each answer tokenised as segments of their own, in batches.

A segment never shares a token with its neighbour, so no character of a prompt is trained, and what
is trained follows exactly the ids that generation starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.data.rows import Message, Row
from engine.data.template import Segment, Template, Unrenderable, template_of

BATCH = 2048
ANCHORS = ("\n", ":", "]")


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row's tokens. `labels` is True where the token carries loss; `full_length` counts the
    tokens before anything was cut."""

    ids: NDArray[np.int32]
    labels: NDArray[np.bool_]
    full_length: int

    @property
    def truncated(self) -> bool:
        return self.full_length > len(self.ids)


def prompt_ids(
    tokenizer: Any, messages: Sequence[Message], tools: str = "", *, raw: bool = False
) -> list[int]:
    """The ids that an answer to `messages` starts from, generation prompt included; `tools` and
    `raw` as in `Row`.

    Training builds its prompts by the same segments; there is no other builder.
    Raises Unrenderable when the template refuses the conversation.
    """
    segments = template_of(tokenizer).prompt_segments(tuple(messages), tools, raw=raw)
    return [token for ids in _tokenize(tokenizer, segments) for token in ids]


def end_ids(tokenizer: Any) -> list[int]:
    """The ids that end an answer: the template's end-of-turn token and the end-of-text token."""
    template = template_of(tokenizer)
    ends: list[int] = []
    if template.end:
        ends.append(_ids(tokenizer, [template.end])[0][-1])
    if tokenizer.eos_token_id is not None:
        ends.append(int(tokenizer.eos_token_id))
    return list(dict.fromkeys(ends))


def encode_row(tokenizer: Any, row: Row, max_length: int | None) -> Encoded:
    """One row's tokens, at most `max_length` of them. Raises Unrenderable."""
    segments = template_of(tokenizer).segments(row.messages, row.tools, raw=row.raw)
    return cut(_joined(segments, _tokenize(tokenizer, segments)), max_length)


def encode_rows(
    tokenizer: Any,
    rows: Sequence[Row],
    max_length: int | None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Encoded | Unrenderable]:
    """All rows' tokens in the rows' order; in place of a row that the template refuses, the
    reason."""
    template = template_of(tokenizer)
    done: list[Encoded | Unrenderable] = []
    for start in range(0, len(rows), BATCH):
        on_progress(start, len(rows))
        rendered = [_segments(template, row) for row in rows[start : start + BATCH]]
        good = [segments for segments in rendered if not isinstance(segments, Unrenderable)]
        ids = iter(_tokenize(tokenizer, [s for segments in good for s in segments]))
        for segments in rendered:
            if isinstance(segments, Unrenderable):
                done.append(segments)
            else:
                done.append(cut(_joined(segments, [next(ids) for _ in segments]), max_length))
    on_progress(len(rows), len(rows))
    return done


def cut(encoded: Encoded, max_length: int | None) -> Encoded:
    """The row without its end, where it is longer than `max_length`."""
    if max_length is None or len(encoded.ids) <= max_length:
        return encoded
    return Encoded(encoded.ids[:max_length], encoded.labels[:max_length], encoded.full_length)


def _segments(template: Template, row: Row) -> list[Segment] | Unrenderable:
    try:
        return template.segments(row.messages, row.tools, raw=row.raw)
    except Unrenderable as reason:
        return reason


def _joined(segments: list[Segment], ids: list[list[int]]) -> Encoded:
    flat = np.array([token for part in ids for token in part], dtype=np.int32)
    lengths = [len(part) for part in ids]
    labels = np.repeat(np.array([s.trained for s in segments], dtype=np.bool_), lengths)
    if len(labels):
        labels[0] = False  # nothing stands before the first token to predict it from
    return Encoded(flat, labels, len(flat))


def _tokenize(tokenizer: Any, segments: list[Segment]) -> list[list[int]]:
    """Ids of each segment, as the text reads in the middle of a conversation.

    Some tokenizers put a space before every text they are given; behind an anchor they do not.
    """
    texts = [segment.text for segment in segments]
    if not texts:
        return []
    ids = _ids(tokenizer, texts)
    left = [at for at, segment in enumerate(segments) if segment.answer]
    for anchor, start in _anchors(tokenizer):
        behind = _ids(tokenizer, [anchor + texts[at] for at in left])
        fitting = {
            at: found
            for at, found in zip(left, behind, strict=True)
            if found[: len(start)] == start
        }
        for at, found in fitting.items():
            ids[at] = found[len(start) :]
        left = [at for at in left if at not in fitting]
    return ids


def _anchors(tokenizer: Any) -> list[tuple[str, list[int]]]:
    """Anchors with their ids, where the tokenizer begins each text with a space of its own; several,
    since a letter can join with what follows it."""
    alone, *found = _ids(tokenizer, ["a", *ANCHORS, *(anchor + "a" for anchor in ANCHORS)])
    pairs = zip(ANCHORS, found[: len(ANCHORS)], found[len(ANCHORS) :], strict=True)
    return [
        (anchor, start)
        for anchor, start, both in pairs
        if both[: len(start)] == start and both[len(start) :] != alone
    ]


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """One call for all texts; BOS and EOS are the template's business, never added here."""
    if not texts:
        return []
    encoded: list[list[int]] = tokenizer(
        texts, add_special_tokens=False, return_attention_mask=False, verbose=False
    )["input_ids"]
    return encoded
