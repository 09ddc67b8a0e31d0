"""What memory and time depend on in a model: its widths and its tensors, read without loading it.

Widths come from config.json, tensors from the headers of the *.safetensors files: no torch, a few milliseconds.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import Problem

MOST_HEADER_BYTES = 100_000_000
IN_A_LAYER = re.compile(r"\.\d+\.")


@dataclass(frozen=True)
class Shape:
    """`queries` and `keys` are the widths of a token's queries (all heads) and of its keys; `inner` that of the
    feed-forward part. `weights` counts all, tied ones once; `embeddings` those of the vocabulary's matrices.

    `matrices` are the layers' linear ones as (out, in, how many): what LoRA stands beside.
    """

    layers: int
    hidden: int
    inner: int
    heads: int
    queries: int
    keys: int
    vocabulary: int
    weights: int
    embeddings: int
    matrices: tuple[tuple[int, int, int], ...]

    @property
    def linear(self) -> int:
        """Weights in the layers' matrices."""
        return sum(out * width * count for out, width, count in self.matrices)

    def adapter(self, rank: int, *, dora: bool = False) -> int:
        """Weights of a LoRA adapter beside every matrix; with DoRA the length of each output row too."""
        return sum(
            (rank * (out + width) + (out if dora else 0)) * count
            for out, width, count in self.matrices
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, tree: dict[str, Any]) -> Shape:
        matrices = tuple((int(o), int(w), int(n)) for o, w, n in tree["matrices"])
        return cls(**{**tree, "matrices": matrices})


def shape_of(folder: Path, config: dict[str, Any]) -> Shape:
    """The shape of the model in `folder`, whose config.json is `config`. Raises Problem where a header is damaged."""
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    hidden = _width(text, "hidden_size", "n_embd", "d_model")
    heads = _width(text, "num_attention_heads", "n_head", "num_heads") or 1
    size = _width(text, "head_dim") or hidden // heads
    tied = bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", True)))
    vocabulary = _width(text, "vocab_size")
    tensors = {n: d for file in sorted(folder.glob("*.safetensors")) for n, d in header(file)}
    of_words = [n for n, d in tensors.items() if _of_the_vocabulary(n, d, vocabulary)]
    if tied and len(of_words) > 1:
        for name in [n for n in of_words if "lm_head" in n]:
            del tensors[name]
    return Shape(
        layers=_width(text, "num_hidden_layers", "n_layer", "num_layers"),
        hidden=hidden,
        inner=_width(text, "intermediate_size", "n_inner", "ffn_dim") or 4 * hidden,
        heads=heads,
        queries=heads * size,
        keys=(_width(text, "num_key_value_heads") or heads) * size,
        vocabulary=vocabulary,
        weights=sum(math.prod(d) for d in tensors.values()),
        embeddings=sum(math.prod(tensors[n]) for n in of_words if n in tensors),
        matrices=_counted([d for n, d in tensors.items() if _is_matrix(n, d)]),
    )


def header(file: Path) -> list[tuple[str, list[int]]]:
    """Name and dimensions of every tensor in a safetensors file."""
    try:
        with file.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if not 0 < size <= MOST_HEADER_BYTES:
                raise ValueError("the header's length makes no sense")
            tree = json.loads(stream.read(size))
        return [(n, list(map(int, t["shape"]))) for n, t in tree.items() if n != "__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(
            str(file), "has a damaged safetensors header", "fetch the model again"
        ) from error


def _width(text: dict[str, Any], *names: str) -> int:
    """The first of some names that holds a number; 0 for none."""
    return next((int(text[n]) for n in names if isinstance(text.get(n), int)), 0)


def _of_the_vocabulary(name: str, dimensions: list[int], vocabulary: int) -> bool:
    if len(dimensions) != 2 or IN_A_LAYER.search(name):
        return False
    return dimensions[0] >= vocabulary > 0 or "embed_tokens" in name or "lm_head" in name


def _is_matrix(name: str, dimensions: list[int]) -> bool:
    """A linear layer inside a block; fused experts have three dimensions, single ones are fused when loaded."""
    inside = IN_A_LAYER.search(name) is not None and ".experts." not in name
    return inside and len(dimensions) == 2 and name.endswith(".weight")


def _counted(found: list[list[int]]) -> tuple[tuple[int, int, int], ...]:
    kinds = sorted({(out, width) for out, width in found})
    return tuple((*kind, sum(tuple(d) == kind for d in found)) for kind in kinds)
