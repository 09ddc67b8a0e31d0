"""Real files, where they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.config import from_dict
from engine.data.opening import open_data
from engine.data.summary import summary
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
    dataset = open_data(from_dict({"data": {"path": str(path)}}), lambda: tiny_tokenizer())
    assert dataset.format == "alpaca"
    assert [row.answer for row in dataset.rows] == [value["output"] for value in values]
    assert summary(dataset)["overlap"]["normalised"] == 0


def test_conversations_with_tools_are_read_whole() -> None:
    path = real("glaive_toolcall_en_demo.json")
    values = json.loads(path.read_text("utf-8"))
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 8192
    config = from_dict({"data": {"path": str(path), "max_length": 8192}})
    dataset = open_data(config, lambda: tokenizer)
    assert (len(dataset.rows), dataset.log.total) == (len(values), 0)
    assert dataset.format == "sharegpt"
    for value, row in zip(values, dataset.rows, strict=True):
        turns = [(t["from"], t["value"]) for t in value["conversations"]]
        assert len(turns) == len(row.messages)
        for (speaker, said), message in zip(turns, row.messages, strict=True):
            if speaker != "function_call":
                assert message.content == said
                assert message.tool_calls == ""
                continue
            (call,) = message.calls
            assert call["function"] == json.loads(said)
        given = json.loads(value["tools"] or "[]")
        assert [each["function"] for each in json.loads(row.tools or "[]")] == given
    assert any("does not show tools" in note for note in dataset.notes)


def test_typed_parts_and_weights() -> None:
    path = real("v1_sft_demo.jsonl")
    dataset = open_data(from_dict({"data": {"path": str(path)}}), lambda: tiny_tokenizer())
    values = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    expected = [value["messages"][-1]["content"][0]["value"] for value in values]
    assert [row.answer for row in dataset.rows] == expected
    assert all(row.messages[-1].trained is True for row in dataset.rows)
