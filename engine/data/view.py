"""One row as the model sees it: which text is prompt, which carries loss, which was cut off."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from engine.data.tokens import encode_row

if TYPE_CHECKING:
    from engine.data.dataset import Dataset


def row_view(dataset: Dataset, index: int) -> dict[str, Any]:
    """The row at `index`, as JSON. `segments` are [kind, text]: "answer" carries loss (an
    end-of-turn token with it), "special" are control tokens that do not, "prompt" is the rest of
    what is seen, "cut" is what the longest row cut off. A row that the template refuses has
    none."""
    row, encoded = dataset.rows[index], dataset.encoded[index]
    return {
        "index": index,
        "number": row.number,
        "line": row.line,
        "side": dataset.sides[index],
        "tokens": len(encoded.ids),
        "labels": int(encoded.labels.sum()),
        "truncated": encoded.truncated,
        "segments": _segments(dataset, index),
        "system": row.system,
        "user": row.user_text,
        "answer": row.answer,
    }


def _segments(dataset: Dataset, index: int) -> list[list[str]]:
    encoded = dataset.encoded[index]
    kept = len(encoded.ids)
    if encoded.truncated:
        encoded = encode_row(dataset.tokenizer, dataset.rows[index], None)
    special = _special_ids(dataset.tokenizer)
    kinds = [
        _kind(at < kept, bool(label), int(token) in special)
        for at, (token, label) in enumerate(zip(encoded.ids, encoded.labels, strict=True))
    ]
    return [
        [kind, _decode(dataset.tokenizer, [int(encoded.ids[at]) for at in run])]
        for kind, run in groupby(range(len(kinds)), key=kinds.__getitem__)
    ]


def _kind(kept: bool, trained: bool, special: bool) -> str:
    if not kept:
        return "cut"
    return "answer" if trained else "special" if special else "prompt"


def _special_ids(tokenizer: Any) -> set[int]:
    added = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
    return added | set(tokenizer.all_special_ids)


def _decode(tokenizer: Any, ids: list[int]) -> str:
    """Runs are decoded whole: a letter may be spread over several tokens."""
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
