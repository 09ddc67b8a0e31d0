"""Data sets of the `datasets` library: a hub id, or a folder that it has saved."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from engine.data.containers.json_lines import TELL_EVERY
from engine.data.containers.record import Odd, Progress, Record, Records
from engine.errors import Problem

_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
HUB_SECONDS = 10.0
SPLITS = ("train", "training", "default", "all")
BINARY = ("Image", "Audio", "Video", "Pdf", "Nifti")


def looks_like_id(path: str) -> bool:
    """Could it be `owner/name` on the hub?"""
    return bool(_ID.fullmatch(path)) and "/" in path and ".." not in path


def open_saved(folder: Path, path: str, notes: list[str]) -> Any:
    """A folder written by `save_to_disk`, or one of data files that `datasets` knows to read."""
    datasets = _library()
    try:
        if (folder / "state.json").exists() or (folder / "dataset_dict.json").exists():
            return _one_split(datasets.load_from_disk(str(folder)), path, notes)
        return _one_split(datasets.load_dataset(str(folder)), path, notes)
    except Problem:
        raise
    except Exception as error:
        raise Problem(
            path, f"datasets cannot read this folder ({_reason(error)})", "name one file in it"
        ) from error


def open_hub(path: str, notes: list[str]) -> Any:
    """A data set of the hub, downloaded or from its cache; seconds, not minutes, when the hub is
    out of reach."""
    datasets = _library()
    fix = "check the name and the connection, or download its file and name that"
    try:
        with nullcontext() if _reachable(path) else _offline():
            return _one_split(datasets.load_dataset(path), path, notes)
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


def _one_split(loaded: Any, path: str, notes: list[str]) -> Any:
    """The training split of what was loaded, without columns of pictures or sound."""
    if isinstance(loaded, dict):
        names = list(loaded)
        if not names:
            raise Problem(path, "no records", "name another data set")
        name = next((split for split in SPLITS if split in names), names[0])
        if len(names) > 1:
            others = ", ".join(other for other in names if other != name)
            notes.append(f"the split {name} is used, not {others}")
        loaded = loaded[name]
    return _without_binary(loaded, notes)


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
