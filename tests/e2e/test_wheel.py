"""The wheel holds what the app needs beside its code, and finds it where it lies."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from engine import paths


@pytest.mark.timeout(900)
def test_the_wheel_holds_themes_and_sample_data(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", str(tmp_path), str(paths.ROOT)],
        check=True, timeout=800, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("finetui-*.whl")
    place = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"engine", "tui"}
    code = (
        "from engine import config, paths; from tui import theme;"
        "print(config.load(paths.sample_config()).data.path);"
        "print(sorted(theme.read_all().by_name))"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(place)!r}); {code}"],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    ).stdout.splitlines()  # fmt: skip
    assert told[0] == str(place / "engine" / "sample_data" / "tickets.jsonl")
    assert all(name in told[1] for name in ("dark", "light", "colour-blind", "ansi"))
