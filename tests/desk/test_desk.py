"""The desk's process, asked through its client as an app asks it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine import config as knobs
from engine.config import Config
from engine.desk.client import Desk
from engine.errors import Cancelled, Problem
from tests.runs import made

NO_EDITS = {
    "changed": 0, "mended": 0, "added": 0, "excluded": 0, "dropped": 0, "undo": False,
}  # fmt: skip
SETTINGS = {
    "train.max_steps": 6,
    "train.batch_size": 6,
    "method.rank": 4,
    "train.learning_rate": 0.01,
    "runtime.dtype": "float32",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    patch = pytest.MonkeyPatch()
    patch.setenv("FINETUI_HOME", str(tmp_path_factory.mktemp("desk-home")))
    patch.setenv("HF_HUB_OFFLINE", "1")
    desk = Desk()
    desk.start()
    yield desk
    desk.close()
    patch.undo()


def config(model: Path, data: Path, **given: Any) -> dict[str, Any]:
    settings = Config()
    for path, value in {
        "model.name": str(model),
        "data.path": str(data),
        **SETTINGS,
        **given,
    }.items():
        settings = knobs.with_value(settings, path, value)
    return settings.to_dict()


def test_from_opening_to_answers(
    desk: Desk, tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = made.write_rows(tmp_path / "rows.jsonl")
    given = config(tiny_model_folder, data)
    phases: list[str] = []
    opened = desk.call(
        "open_data", config=given, on_progress=lambda phase, *_: phases.append(phase)
    ).result(600)
    assert (opened["rows"], opened["train"] + opened["eval"]) == (56, 56)
    assert opened["eval"] >= 8
    assert {opened["overlap"][kind] for kind in ("exact", "normalised", "near")} == {0}
    assert opened["model"]["layers"] == 2
    assert {"reading", "tokenizing"} <= set(phases)

    page = desk.call("rows", start=50, count=10).result(600)
    assert (len(page["rows"]), page["total"]) == (6, 56)
    held = desk.call("rows", start=0, count=99, side="eval").result(600)
    assert held["total"] == opened["eval"]
    assert {row["side"] for row in held["rows"]} == {"eval"}

    base_only = desk.call(
        "answers",
        prompts=[{"messages": [{"role": "user", "content": "Hello"}]}],
        sides=["base"],
        config=given,
        max_tokens=4,
    ).result(600)
    assert set(base_only["answers"][0]) == {"base"}

    run = Path(desk.call("prepare", config=given, title="first").result(600)["path"])
    prompts = desk.call("held_out", run=str(run)).result(600)["prompts"]
    assert len(prompts) == opened["eval"]
    assert all(p["reference"].startswith("The ") for p in prompts)
    for source in ({"run": str(run)}, {}):
        page = desk.call("held_out", start=2, count=3, **source).result(600)
        assert (page["prompts"], page["total"]) == (prompts[2:5], opened["eval"])
    with pytest.raises(Problem, match="train first"):
        desk.call("answers", run=str(run), prompts=prompts[:1], sides=["tuned"]).result(600)

    made.finish(run)
    items: list[dict[str, Any]] = []
    answers = desk.call(
        "answers",
        run=str(run),
        prompts=prompts[:3],
        sides=["base", "tuned"],
        max_tokens=8,
        on_item=items.append,
    ).result(600)
    for place, answer in enumerate(answers["answers"]):
        for side in ("base", "tuned"):
            streamed = "".join(
                i["text"] for i in items if (i["prompt"], i["side"]) == (place, side)
            )
            assert streamed == answer[side]["text"]
    assert any(a["base"]["text"] != a["tuned"]["text"] for a in answers["answers"])
    assert answers["loop"] == "own"
    for side in ("base", "tuned"):
        alone = desk.call(
            "answers", run=str(run), prompts=prompts[:3], sides=[side], max_tokens=8
        ).result(600)
        assert [a[side]["text"] for a in alone["answers"]] == [
            a[side]["text"] for a in answers["answers"]
        ]
    assert desk.call("release").result(600) == {}


def test_bad_data_is_a_problem_and_the_desk_lives_on(
    desk: Desk, tiny_model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.jsonl").write_text("")
    with pytest.raises(Problem, match=r"bad\.jsonl.*Fix: "):
        desk.call("open_data", config=config(tiny_model_folder, tmp_path / "bad.jsonl")).result(600)
    with pytest.raises(Problem, match="Fix: "):
        desk.call("answers", run=str(tmp_path), prompts="nonsense", sides=1).result(600)
    assert desk.call("release").result(600) == {}


def test_cancelling_drops_the_work(desk: Desk, tiny_model_folder: Path, tmp_path: Path) -> None:
    data = made.write_rows(tmp_path / "rows.jsonl", 3000)
    started = threading.Event()
    call = desk.call(
        "open_data", config=config(tiny_model_folder, data), on_progress=lambda *_: started.set()
    )
    assert started.wait(600)
    call.cancel()
    with pytest.raises(Cancelled):
        call.result(600)


def test_a_desk_that_dies_says_so_and_comes_back_once(desk: Desk) -> None:
    """Threads that ask at the same moment meet one new process, and the old one's end is not theirs."""
    call = desk.call("open_data", config=Config().to_dict())
    died = process_of(desk)
    died.kill()
    with pytest.raises(Problem, match="ended"):
        call.result(600)
    with ThreadPoolExecutor(8) as threads:
        asked = list(threads.map(lambda _: desk.call("held_out"), range(8)))
    assert len({id(call._connection) for call in asked}) == 1
    assert process_of(desk) is not died
    for call in asked:
        assert call.result(600) == {"prompts": [], "total": 0, "most": 500}
    with pytest.raises(Problem, match="open the data again"):
        desk.call("rows", start=0, count=1).result(600)


def process_of(desk: Desk) -> subprocess.Popen[bytes]:
    assert desk._connection is not None
    return desk._connection.process


def test_preparing_data_whose_columns_are_not_known_says_which_knobs_to_set(
    desk: Desk, tiny_model_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("aa,bb\n" + "".join(f"q{n},a{n}\n" for n in range(30)))
    given = config(tiny_model_folder, path)
    assert desk.call("open_data", config=given).result(600)["mapping"]["columns"] == ["aa", "bb"]
    with pytest.raises(Problem, match=r"data\.prompt_column"):
        desk.call("prepare", config=given).result(600)
    named = {"data.prompt_column": "aa", "data.answer_column": "bb"}
    made = desk.call("prepare", config=config(tiny_model_folder, path, **named)).result(600)
    assert Path(made["path"]).is_dir()
    assert made["edits"] == NO_EDITS
