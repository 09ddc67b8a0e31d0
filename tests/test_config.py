from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine import config as settings
from engine import paths
from engine.config import Config
from engine.errors import Problem


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    made = settings.with_settings(
        Config(),
        ["train.learning_rate=1e-4", "eval.every=7", "method.name=full",
         "data.system=no: [x] # y", "train.shuffle=false"],
    )  # fmt: skip
    file = tmp_path / "c.yaml"
    file.write_text(settings.dump(made))
    assert settings.load(file) == made
    assert made.train.learning_rate == 0.0001
    assert made.data.system == "no: [x] # y"
    assert settings.from_dict(made.to_dict()) == made


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    """YAML 1.1 would read 1e-4 as text, no as false and 12:30 as 750."""
    file = tmp_path / "c.yaml"
    file.write_text("train:\n  learning_rate: 1e-4\ndata:\n  system: no\n")
    assert settings.load(file).train.learning_rate == 0.0001
    assert settings.load(file).data.system == "no"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train:\n  learing_rate: 1", "did you mean learning_rate?"),
        ("trian:\n  epochs: 1", "did you mean train?"),
        ("learning_rate: 1", "write it as train.learning_rate"),
        ("train:\n  epochs: -1", "above 0 to 1000"),
        ("train:\n  epochs: .nan", "not a finite number"),
        ("train:\n  batch_size: 0", "1 to 65536"),
        ("train:\n  batch_size: 1.5", "batch_size"),
        ("method:\n  name: qlorra", "lora, full"),
        ("train: [1]", "holds no knobs"),
        ("[1, 2]", "not settings"),
        ("train:\n\tepochs: 1", "c.yaml:2:1"),
        ("a: &x 1\nb: *x", "aliases"),
        ("a: !!python/object:os.system 1", "tags"),
        ("train: {epochs: " + "[" * 5000, "c.yaml"),
    ],
)
def test_a_bad_config_names_the_place_and_the_fix(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(Problem) as refused:
        settings.load(file)
    assert "c.yaml" in str(refused.value)
    assert words in str(refused.value)
    assert ". Fix: " in str(refused.value)


def test_an_alias_bomb_and_a_huge_file_are_refused_at_once(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.yaml"
    bomb.write_text("a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(50)))
    huge = tmp_path / "huge.yaml"
    huge.write_text("# " + "x" * 2_000_000)
    began = time.monotonic()
    for file in (bomb, huge, tmp_path, tmp_path / "nothing.yaml"):
        with pytest.raises(Problem):
            settings.load(file)
    assert time.monotonic() - began < 5


def test_every_knob_has_words_and_takes_its_own_default() -> None:
    for knob in settings.knobs():
        assert knob.words.endswith("."), knob.path
        assert knob.title
        assert knob.default is not None or knob.empty, knob.path
        settings.with_value(Config(), knob.path, knob.default)
    assert [k.path for k in settings.knobs()[:3]] == [
        "train.learning_rate",
        "train.epochs",
        "train.batch_size",
    ]


def test_paths_in_a_config_are_meant_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert settings.load(paths.sample_config()).data.path == str(
        paths.bundled("sample_data") / "tickets.jsonl"
    )


def test_the_rate_follows_the_method_until_it_is_set() -> None:
    assert Config().learning_rate == 2e-4
    full = settings.with_value(Config(), "method.name", "full")
    assert full.learning_rate == 2e-5
    assert settings.with_value(full, "train.learning_rate", 1e-3).learning_rate == 1e-3
    assert full.changed() == {"method.name": "full"}
