"""A run's directory: what lies where, who owns it now, how it ended."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from engine.errors import Problem

CONFIG = "config.yaml"
PLAN = "plan.json"
ENVIRONMENT = "env.json"
META = "meta.json"
LOCK = "lock"
EVENTS = "events.jsonl"
COMMANDS = "commands.jsonl"
LOG = "worker.log"
EXIT = "exit.json"
PART = "looked-at.json"
DATA = "data"
CHECKPOINTS = "checkpoints"
FINAL = "final"


def write_json(path: Path, tree: Any) -> None:
    """Replace `path` in one move, so that a reader or a full disk never meets half a file."""
    partial = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump(tree, out, ensure_ascii=False, indent=1)
            out.write("\n")
            out.flush()
            os.fsync(out.fileno())
        partial.rename(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of the run; empty when the file is absent or damaged."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


@dataclass(frozen=True)
class Owner:
    """The process that trains a run: enough to tell it from a later one with the same pid."""

    pid: int
    start_time: str
    boot_id: str
    host: str
    socket: str


def claim(run: Path, socket_path: str) -> IO[str]:
    """Become the run's one trainer; the lock is freed when the process ends, however it ends."""
    handle = os.fdopen(os.open(run / LOCK, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        held = owner(run)
        who = f"process {held.pid} on {held.host}" if held else "another process"
        handle.close()
        raise Problem(
            run.name, f"{who} is training this run", "attach to it, or stop it first"
        ) from error
    mine = Owner(os.getpid(), start_time(os.getpid()), boot_id(), socket.gethostname(), socket_path)
    line = json.dumps(vars(mine)).encode()
    os.pwrite(handle.fileno(), line, 0)  # before the cut: a reader never meets an empty file
    handle.truncate(len(line))
    return handle


def owner(run: Path) -> Owner | None:
    tree = read_json(run / LOCK)
    try:
        return Owner(**tree)
    except TypeError:
        return None


def alive(run: Path) -> bool:
    """Whether the process that holds the run's lock still lives; another machine's is taken at its word."""
    held = owner(run)
    if held is None:
        return False
    if held.host != socket.gethostname():
        return True
    return held.boot_id == boot_id() and bool(held.pid) and held.start_time == start_time(held.pid)


def start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat, which no two processes with one pid share; empty when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if Path("/proc").is_dir() else _answers(pid)
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _answers(pid: int) -> str:
    """Where there is no /proc: that the process can be signalled is all that can be known."""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"


def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
