"""GPUs as nvidia-smi tells of them: a stand-in on the PATH prints its own format."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine import doctor, machine
from engine.runs import directory, launch

SMI = """#!/bin/sh
case "$1" in
*query-gpu*) cat <<END
0, GPU-aaa, NVIDIA H200, 143771, 120000, 97, 71
1, GPU-bbb, NVIDIA H200, 143771, 512, 0, 33
2, GPU-ccc, NVIDIA H200, 143771, 500, 40, [N/A]
END
;;
*query-compute-apps*) echo "GPU-aaa, %d, 119488"; echo "GPU-aaa, 999999999, [N/A]" ;;
esac
"""


@pytest.fixture
def three_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(SMI % os.getpid())
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("three_gpus")
def test_gpus_are_read_with_who_uses_them() -> None:
    first, second, third = machine.read_gpus()
    assert (first.name, first.memory_used, first.utilisation, first.temperature) == (
        "NVIDIA H200",
        120000 * machine.MIB,
        97,
        71,
    )
    mine, gone = first.processes
    assert (mine.pid, mine.memory) == (os.getpid(), 119488 * machine.MIB)
    assert mine.user != "?"
    assert (gone.user, gone.memory) == ("?", 0)
    assert (second.processes, third.temperature) == ((), None)


@pytest.mark.usefixtures("three_gpus")
def test_the_emptiest_is_the_idle_one_among_the_nearly_empty() -> None:
    chosen = machine.emptiest(machine.read_gpus())
    assert chosen is not None
    assert chosen.index == 1
    assert machine.emptiest(()) is None


@pytest.mark.usefixtures("three_gpus")
def test_auto_shows_a_trainer_the_emptiest_gpu_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / directory.CONFIG
    config.write_text("runtime: {device: auto}")
    assert launch.visible_gpu(tmp_path) == {"CUDA_VISIBLE_DEVICES": "1"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    assert launch.visible_gpu(tmp_path) == {}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    config.write_text("runtime: {device: cpu}")
    assert launch.visible_gpu(tmp_path) == {}


def test_without_nvidia_smi_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert machine.read_gpus() == ()
    seen = machine.read()
    assert seen.cpus >= 1
    assert 0 < seen.memory_used < seen.memory_total


@pytest.mark.usefixtures("three_gpus")
@pytest.mark.parametrize(
    ("torch", "hidden", "words"),
    [
        (
            {"version": "2", "built_for": None, "sees": False, "gpus": 0},
            None,
            "built for the CPU only",
        ),
        ({"version": "2", "built_for": "13.0", "sees": False, "gpus": 0}, None, "CUDA 13.0"),
        (
            {"version": "2", "built_for": "13.0", "sees": False, "gpus": 0},
            "",
            "CUDA_VISIBLE_DEVICES is empty",
        ),
        ({"error": "libcudart.so not found"}, None, "cannot be imported"),
    ],
)
def test_the_doctor_says_why_torch_cannot_use_a_gpu(
    monkeypatch: pytest.MonkeyPatch, torch: dict[str, object], hidden: str | None, words: str
) -> None:
    monkeypatch.setattr(doctor, "_torch", lambda: torch)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    bad = [f for f in doctor.examine() if f.state == "bad"]
    assert [f for f in bad if words in f.what and f.fix]


@pytest.mark.usefixtures("three_gpus")
def test_the_doctor_names_who_uses_which_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        doctor, "_torch", lambda: {"version": "2", "built_for": "13.0", "sees": True, "gpus": 3}
    )
    gpus = [f.what for f in doctor.examine() if f.area == "gpu"]
    assert f"pid {os.getpid()}" in gpus[0]
    assert "the emptiest" in gpus[1]
    assert "the emptiest" not in gpus[0] + gpus[2]
