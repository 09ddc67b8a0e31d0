"""Opening a foreign file: regular files only, never a pipe, a device or a folder."""

from __future__ import annotations

import errno
import os
import stat
from difflib import get_close_matches
from io import BufferedReader, FileIO
from pathlib import Path

from engine.errors import Problem
from engine.text import clean

_KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISSOCK, "is a socket"),
)
FIX = "name a regular file"


def open_regular(path: str) -> BufferedReader:
    """Open for reading. Raises Problem for what is missing, unreadable or no regular file."""
    place = os.path.expanduser(path)
    try:
        if os.path.realpath(place).startswith(("/proc/", "/sys/")):
            raise Problem(path, "is a file of the system, not of the disk", FIX)
        # without O_NONBLOCK, opening a pipe would wait for a writer for ever
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((words for test, words in _KINDS if test(mode)), "is no regular file")
        raise Problem(path, kind, FIX)
    return BufferedReader(FileIO(descriptor, "rb"), 1024 * 1024)


def _refused(path: str, error: OSError | ValueError) -> Problem:
    if not isinstance(error, OSError):
        return Problem(path, "the name holds a zero character", "name a file that is there")
    if error.errno == errno.ENOENT:
        return Problem(path, "there is no such file", _near(path))
    if error.errno in (errno.EACCES, errno.EPERM):
        return Problem(path, "may not be read", "ask its owner, or change its permissions")
    if error.errno == errno.ELOOP:
        return Problem(path, "is a link that leads to itself", "name the file itself")
    if error.errno == errno.ENXIO:
        return Problem(path, "is a socket", FIX)
    return Problem(path, f"cannot be opened ({error.strerror})", "name a file that is there")


def _near(path: str) -> str:
    """A name in the same folder that may have been meant."""
    place = Path(os.path.expanduser(path))
    try:
        names = [entry.name for entry in os.scandir(place.parent)]
    except OSError:
        return "check the name"
    near = get_close_matches(place.name, names, 1)
    if not near:
        return "check the name"
    return f"did you mean {clean(place.parent / near[0], 400, lines=False)}?"
