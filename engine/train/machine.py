"""What the training process uses of the machine it runs on."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata

import torch

TRIES = 60
NEARLY = 1.1


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


def pick_threads(most: int, dtype: torch.dtype) -> int:
    """How many threads a layer's work is fastest with here and now: `most`, or halves of it down to one.

    Threads meet at the end of every product. Where another process or the host of a virtual machine
    takes a core away, all wait for the one that lost its turn, and fewer threads are several times
    faster (measured). So it is tried, each count twice in turn, and the sum decides.
    """
    counts = [most]
    while counts[-1] > 1:
        counts.append(counts[-1] // 2)
    if len(counts) == 1:
        return most
    seconds = dict.fromkeys(counts, 0.0)
    for count in counts * 2:
        seconds[count] += _try_threads(count, dtype)
    best = min(seconds.values())
    return max(count for count in counts if seconds[count] <= best * NEARLY)


def _try_threads(count: int, dtype: torch.dtype) -> float:
    """Seconds for products and elementwise work of a small layer's shapes with `count` threads."""
    torch.set_num_threads(count)
    x, weight = torch.randn(512, 576).to(dtype), torch.randn(576, 576).to(dtype)
    torch.nn.functional.linear(x, weight)
    began = time.perf_counter()
    for _ in range(TRIES):
        torch.nn.functional.silu(torch.nn.functional.linear(x, weight)).add_(x)
    return time.perf_counter() - began


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("finetui", "torch", "transformers", "peft"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "from source"
    return found
