"""The machine: cores, memory, GPUs and who uses them. Standard library only; nothing is claimed."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
ASK_SECONDS = 5


@dataclass(frozen=True)
class GpuProcess:
    pid: int
    user: str
    memory: int


@dataclass(frozen=True)
class Gpu:
    """Memory in bytes, utilisation in percent, temperature in degrees Celsius; None where not told."""

    index: int
    name: str
    memory_total: int
    memory_used: int
    utilisation: int | None
    temperature: int | None
    processes: tuple[GpuProcess, ...] = ()

    @property
    def memory_free(self) -> int:
        return self.memory_total - self.memory_used


@dataclass(frozen=True)
class Machine:
    """`cpus` are those this process may use; memory in bytes, under a container's limit where there is one."""

    cpus: int
    memory_total: int
    memory_used: int
    gpus: tuple[Gpu, ...]


def read() -> Machine:
    total, used = read_memory()
    return Machine(cpus(), total, used, read_gpus())


def cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_memory() -> tuple[int, int]:
    """Total and used bytes; zeros where the system does not say."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        total = int(lines["MemTotal"].split()[0]) * 1024
        available = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pages = os.sysconf("SC_PHYS_PAGES") if "SC_PHYS_PAGES" in os.sysconf_names else 0
        return pages * os.sysconf("SC_PAGE_SIZE"), 0
    limit, held = _container_memory()
    if limit and limit < total:
        return limit, min(held, limit)
    return total, total - available


def _container_memory() -> tuple[int, int]:
    """A cgroup's limit and what it holds beyond file cache; zeros when unlimited."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        if limit == "max":
            return 0, 0
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(limit), int((folder / "memory.current").read_text()) - int(
            stat.get("inactive_file", 0)
        )
    except (OSError, ValueError):
        return 0, 0


def read_gpus() -> tuple[Gpu, ...]:
    """What nvidia-smi tells, in its own order (that of the PCI bus); empty without it."""
    rows = _ask(
        "--query-gpu=index,uuid,name,memory.total,memory.used,utilization.gpu,temperature.gpu"
    )
    users = _processes()
    return tuple(
        Gpu(
            index=int(row[0]),
            name=row[2],
            memory_total=(_number(row[3]) or 0) * MIB,
            memory_used=(_number(row[4]) or 0) * MIB,
            utilisation=_number(row[5]),
            temperature=_number(row[6]),
            processes=tuple(users.get(row[1], ())),
        )
        for row in rows
        if len(row) == 7 and row[0].isdigit()
    )


def emptiest(gpus: tuple[Gpu, ...]) -> Gpu | None:
    """The GPU to propose: most free memory, then least busy, then lowest number."""
    return min(
        gpus,
        key=lambda g: (-g.memory_free // (256 * MIB), g.utilisation or 0, g.index),
        default=None,
    )


def _processes() -> dict[str, list[GpuProcess]]:
    found: dict[str, list[GpuProcess]] = {}
    for row in _ask("--query-compute-apps=gpu_uuid,pid,used_memory"):
        if len(row) == 3 and row[1].isdigit():
            pid = int(row[1])
            found.setdefault(row[0], []).append(
                GpuProcess(pid, _user(pid), (_number(row[2]) or 0) * MIB)
            )
    return found


def _ask(query: str) -> list[list[str]]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        told = subprocess.run(
            [tool, query, "--format=csv,noheader,nounits"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ASK_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    if told.returncode:
        return []
    return [[cell.strip() for cell in line.split(",")] for line in told.stdout.splitlines()]


def _number(cell: str) -> int | None:
    try:
        return int(float(cell))
    except ValueError:
        return None


def _user(pid: int) -> str:
    import pwd

    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
        return pwd.getpwuid(uid).pw_name
    except (OSError, KeyError):
        return "?"
