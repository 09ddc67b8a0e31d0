"""What is refused before a library opens it, each with a name and a fix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import Problem
from engine.model.find import check, facts, find
from engine.model.load import load_tokenizer
from tests.tiny_model import save_tiny_model


def with_config(**given: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tree = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**tree, **given}))

    return change


def only_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def lfs_pointer(folder: Path) -> None:
    (folder / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )


def missing_shard(folder: Path) -> None:
    names = {"a": "model-00001-of-00002.safetensors", "b": "model.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def adapter_beside(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (with_config(auto_map={"AutoModel": "x.Y"}), "own code"),
        (with_config(_attn_implementation="someone/kernel"), "fetch code"),
        (only_pickles, "pickled"),
        (lfs_pointer, "git lfs pull"),
        (missing_shard, "model-00001-of-00002"),
        (adapter_beside, "adapter"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer"),
        (lambda folder: (folder / "config.json").unlink(), "config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "not readable JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "not an object"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no *.safetensors"),
    ],
)
def test_refused_with_a_name_and_a_fix(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    folder = save_tiny_model(tmp_path / "model")
    check(folder)
    spoil(folder)
    with pytest.raises(Problem) as refused:
        find(str(folder))
    assert words in str(refused.value)
    assert "Fix: " in str(refused.value)


@pytest.mark.parametrize(
    "name", ["/nowhere/at/all", "./nothing", "a/b/c", "no such name", "someone/nothing"]
)
def test_a_name_that_means_nothing(name: str) -> None:
    with pytest.raises(Problem, match="Fix: "):
        find(name)


def test_a_model_folder_is_found_and_described(tiny_model_folder: Path) -> None:
    assert find(str(tiny_model_folder)) == tiny_model_folder.resolve()
    told = facts(tiny_model_folder)
    assert (told["layers"], told["hidden"], told["window"]) == (2, 32, 512)
    assert load_tokenizer(tiny_model_folder).model_max_length == 512
