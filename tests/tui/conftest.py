"""Every test of the app has a home of its own and no colours forced on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui import theme


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FINETUI_THEME", raising=False)
    theme.read_all.cache_clear()
