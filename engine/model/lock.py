"""One maker at a time for a thing in the cache."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from engine import paths


@contextlib.contextmanager
def locked(target: Path) -> Iterator[None]:
    """Wait for, then hold, the lock beside `target`; the system frees it when the process dies."""
    paths.make_private(target.parent)
    with (target.parent / f".{target.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
