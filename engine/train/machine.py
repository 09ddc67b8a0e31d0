"""What the training process uses of the machine it runs on."""

from __future__ import annotations

import os
import platform
from importlib import metadata

import torch


def memory_bytes(device: str) -> int:
    """GPU memory reserved by this process, or its resident memory on a CPU."""
    if device.startswith("cuda"):
        return int(torch.cuda.memory_reserved(device))
    try:
        with open("/proc/self/statm") as stat:
            return int(stat.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def free_bytes(device: str) -> int:
    """Memory that a run may hope for."""
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    from engine import machine

    seen = machine.read_memory()
    return seen[0] - seen[1]


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("finetui", "torch", "transformers", "peft"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "from source"
    return found
