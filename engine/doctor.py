"""Look over the machine: what finetui will find, what is missing, and the fix for each."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Literal

from engine import machine, paths

GIB = 1 << 30
NEEDED = (
    "torch",
    "transformers",
    "datasets",
    "peft",
    "textual",
    "plotext",
    "pydantic",
    "safetensors",
    "gguf",
    "pip",
)
ROOM_BYTES = 2 * GIB
# What this asks is asked in a process of its own, so that the doctor survives a broken torch.
TORCH_SAYS = """
import json, torch
print(json.dumps({"version": torch.__version__, "built_for": torch.version.cuda, "sees": torch.cuda.is_available(),
                  "gpus": torch.cuda.device_count() if torch.cuda.is_available() else 0}))
"""
TORCH_SECONDS = 120


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `fix` is empty where nothing needs mending."""

    area: str
    state: Literal["ok", "warn", "bad"]
    what: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def examine() -> list[Finding]:
    """Everything, in the order a person would ask."""
    seen = machine.read()
    return [
        _python(),
        *_libraries(),
        _memory(seen),
        *_gpus(seen, _torch()),
        _disk(),
        *_caches(),
        *_terminal(),
        *_logout(),
    ]


def _python() -> Finding:
    return Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")


def _libraries() -> Iterator[Finding]:
    found = []
    for name in NEEDED:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Finding("libraries", "bad", f"{name} is not installed", f"pip install {name}")
    yield Finding("libraries", "ok", ", ".join(found))


def _memory(seen: machine.Machine) -> Finding:
    free = seen.memory_total - seen.memory_used
    what = f"{seen.cpus} cores, {free / GIB:.1f} GiB free of {seen.memory_total / GIB:.1f} GiB"
    if free < ROOM_BYTES:
        return Finding(
            "memory", "warn", what, "close other programs: even the starter model wants 2 GiB"
        )
    return Finding("memory", "ok", what)


def _torch() -> dict[str, Any]:
    """What torch says of GPUs; `error` holds its last words when it cannot be imported."""
    import json

    try:
        told = subprocess.run(
            [sys.executable, "-P", "-c", TORCH_SAYS],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TORCH_SECONDS, check=False,
        )  # fmt: skip
        return dict(json.loads(told.stdout.strip().splitlines()[-1]))
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        words = locals().get("told")
        lines = words.stderr.strip().splitlines() if words is not None else []
        return {"error": lines[-1] if lines else "no answer"}


def _gpus(seen: machine.Machine, torch: dict[str, Any]) -> Iterator[Finding]:
    """Each GPU with what uses it, and whether torch can use any."""
    if "error" in torch:
        yield Finding(
            "torch",
            "bad",
            f"torch cannot be imported ({torch['error'][:200]})",
            "pip install --force-reinstall torch",
        )
        return
    yield Finding(
        "torch",
        "ok",
        f"{torch['version']}, built for {'CUDA ' + torch['built_for'] if torch['built_for'] else 'the CPU'}",
    )
    best = machine.emptiest(seen.gpus)
    for gpu in seen.gpus:
        yield Finding("gpu", "ok", _described(gpu, gpu == best))
    if not seen.gpus:
        yield Finding("gpu", "ok", "none; the CPU will be used")
    elif not torch["sees"]:
        yield Finding("gpu", "bad", *_why_unseen(torch))


def _described(gpu: machine.Gpu, best: bool) -> str:
    users = (
        ", ".join(f"{p.user} pid {p.pid} {p.memory / GIB:.1f} GiB" for p in gpu.processes)
        or "nobody"
    )
    marks = [f"{gpu.memory_free / GIB:.1f} of {gpu.memory_total / GIB:.1f} GiB free"]
    if gpu.utilisation is not None:
        marks.append(f"{gpu.utilisation}% busy")
    if gpu.temperature is not None:
        marks.append(f"{gpu.temperature} °C")
    return f"{gpu.index} {gpu.name}: {', '.join(marks)}; used by {users}" + (
        "; the emptiest: auto takes it" if best else ""
    )


def _why_unseen(torch: dict[str, Any]) -> tuple[str, str]:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if torch["built_for"] is None:
        return (
            "there is a GPU, but this torch is built for the CPU only",
            "pip install --force-reinstall torch (README: installing)",
        )
    if hidden is not None and not hidden.strip():
        return (
            "there is a GPU, but CUDA_VISIBLE_DEVICES is empty and hides it",
            "unset CUDA_VISIBLE_DEVICES",
        )
    return (
        f"there is a GPU, but torch cannot use it: it is built for CUDA {torch['built_for']}, "
        "probably newer than the driver",
        "update the driver, or install a torch for an older CUDA (README: installing)",
    )


def _disk() -> Finding:
    home = paths.home()
    place = next(p for p in (home, *home.parents) if p.exists())
    free = shutil.disk_usage(place).free
    what = f"{free / GIB:.1f} GiB free for {home}"
    if not os.access(place, os.W_OK):
        return Finding(
            "disk",
            "bad",
            f"{home} cannot be written",
            "set FINETUI_HOME to a folder you can write to",
        )
    if free < ROOM_BYTES:
        return Finding("disk", "warn", what, "free some space, or set FINETUI_HOME to another disk")
    return Finding("disk", "ok", what)


def _caches() -> Iterator[Finding]:
    models = paths.cache() / "models"
    names = (
        sorted(p.name for p in models.iterdir() if not p.name.startswith("."))
        if models.is_dir()
        else []
    )
    yield Finding(
        "cache",
        "ok",
        f"{models}: {', '.join(names) if names else 'empty, the starter model is fetched at first use (92 MB)'}",
    )


def _terminal() -> Iterator[Finding]:
    term = os.environ.get("TERM", "")
    if term in ("", "dumb"):
        yield Finding(
            "terminal",
            "warn",
            f"TERM is {term or 'not set'}: the workbench cannot be drawn",
            "open it in a real terminal, over ssh with -t",
        )
        return
    colours = (
        "true colour"
        if os.environ.get("COLORTERM") in ("truecolor", "24bit")
        else "256 colours or fewer"
    )
    size = shutil.get_terminal_size()
    yield Finding("terminal", "ok", f"{term}, {colours}, {size.columns}x{size.lines}")
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    if encoding != "utf8":
        yield Finding(
            "terminal",
            "warn",
            f"the locale's encoding is {encoding or 'not known'}",
            "export LANG=C.UTF-8",
        )


def _logout() -> Iterator[Finding]:
    """What may end a run when its person logs out."""
    job = os.environ.get("SLURM_JOB_ID")
    if job:
        yield Finding(
            "logout",
            "warn",
            f"this is Slurm job {job}: runs end when it ends",
            "ask for enough time; runs are saved as they go",
        )
