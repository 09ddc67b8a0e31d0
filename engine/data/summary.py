"""The data in figures, as JSON: what `finetui data --json` prints and the data pane shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.data.checks.finding import Finding
from engine.data.checks.table import CHECKS
from engine.data.fit import percentiles
from engine.data.project import Project

if TYPE_CHECKING:
    from engine.data.dataset import Dataset

MOST_BINS = 24
LISTED = 100


def summary(dataset: Dataset) -> dict[str, Any]:
    """`label_tokens` and `train_tokens` count the training rows only; the lengths under `tokens` and
    `histogram` are those of the rows in use before anything was cut."""
    used = np.array([side is not None for side in dataset.sides], np.bool_)
    train = np.array([side == "train" for side in dataset.sides], np.bool_)
    encoded = dataset.encoded
    lengths = encoded.full_lengths[used]
    counts = {"train": int(train.sum()), "eval": int((used & ~train).sum())}
    return {
        "path": dataset.path,
        "container": dataset.container,
        "format": dataset.format,
        "confidence": dataset.confidence,
        "rows": dataset.records,
        "usable": int(used.sum()),
        **counts,
        "dropped": dataset.records - int(used.sum()),
        "truncated": int((lengths > dataset.max_length).sum()),
        "label_tokens": int(encoded.label_counts[train].sum()),
        "train_tokens": int(encoded.lengths[train].sum()),
        "max_length": dataset.max_length,
        "tokens": percentiles(lengths),
        "histogram": histogram(lengths),
        "problems": dataset.log.to_json(),
        "checks": [_check(finding, dataset) for finding in dataset.findings],
        "split": {
            "seed": dataset.seed,
            "fraction": dataset.fraction,
            "method": dataset.method,
            **counts,
        },
        "overlap": dataset.overlap,
        "set_aside": len(dataset.set_aside),
        "edits": dataset.edits.overlay.counts,
        "draft": _draft(dataset),
        "mapping": None,
        "stage": dataset.stage,
        "system": dataset.system,
        "template": dataset.template,
        "notes": list(dataset.notes),
    }


def histogram(lengths: NDArray[np.int64]) -> dict[str, list[int]]:
    """At most 24 bins over lengths in tokens: bin i counts those from `edges[i]` to below `edges[i + 1]`.

    Even steps, or steps that grow where the longest row is more than eight times the shortest.
    """
    if not len(lengths):
        return {"edges": [], "counts": []}
    low, high = max(1, int(lengths.min())), int(lengths.max()) + 1
    spaced = np.geomspace if high > 8 * low else np.linspace
    edges = np.unique(np.round(spaced(low, high, min(MOST_BINS, high - low) + 1)).astype(int))
    counts, _ = np.histogram(lengths, edges)
    return {"edges": [int(edge) for edge in edges], "counts": [int(count) for count in counts]}


def _check(finding: Finding, dataset: Dataset) -> dict[str, Any]:
    about = CHECKS[finding.code]
    return {
        "code": finding.code,
        "title": about.title,
        "severity": finding.severity,
        "count": len(finding.rows),
        "rows": [dataset.rows[int(place)].number for place in finding.rows[:LISTED]],
        "detail": {
            str(dataset.rows[p].number): finding.detail[p]
            for p in map(int, finding.rows[:LISTED])
            if p in finding.detail
        },
        "meaning": about.meaning,
        "remedy": about.remedy,
        "remedies": list(about.remedies),
        "chosen": dataset.edits.overlay.chosen.get(finding.code, ""),
    }


def _draft(dataset: Dataset) -> dict[str, Any] | None:
    """Half-made text: {"index", "messages", "tools"} of a row, None for one that is new or no longer there,
    or {"record", "text"} of a record that cannot be read."""
    kept = Project(dataset.path).draft
    if kept is None:
        return None
    if "record" in kept:
        return _record_draft(dataset, kept)
    if "messages" not in kept:
        return None
    key = kept.get("key")
    index = dataset.edited.place_of((str(key[0]), int(key[1]))) if key else None
    return {"index": index, "messages": kept["messages"], "tools": kept.get("tools")}


def _record_draft(dataset: Dataset, kept: dict[str, Any]) -> dict[str, Any] | None:
    """None once the record is a row; a new row holds the text whose record is no longer there."""
    key = (str(kept["record"][0]), int(kept["record"][1]))
    if any(mended.record == key for mended in dataset.edits.overlay.mended.values()):
        return None
    fault = dataset.source.faulty.keys.get(key)
    if fault is not None:
        return {"record": fault.number, "text": kept["text"]}
    turns = [{"role": "user", "content": kept["text"]}, {"role": "assistant", "content": ""}]
    return {"index": None, "messages": turns, "tools": None}
