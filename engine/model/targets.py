"""Which layers of a model take adapters: the method's knobs held against the model's own weights, without torch."""

from __future__ import annotations

import json
import re
from pathlib import Path

from engine.config import Method
from engine.config.table import did_you_mean
from engine.errors import Problem

IN_LAYER = re.compile(r"\.(\d+)\.([\w.]+)\.weight$")
"""A weight of a numbered layer: its number, and its module's path within the layer."""
ROUTERS = ("gate", "router")
"""They choose experts and are narrower than any adapter."""
ATTENTION = re.compile(r"attn|attention")
MOST_HEADER_BYTES = 100_000_000

Shapes = dict[str, tuple[int, ...]]


def shapes(folder: Path) -> Shapes:
    """Every weight of a safetensors folder by name, with its shape, from the files' headers."""
    found: Shapes = {}
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as stream:
            size = min(int.from_bytes(stream.read(8), "little"), MOST_HEADER_BYTES)
            header = json.loads(stream.read(size))
        found |= {n: tuple(told["shape"]) for n, told in header.items() if n != "__metadata__"}
    return found


def adapted(method: Method, weights: Shapes) -> list[str]:
    """The names of the weights that get an adapter. Raises Problem where a knob asks for what the model lacks."""
    matrices = {
        name: (int(found[1]), found[2])
        for name, shape in weights.items()
        if len(shape) == 2 and (found := IN_LAYER.search(name)) and _last(found[2]) not in ROUTERS
    }
    if not matrices:
        raise Problem(
            "method.name", "no layer of this model takes a LoRA adapter", "set method.name to full"
        )
    wanted = _named(method.targets, matrices)
    layers = _numbered(method.layers, 1 + max(number for number, _ in matrices.values()))
    chosen = [name for name in matrices if name in wanted and matrices[name][0] in layers]
    for name in chosen:
        narrow = min(weights[name])
        if method.rank > narrow:
            raise Problem(
                "method.rank",
                f"{method.rank} is larger than {_last(matrices[name][1])}, which is {narrow} wide",
                f"give at most {narrow}, or leave {_last(matrices[name][1])} out of method.targets",
            )
    return chosen


def module_names(method: Method, weights: Shapes) -> list[str]:
    """The modules that get an adapter, by their paths within a layer, as PEFT takes them."""
    found = (IN_LAYER.search(name) for name in adapted(method, weights))
    return sorted({match[2] for match in found if match})


def layer_numbers(method: Method, weights: Shapes) -> list[int] | None:
    """The numbers of the layers that get adapters; None for all."""
    if method.layers == "all":
        return None
    found = (IN_LAYER.search(name) for name in adapted(method, weights))
    return sorted({int(match[1]) for match in found if match})


def _named(targets: str, matrices: dict[str, tuple[int, str]]) -> set[str]:
    if targets == "all":
        return set(matrices)
    inside = {name for name in matrices if ATTENTION.search(name)}
    if targets in ("attention", "mlp"):
        found = inside if targets == "attention" else set(matrices) - inside
        if not found:
            raise Problem("method.targets", f"this model has no {targets} layers", "set it to all")
        return found
    known = sorted({_last(path) for _, path in matrices.values()})
    names = [name.strip() for name in targets.split(",")]
    for name in names:
        if name not in known:
            raise Problem(
                "method.targets",
                f"this model has no {name}",
                did_you_mean(name, ["all", "attention", "mlp", *known]),
            )
    return {name for name, (_, path) in matrices.items() if _last(path) in names}


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _numbered(layers: str, count: int) -> set[int]:
    if layers == "all":
        return set(range(count))
    if layers.startswith("last "):
        wanted = int(layers.removeprefix("last "))
        found = set(range(max(0, count - wanted), count)) if wanted <= count else {count}
    else:
        edges = [part.strip().split("-") for part in layers.split(",")]
        found = {n for edge in edges for n in range(int(edge[0]), int(edge[-1]) + 1)}
    if not found or max(found) >= count:
        raise Problem(
            "method.layers",
            f"{layers} was asked for, and this model has {count} layers (0 to {count - 1})",
            "give numbers among these, or all",
        )
    return found
