"""How much of the machine a step uses: the work its mathematics needs, over the products the machine can do.

The work needed by an update, in floating point operations (a multiplication and an addition are two):

    linear layers   2 T W forward, 2 T W for the gradients of their inputs, and 2 T W for those of their weights
                    where the weights are trained (T real tokens, W weights of the layers, embeddings and head apart)
    adapters        6 T A (A weights of the adapters)
    head            the same as a linear layer's, on label tokens only (V x H weights)
    attention       6 L D sum(n^2) over the rows' lengths n, causal: half of every square (L layers, D = heads x size)

It is what the mathematics cannot do without: padding, scores where no label is and recomputation are not in it,
so the same number is every trainer's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROBE = """
import json, os, sys, time, torch
shapes, tokens, dtype = json.loads(sys.argv[1]), int(sys.argv[2]), getattr(torch, sys.argv[3])
device = "cuda" if torch.cuda.is_available() else "cpu"
def seconds(work):
    times = []
    for _ in range(7):
        began = time.perf_counter()
        work()
        if device == "cuda": torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times[2:])
total = spent = 0.0
for out, width in shapes:
    x, w = torch.randn(tokens, width, device=device).to(dtype), torch.randn(out, width, device=device).to(dtype)
    g = torch.randn(tokens, out, device=device).to(dtype)
    spent += seconds(lambda: torch.nn.functional.linear(x, w)) + seconds(lambda: g @ w)
    total += 4 * tokens * out * width
print(total / spent)
"""


@dataclass(frozen=True)
class Shape:
    """A dense Llama-like model's widths, from its config.json."""

    layers: int
    hidden: int
    inner: int
    queries: int
    keys: int
    vocabulary: int

    @classmethod
    def of(cls, folder: Path) -> Shape:
        told = json.loads((folder / "config.json").read_text("utf-8"))
        heads = told["num_attention_heads"]
        size = told.get("head_dim") or told["hidden_size"] // heads
        return cls(
            told["num_hidden_layers"], told["hidden_size"], told["intermediate_size"], heads * size,
            told.get("num_key_value_heads", heads) * size, told["vocab_size"],
        )  # fmt: skip

    def products(self) -> list[tuple[int, int]]:
        """(out, in) of one layer's matrices."""
        return [
            (self.queries, self.hidden), (self.keys, self.hidden), (self.keys, self.hidden),
            (self.hidden, self.queries), (self.inner, self.hidden), (self.inner, self.hidden),
            (self.hidden, self.inner),
        ]  # fmt: skip


def needed(shape: Shape, lengths: list[int], label_tokens: int, method: str, rank: int) -> float:
    """Floating point operations of one forward and backward over rows of these lengths."""
    tokens = sum(lengths)
    weights = shape.layers * sum(out * width for out, width in shape.products())
    adapters = shape.layers * sum(rank * (out + width) for out, width in shape.products())
    passes = 6 if method == "full" else 4
    linear = passes * tokens * weights + (6 * tokens * adapters if method == "lora" else 0)
    head = passes * label_tokens * shape.vocabulary * shape.hidden
    attention = 6 * shape.layers * shape.queries * sum(n * n for n in lengths)
    return float(linear + head + attention)


def machine_rate(shape: Shape, tokens: int, dtype: str, environment: dict[str, str]) -> float:
    """Floating point operations a second of the layers' products (forward and input gradient), by themselves."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(shape.products()), str(tokens), dtype],
        env={**os.environ, **environment}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout)
