from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def starter_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home into which the starter model is fetched and converted once for the tests of a file."""
    return tmp_path_factory.mktemp("starter-home")


@pytest.fixture(scope="module")
def finetui(starter_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command as a person runs it, from a folder with an `engine/` and `tests/` of its own."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in ("engine", "tui", "tests"):
        (elsewhere / name).mkdir()
        (elsewhere / name / "__init__.py").write_text(
            "raise SystemExit('the wrong package was imported')\n"
        )
    program = Path(sys.executable).with_name("finetui")

    def run(*words: str, code: int = 0, seconds: float = 1500) -> subprocess.CompletedProcess[str]:
        found = subprocess.run(
            [str(program), *words], cwd=elsewhere, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, check=False, env={**os.environ, "FINETUI_HOME": str(starter_home), "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
        assert found.returncode == code, (
            f"{words}: {found.returncode}\n{found.stdout}\n{found.stderr}"
        )
        assert "Traceback" not in found.stdout + found.stderr
        return found

    return run
