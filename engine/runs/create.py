"""Make a run directory: the config, the frozen rows, and who it is."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path
from typing import Any

from engine import config as knobs
from engine import paths
from engine.config import Config
from engine.data.dataset import Dataset
from engine.data.frozen import freeze
from engine.runs import directory

EDGE_BYTES = 1 << 20


def create(config: Config, dataset: Dataset, model: Path, title: str = "") -> Path:
    """A new run, ready for its trainer; whatever it needs later lies inside it, the base weights apart."""
    run = _new_folder(Path(dataset.path).stem or "data")
    if not isinstance(config.data.path, tuple):
        config = knobs.with_value(config, "data.path", str(dataset.path))
    _write(run / directory.CONFIG, knobs.dump(config))
    data = paths.make_private(run / directory.DATA)
    freeze(data, dataset)
    directory.write_json(
        run / directory.META,
        {
            "id": run.name,
            "title": title,
            "created": time.time(),
            "parent": None,
            "model": config.model.name,
            "model_path": str(model),
            "base": fingerprint(model),
            "data": _sha256(data / "rows.jsonl"),
        },
    )
    return run


def _new_folder(stem: str) -> Path:
    """`007-tickets`: the next free number and the data's name, claimed by making it."""
    folder = paths.make_private(paths.runs())
    slug = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40] or "data"
    taken = [int(found[1]) for p in folder.iterdir() if (found := re.match(r"(\d+)-", p.name))]
    number = max(taken, default=0)
    while True:
        number += 1
        run = folder / f"{number:03d}-{slug}"
        if any(folder.glob(f"{number:03d}-*")):
            continue
        try:
            run.mkdir(mode=paths.PRIVATE)
        except FileExistsError:
            continue
        return run


def fingerprint(model: Path) -> dict[str, Any]:
    """Enough to notice other base weights: each file's size and the sha256 of its first and last megabyte."""
    found = {}
    for path in sorted(model.glob("*.safetensors")):
        size = path.stat().st_size
        with path.open("rb") as stream:
            digest = hashlib.sha256(stream.read(EDGE_BYTES))
            stream.seek(max(0, size - EDGE_BYTES))
            digest.update(stream.read(EDGE_BYTES))
        found[path.name] = {"bytes": size, "edges": digest.hexdigest()}
    return found


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
