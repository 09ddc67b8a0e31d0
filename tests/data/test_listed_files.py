"""Several files named one by one: read as one source, and kept with the run as they were named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.config import Config, as_text, dump, from_dict, knobs, load, with_settings, with_text
from engine.data.containers.record import Record
from engine.data.opening import open_data
from engine.data.read import check_source, open_source
from engine.errors import Problem
from engine.runs.create import create
from tests.data.reading import alpaca
from tests.tiny import tiny_tokenizer
from tui.headless.desk import with_file
from tui.opening import find_target, several_files
from tui.state import data_name

ROWS = alpaca(30)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two files whose order by name is not that of the list."""
    paths = [tmp_path / "b.jsonl", tmp_path / "a.jsonl"]
    for at, path in enumerate(paths):
        part = ROWS[at * 15 : at * 15 + 15]
        path.write_text("".join(json.dumps(row) + "\n" for row in part))
    return [str(path) for path in paths]


def test_the_files_are_read_in_the_order_of_the_list(files: list[str]) -> None:
    check_source(files)
    with open_source(files) as reading:
        items = list(reading)
    assert [item.value for item in items if isinstance(item, Record)] == ROWS
    assert [item.path for item in items] == [files[0]] * 15 + [files[1]] * 15
    assert [item.line for item in items] == [*range(1, 16)] * 2
    assert reading.path == ", ".join(files)
    with open_source(files[:1]) as reading:
        assert (len(list(reading)), reading.path) == (15, files[0])


def test_a_list_may_hold_patterns(tmp_path: Path, files: list[str]) -> None:
    with open_source([files[0], str(tmp_path / "a*.jsonl")]) as reading:
        assert len(list(reading)) == 30


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (".", "is no file, and a list is one of files"),
        ("someone/rows", "is no file, and a list is one of files"),
        ("b.jsonl", "stands twice in the list"),
        ("*.jsonl", "stands twice in the list"),
        ("c.jsonl", "there is no such file"),
        ("c.csv", "files of different kinds"),
        ("d.jsonl", 'd.jsonl lacks "instruction", "output" and has "text" more'),
    ],
)
def test_what_cannot_stand_in_a_list(
    tmp_path: Path, files: list[str], more: str, words: str
) -> None:
    (tmp_path / "c.csv").write_text("instruction,output\na,b\n")
    (tmp_path / "d.jsonl").write_text('{"text": "a"}\n')
    named = more if "/" in more else str(tmp_path / more)
    with pytest.raises(Problem) as met:
        open_source([files[0], named])
    assert words in str(met.value)


def test_a_bad_record_is_named_by_its_own_file(files: list[str]) -> None:
    with Path(files[1]).open("a") as file:
        file.write("{oops\n")
    config = from_dict({"data": {"path": files}})
    dataset = open_data(config, lambda: tiny_tokenizer())
    (fault,) = dataset.log.faults
    assert (fault.path, fault.line, fault.number) == (files[1], 16, 31)
    assert len(dataset.rows) == 30


def test_a_config_file_names_them_from_where_it_lies(tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "run.yaml").write_text("data:\n  path:\n  - b.jsonl\n  - a.jsonl\n")
    config = load(tmp_path / "run.yaml")
    assert config.data.path == tuple(files)
    (tmp_path / "again.yaml").write_text(dump(config))
    assert load(tmp_path / "again.yaml") == config
    assert from_dict(config.to_dict()) == config
    assert config.changed() == {"data.path": tuple(files)}


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"path": []}, "give a file, a folder, a hub id, or a list of files"),
        ({"path": [""]}, "give a file, a folder, a hub id, or a list of files"),
        ({"path": [3]}, "give a file, a folder, a hub id, or a list of files"),
        ({"path": {"a": "b"}}, "give a file, a folder, a hub id, or a list of files"),
        ({"paths": ["a"]}, "did you mean path?"),
        ({"eval_path": ["a", "b"]}, "is not text"),
    ],
)
def test_a_list_that_is_none_is_refused(tree: object, words: str) -> None:
    with pytest.raises(Problem) as met:
        from_dict({"data": tree})
    assert words in str(met.value)
    assert str(met.value).startswith("config: data.")


@pytest.mark.parametrize(
    "names",
    [
        ["a.jsonl", "data/b-2.jsonl"], ["a b.jsonl", "c,d.jsonl"], ["true", "1.5"], ["*x.jsonl", "~/y"],
        ['q"q.csv', "é: [x]"], ["one.jsonl"],
    ],
)  # fmt: skip
def test_what_the_form_shows_is_what_it_reads(names: list[str]) -> None:
    config = with_text(Config(), "data.path", as_text(tuple(names)))
    assert config.data.path == tuple(names)
    assert with_settings(Config(), [f"data.path={as_text(names)}"]) == config
    assert with_text(config, "data.path", " ").data.path is None


@pytest.mark.parametrize("text", ["[ab]*.jsonl", "[0-9].jsonl", "a.jsonl, b.jsonl", "[1, 2]", "["])
def test_a_name_with_brackets_is_a_name(text: str) -> None:
    assert with_text(Config(), "data.path", text).data.path == text
    assert with_text(Config(), "data.eval_path", "[a.jsonl]").data.eval_path == "[a.jsonl]"


def test_only_the_data_takes_a_list() -> None:
    assert [knob.path for knob in knobs() if knob.several] == ["data.path"]


def test_a_run_keeps_the_list(
    tmp_path: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINETUI_HOME", str(tmp_path / "home"))
    config = from_dict({"data": {"path": files}})
    run = create(config, open_data(config, lambda: tiny_tokenizer()), tmp_path)
    assert load(run / "config.yaml").data.path == tuple(files)


def test_words_of_the_command_line(
    tmp_path: Path, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert several_files(["b.jsonl", "a.jsonl"]).config.data.path == tuple(files)
    assert with_file(Config(), "data.path", ["b.jsonl", "a.jsonl"]).data.path == tuple(files)
    assert with_file(Config(), "data.path", ["b.jsonl"]).data.path == files[0]
    assert data_name(several_files(files).config, None) == "2 files"
    assert find_target("b.jsonl").config.data.path == files[0]
    (tmp_path / "run.yaml").write_text("data:\n  path: b.jsonl\n")
    with pytest.raises(Problem, match=r"run\.yaml: is no data file.* open it alone"):
        several_files(["b.jsonl", "run.yaml"])
    with pytest.raises(Problem, match="there is no such file"):
        several_files(["b.jsonl", "c.jsonl"])
