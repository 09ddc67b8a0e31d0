"""Real files, where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.config import from_dict
from engine.data.dataset import open_data, summary
from engine.errors import Problem
from engine.paths import ROOT
from tests.tiny import tiny_tokenizer

REAL = ROOT.parent / "shared" / "data"


def real(name: str) -> Path:
    path = REAL / name
    if not path.is_file():
        pytest.skip(f"{name} is not here")
    return path


def test_alpaca_loads_whole() -> None:
    path = real("alpaca_en_demo.json")
    values = json.loads(path.read_text("utf-8"))
    dataset = open_data(from_dict({"data": {"path": str(path)}}), tiny_tokenizer())
    assert dataset.format == "alpaca"
    assert [row.answer for row in dataset.rows] == [value["output"] for value in values]
    assert summary(dataset)["overlap"]["normalised"] == 0


def test_tool_calls_are_refused_in_clear_words() -> None:
    path = real("glaive_toolcall_en_demo.json")
    with pytest.raises(Problem, match="tool calls are not trained on yet"):
        open_data(from_dict({"data": {"path": str(path)}}), tiny_tokenizer())


def test_typed_parts_and_weights_that_ask_for_nothing_new() -> None:
    path = real("v1_sft_demo.jsonl")
    dataset = open_data(from_dict({"data": {"path": str(path)}}), tiny_tokenizer())
    values = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    expected = [value["messages"][-1]["content"][0]["value"] for value in values]
    assert [row.answer for row in dataset.rows] == expected
