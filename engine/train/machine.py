"""What the training process uses of the machine it runs on."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata

import torch

from engine.model.load import PRODUCT, product_seconds
from engine.train import rates

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
        return peak_bytes(device)


def reset_peak(device: str) -> None:
    """Begin to watch for the most memory from here on. Where the system can't, it is that since the process began."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        with open("/proc/self/clear_refs", "w") as marks:
            marks.write("5")
    except OSError:
        pass


def peak_bytes(device: str) -> int:
    """The most since `reset_peak`: reserved on a GPU, resident on a CPU."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_reserved(device))
    try:
        with open("/proc/self/status") as status:
            told = dict(line.split(":", 1) for line in status)
        return int(told["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        import resource
        import sys

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def room(device: str) -> tuple[int, int]:
    """Bytes that this process may have in all, and bytes that the device has."""
    if device.startswith("cuda"):
        free, total = torch.cuda.mem_get_info(device)
        return int(free) + memory_bytes(device), int(total)
    from engine import machine

    total, used = machine.read_memory()
    return total - used + memory_bytes(device), total


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


def measure_products() -> None:
    """Remember how fast a CPU multiplies in each precision, once: half a second."""
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        if not rates.recall("cpu", name, rates.PRODUCTS, 1):
            rows, width, out = PRODUCT
            rate = 2 * rows * width * out / product_seconds(dtype)
            rates.remember("cpu", name, rates.PRODUCTS, 1, rate)


def device_name(device: str) -> str:
    """`cpu`, or what the GPU is called."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("finetui", "torch", "transformers", "peft"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "from source"
    return found
