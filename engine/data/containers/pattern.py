"""Several files named by a pattern such as data/*.jsonl."""

from __future__ import annotations

import glob
import os
from itertools import islice
from pathlib import Path

from engine.data.containers.folder import MOST_FILES
from engine.data.containers.several import shown
from engine.errors import Problem
from engine.text import clean


def is_pattern(path: str) -> bool:
    """Does it hold a wildcard, and is it not itself the name of something?"""
    return glob.has_magic(path) and not os.path.lexists(os.path.expanduser(path))


def matching(path: str) -> list[str]:
    """The files that the pattern stands for, sorted. Raises Problem when there is none."""
    wanted = os.path.expanduser(path)
    found = list(islice(glob.iglob(wanted, recursive=True), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        raise Problem(path, f"more than {MOST_FILES:,} files match", "name fewer")
    files = sorted(file for file in found if not os.path.isdir(file))
    if files:
        return files
    folder = Path(wanted)
    while glob.has_magic(str(folder)):
        folder = folder.parent
    if not folder.is_dir():
        raise Problem(path, f"there is no folder {clean(folder, 200, lines=False)}", "check it")
    pattern = clean(Path(wanted).relative_to(folder), 200, lines=False)
    there = sorted(entry for entry in folder.iterdir() if entry.is_file())
    fix = f"the folder holds {shown(there)}" if there else "the folder holds no file"
    what = f"no file matches {pattern} in {clean(folder, 200, lines=False)}"
    raise Problem(path, what, fix)
