"""Data sets of the hub, through the `datasets` library."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from engine.data.containers import splits
from engine.data.containers.json_lines import TELL_EVERY
from engine.data.containers.record import Odd, Progress, Record, Records
from engine.errors import Problem

_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
HUB_SECONDS = 10.0
BINARY = ("Image", "Audio", "Video", "Pdf", "Nifti")


def looks_like_id(path: str) -> bool:
    """Could it be `owner/name` on the hub?"""
    return bool(_ID.fullmatch(path)) and "/" in path and ".." not in path


def open_hub(path: str, split: str, notes: list[str]) -> tuple[Any, str | None]:
    """A data set of the hub, downloaded or from its cache, and the name of the split to hold out;
    seconds, not minutes, when the hub is out of reach. Of a `split` asked for, that alone."""
    datasets = _library()
    fix = "check the name and the connection, or download its file and name that"
    try:
        with nullcontext() if _reachable(path) else _offline():
            return _one_split(datasets.load_dataset(path), path, split, notes)
    except Problem:
        raise
    except Exception as error:
        raise Problem(path, f"cannot be had from the hub ({_reason(error)})", fix) from error


def _reachable(path: str) -> bool:
    """Does the hub answer? What it says against the data set itself is raised."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().dataset_info(path, timeout=HUB_SECONDS)
    except HfHubHTTPError:
        raise
    except Exception:
        return False
    return True


@contextmanager
def _offline() -> Iterator[None]:
    """Let the library look into its cache only: it would try to reach the hub for half a minute."""
    import datasets
    from huggingface_hub import constants

    before = datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, constants.HF_HUB_OFFLINE = before


def _library() -> Any:
    """The library, without bars of its own on the screen."""
    import datasets

    datasets.disable_progress_bars()
    return datasets


def read(dataset: Any, on_progress: Progress) -> Records:
    """Every row of an opened data set."""
    total = len(dataset)
    for number, row in enumerate(dataset, start=1):
        if number % TELL_EVERY == 0:
            on_progress(number, total)
        yield Record(number, number, 1, {str(name): plain(value) for name, value in row.items()})
    on_progress(total, total)


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON knows it; Odd where it has no such form."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth > 60:
        return Odd("nested too deeply")
    if isinstance(value, dict):
        return {str(name): plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner, depth + 1) for inner in value]
    return Odd("binary" if isinstance(value, (bytes, bytearray)) else type(value).__name__)


def _one_split(loaded: Any, path: str, split: str, notes: list[str]) -> tuple[Any, str | None]:
    """The split to train on of what was loaded, without columns of pictures or sound, and the name
    of the one to hold out."""
    held = None
    if isinstance(loaded, dict):
        names = list(loaded)
        if not names:
            raise Problem(path, "no records", "name another data set")
        if split and split not in names:
            raise Problem(path, f"there is no split {split}", f"its splits: {', '.join(names)}")
        used, held = (split, None) if split else splits.chosen(names)
        if not split and len(names) > 1:
            notes.append(splits.note(used, held, names))
        loaded = loaded[used]
    return _without_binary(loaded, notes), held


def _without_binary(dataset: Any, notes: list[str]) -> Any:
    columns = [name for name, feature in dataset.features.items() if _is_binary(feature)]
    if not columns:
        return dataset
    notes.append(f"columns of pictures or sound are left out: {', '.join(columns)}")
    return dataset.remove_columns(columns)


def _is_binary(feature: Any) -> bool:
    return type(feature).__name__ in BINARY


def _reason(error: Exception) -> str:
    cause = error.__cause__ or error
    return (str(cause) or type(cause).__name__).split("\n")[0][:200]
