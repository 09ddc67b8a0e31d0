"""What is there to look at before all is counted, and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import from_dict
from engine.data import one_pass, source, stages
from engine.data.dataset import Dataset
from engine.data.opening import open_data
from engine.data.summary import summary
from engine.data.view import row_view, token_view
from engine.errors import Problem
from tests.data.reading import alpaca
from tests.tiny import tiny_tokenizer

SECRET = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))


def opened(path: Path, values: list[dict[str, Any]]) -> tuple[list[Dataset | str], Dataset]:
    """What was told, in order, "tokenizer" where it was asked for; and the data in the end."""
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    told: list[Dataset | str] = []

    def tokenizer_of() -> Any:
        told.append("tokenizer")
        return tiny_tokenizer()

    config = from_dict({"data": {"path": str(path)}})
    return told, open_data(config, tokenizer_of, on_stage=told.append)


@pytest.mark.parametrize("large", [False, True])
def test_the_text_is_there_before_the_tokenizer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    monkeypatch.setattr(source, "LARGE", 0 if large else 2**40)
    told, whole = opened(tmp_path / "rows.jsonl", alpaca(300))
    first = told[0]
    assert isinstance(first, Dataset)
    assert first.stage == "text"
    before = told[: told.index("tokenizer")]
    assert [len(part.rows) for part in before if isinstance(part, Dataset)] == (
        [source.SHOWN_FIRST] if large else [source.SHOWN_FIRST, 300]
    )
    view = row_view(first, 3)
    message = whole.rows[3].messages
    assert view["tokens"] is None
    assert view["labels"] is None
    assert view["segments"] == [
        ["special", "user\n"], ["prompt", f"{message[0].content}\n"],
        ["special", "assistant\n"], ["answer", f"{message[1].content}\n"],
    ]  # fmt: skip
    assert summary(first)["tokens"]["max"] == 0
    with pytest.raises(Problem, match="tokenizer is still being loaded"):
        token_view(first, 3)


def test_what_is_found_on_the_way_through_a_large_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "LARGE", 0)
    monkeypatch.setattr(stages, "TELL_SECONDS", -1.0)
    monkeypatch.setattr(one_pass, "BATCH", 100)
    values = alpaca(400)
    for at in (10, 20, 150, 390):
        values[at] = {**values[at], "output": f"The key is {SECRET}."}
    values += values[:5]
    told, whole = opened(tmp_path / "rows.jsonl", values)
    parts = [part for part in told if isinstance(part, Dataset) and part.stage == "rows"]
    found = [{f.code: f.rows.tolist() for f in part.findings} for part in parts]
    assert all(each["exact_copies"] == [*range(5), *range(400, 405)] for each in found)
    secrets = [each.get("secrets", []) for each in found]
    assert secrets == [[], [10, 20], [10, 20, 150], [10, 20, 150], [10, 20, 150, 390],
                       [10, 20, 150, 390]]  # fmt: skip
    assert {f.code: f.rows.tolist() for f in whole.findings}["secrets"] == [10, 20, 150, 390]
    assert parts[1].findings[-1].detail[10].startswith("GitHub token")
