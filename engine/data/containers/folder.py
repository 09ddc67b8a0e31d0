"""A folder: the files in it that are read, and those that are held out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.data.containers import packed, sniff, splits
from engine.data.containers.hub import BINARY
from engine.data.containers.one_file import hint
from engine.data.containers.several import shown
from engine.errors import Problem

DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
DEEPEST = 3
MOST_FILES = 10_000
MOST_DESCRIPTION = 16 * 2**20
NO_DATA = ("readme", "license", "licence", "notice", "changelog", "sources", "config", "metadata")
DESCRIPTIONS = ("dataset_info", "dataset_infos", "dataset_dict", "state")


@dataclass
class Contents:
    """`files` are read in this order; `held_out` names what is held out, as a source. `saved` tells
    a folder that `datasets` wrote, without its columns `leave_out` of pictures or sound."""

    files: list[Path]
    held_out: str | None = None
    notes: list[str] = field(default_factory=list)
    saved: bool = False
    leave_out: list[str] = field(default_factory=list)


def is_data_name(path: str) -> bool:
    """Does the name speak of a file, rather than a name on the hub?"""
    return hint(path) in (*DATA_SUFFIXES, *sniff.TEXT_SUFFIXES) or (
        Path(path.lower()).suffix in packed.SUFFIXES
    )


def contents(folder: Path, path: str, split: str) -> Contents:
    """What to read of the folder that the person named as `path`; only the files of `split` where
    one is asked for. Raises Problem when it cannot be told."""
    if (folder / "dataset_dict.json").exists():
        return _saved_splits(folder, path, split)
    if (folder / "state.json").exists() and not split:
        return _saved(folder, path)
    files = _data_files(folder)
    if not files:
        raise Problem(path, f"the folder holds no file of {sniff.ACCEPTED}", "name a file")
    parts = {file: splits.part_of(str(file.relative_to(folder))) for file in files}
    if split:
        return Contents(_of_split(files, parts, folder, path, split))
    return _divided(files, parts, path)


def _divided(files: list[Path], parts: dict[Path, splits.Part | None], path: str) -> Contents:
    """Training files are read, those of validation (else of test) held out; the rest is named."""
    if len(files) == 1:
        return Contents(files)
    train = [file for file in files if parts[file] == "train"]
    plain = [file for file in files if parts[file] is None]
    if not train:
        train = [file for file in plain if file.stem.lower() == "data"] or plain
    if not train:
        words = f"the folder holds {len(files)} data files ({shown(files)})"
        raise Problem(path, words, "name one of them")
    held, source = _held_out(files, parts, path)
    contents = Contents(train, source)
    read = shown(train) if len(train) <= 2 else f"{len(train)} files ({shown(train[:2])}, …)"
    others = [file for file in files if file not in train and file not in held]
    if held:
        contents.notes.append(
            f"{read} is read, and {shown(held)} is the held-out data: no split is made"
        )
        contents.notes += [f"not used: {shown(others)}"] if others else []
    elif others:
        contents.notes.append(f"{read} is read; {shown(others)} can be named as data.eval_path")
    elif len(train) > 1:
        contents.notes.append(f"{len(train)} files are read as one: {shown(train)}")
    return contents


def _held_out(
    files: list[Path], parts: dict[Path, splits.Part | None], path: str
) -> tuple[list[Path], str | None]:
    for part in ("validation", "test"):
        held = [file for file in files if parts[file] == part]
        if held:
            return held, str(held[0]) if len(held) == 1 else f"{path}{splits.SIGN}{part}"
    return [], None


def _of_split(
    files: list[Path], parts: dict[Path, splits.Part | None], folder: Path, path: str, split: str
) -> list[Path]:
    wanted = splits.part_of(split)
    found = [file for file in files if wanted and parts[file] == wanted]
    found = found or [f for f in files if split in (f.stem, *f.relative_to(folder).parts[:-1])]
    if not found:
        names = sorted({part for part in parts.values() if part})
        fix = f"its splits: {', '.join(names)}" if names else "name the folder alone"
        raise Problem(path, f"the folder has no split {split}", fix)
    return found


def _data_files(folder: Path) -> list[Path]:
    """Data files of the folder, else of the folders in it; text files where there is nothing
    else."""
    for suffixes in (DATA_SUFFIXES, (".txt", ".text"), (".md",)):
        level = [folder]
        for _ in range(DEEPEST):
            entries = sorted(entry for place in level for entry in _entries(place))
            files = [entry for entry in entries if entry.is_file() and _holds(entry, suffixes)]
            if files:
                return files
            level = [entry for entry in entries if entry.is_dir()]
    return []


def _entries(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as found:
            names = [entry.name for entry in found if not entry.name.startswith((".", "_"))]
    except OSError as error:
        raise Problem(
            str(folder), f"cannot be opened ({error.strerror})", "change its permissions"
        ) from error
    if len(names) > MOST_FILES:
        raise Problem(str(folder), f"holds {len(names):,} entries", "name a folder of fewer files")
    return [folder / name for name in names]


def _holds(file: Path, suffixes: tuple[str, ...]) -> bool:
    stem = file.name.lower().split(".")[0]
    return hint(file.name) in suffixes and stem not in (*NO_DATA, *DESCRIPTIONS)


# ---------------------------------------------------------------- folders that `datasets` wrote


def _saved_splits(folder: Path, path: str, split: str) -> Contents:
    names = [str(name) for name in _description(folder / "dataset_dict.json", path)["splits"]]
    names = [name for name in names if _is_plain(name) and (folder / name).is_dir()]
    if not names:
        raise Problem(path, "no records", "name another data set")
    if split and split not in names:
        raise Problem(path, f"there is no split {split}", f"its splits: {', '.join(names)}")
    used, held = (split, None) if split else splits.chosen(names)
    found = _saved(folder / used, path)
    if not split and len(names) > 1:
        found.notes.insert(0, splits.note(used, held, names))
        found.held_out = held and f"{path}{splits.SIGN}{held}"
    return found


def _saved(folder: Path, path: str) -> Contents:
    listed = _description(folder / "state.json", path)["_data_files"]
    names = [str(entry["filename"]) for entry in listed]
    if not names or not all(_is_plain(name) for name in names):
        raise Problem(path, "its state.json names no data file beside it", "save it again")
    contents = Contents([folder / name for name in names], saved=True)
    if (folder / "dataset_info.json").exists():
        features = _description(folder / "dataset_info.json", path).get("features") or {}
        contents.leave_out = [n for n, feature in features.items() if _is_binary(feature)]
    if contents.leave_out:
        left = ", ".join(contents.leave_out)
        contents.notes.append(f"columns of pictures or sound are left out: {left}")
    return contents


def _description(file: Path, path: str) -> Any:
    """A description that `datasets` wrote, with the parts that are looked at."""
    checks: dict[str, Callable[[Any], bool]] = {
        "dataset_dict.json": lambda tree: isinstance(tree["splits"], list),
        "state.json": lambda tree: all("filename" in entry for entry in tree["_data_files"]),
        "dataset_info.json": lambda tree: isinstance(tree.get("features") or {}, dict),
    }
    try:
        with file.open("rb") as opened:
            tree = json.loads(opened.read(MOST_DESCRIPTION))
        if isinstance(tree, dict) and checks[file.name](tree):
            return tree
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise Problem(path, f"its {file.name} cannot be read", "save the data set again")


def _is_plain(name: str) -> bool:
    return Path(name).name == name and name not in ("", ".", "..")


def _is_binary(feature: Any) -> bool:
    return isinstance(feature, dict) and feature.get("_type") in BINARY
