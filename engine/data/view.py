"""One row as the model sees it: which text is prompt, which carries loss, which was cut off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from engine.data.rows import Row, messages_to_json
from engine.data.tokens import encode_row
from engine.errors import Problem

if TYPE_CHECKING:
    from engine.data.dataset import Dataset


def row_view(dataset: Dataset, index: int) -> dict[str, Any]:
    """The row at `index`, as JSON. `segments` are [kind, text]: "answer" carries loss (an
    end-of-turn token with it), "special" are control tokens that do not, "prompt" is the rest of
    what is seen, "cut" is what the longest row cut off. A row that the template refuses has none.
    `messages` are the row's own, without a system prompt that is put before every row. While there is no
    tokenizer, `tokens` and `labels` are None and the segments are the turns as they were read."""
    row, encoded = dataset.rows[index], dataset.encoded[index]
    known = dataset.tokenizer is not None
    return {
        "index": index,
        "number": row.number,
        "line": row.line,
        "path": row.path,
        "side": dataset.sides[index],
        "divided": dataset.stage == "counted",
        "tokens": len(encoded.ids) if known else None,
        "labels": int(encoded.labels.sum()) if known else None,
        "truncated": encoded.truncated,
        "segments": _segments(dataset, index) if known else _turns(row),
        "system": row.system,
        "user": row.user_text,
        "answer": row.answer,
        "messages": messages_to_json(dataset.edited.rows[index].messages),
        "tools": row.tools,
        "excluded": index in dataset.edited.excluded,
        "edited": index in dataset.edited.edited,
        "mended": index in dataset.edited.mended,
        "checks": dataset.checks_of(index),
    }


def token_view(dataset: Dataset, index: int) -> list[list[Any]]:
    """The row at `index` token by token: [kind, text, id], kinds as in `row_view`. A letter that is spread
    over several tokens stands at the last of them; those before it are empty. Raises Problem while there is no
    tokenizer."""
    if dataset.tokenizer is None:
        raise Problem("tokens", "the model's tokenizer is still being loaded", "wait a moment")
    kinds, ids = _kinds(dataset, index)
    texts = _texts(dataset.tokenizer, ids)
    return [[kind, text, token] for kind, text, token in zip(kinds, texts, ids, strict=True)]


def _turns(row: Row) -> list[list[str]]:
    """The turns under their roles."""
    segments = []
    for message in row.messages:
        kind = "answer" if message.learned else "prompt"
        segments += [["special", f"{message.role}\n"], [kind, f"{message.text}\n"]]
    return segments


def _segments(dataset: Dataset, index: int) -> list[list[str]]:
    kinds, ids = _kinds(dataset, index)
    return [
        [kind, _decode(dataset.tokenizer, [ids[at] for at in run])]
        for kind, run in groupby(range(len(kinds)), key=kinds.__getitem__)
    ]


def _kinds(dataset: Dataset, index: int) -> tuple[list[str], list[int]]:
    """What each token of the whole row is, and its id."""
    encoded = dataset.encoded[index]
    kept = len(encoded.ids)
    if encoded.truncated:
        encoded = encode_row(dataset.tokenizer, dataset.rows[index], None)
    special = _special_ids(dataset.tokenizer)
    kinds = [
        _kind(at < kept, bool(label), int(token) in special)
        for at, (token, label) in enumerate(zip(encoded.ids, encoded.labels, strict=True))
    ]
    return kinds, [int(token) for token in encoded.ids]


def _kind(kept: bool, trained: bool, special: bool) -> str:
    if not kept:
        return "cut"
    return "answer" if trained else "special" if special else "prompt"


def _special_ids(tokenizer: Any) -> set[int]:
    added = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
    return added | set(tokenizer.all_special_ids)


def _texts(tokenizer: Any, ids: list[int]) -> Iterator[str]:
    """Each token's text. Some tokenizers put or drop a space at a text's beginning, so each is read behind
    the one before it."""
    pending: list[int] = []
    for at, token in enumerate(ids):
        pending.append(token)
        before = ids[at - len(pending) : at - len(pending) + 1] if at >= len(pending) else []
        lead = _decode(tokenizer, before)
        text = _decode(tokenizer, before + pending)
        text = text[len(lead) :] if text.startswith(lead) else _decode(tokenizer, pending)
        if text.endswith("\ufffd") and at + 1 < len(ids) and len(pending) < 8:
            yield ""
            continue
        yield text
        pending = []


def _decode(tokenizer: Any, ids: list[int]) -> str:
    """Runs are decoded whole: a letter may be spread over several tokens."""
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
