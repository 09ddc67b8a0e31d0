"""Changing rows: the editor, drafts, the person's own editor, remedies, undo, saving."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from textual import events

from engine.errors import Problem
from tests.tui.fake_desk import SUMMARY, FakeDesk, with_checks
from tests.tui.opened import NARROW, WIDE, Bench, opened
from tui.panes import editing
from tui.panes.data import DataPane
from tui.screens.editor import Editor


def asked(bench: Bench, name: str) -> list[dict[str, Any]]:
    return [given for call, given in bench.desk.asked if call == name]


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_a_changed_row_goes_to_the_desk_and_the_facts_are_counted_anew(
    size: tuple[int, int],
) -> None:
    async with opened(size) as bench:
        await bench.press("e")
        assert "Your file stays as it is" in bench.text()
        await bench.type(" soon")
        await bench.press("ctrl+s")
        given = asked(bench, "edit")[0]
        assert given["index"] == 0
        assert given["messages"][-1]["content"].endswith("change the address soon")
        page = bench.text()
        assert "edits 1 changed   u undoes" in page
        assert "change the address soon" in page
        assert bench.app.state.summary == bench.desk.summary | {"draft": None}
        await bench.press("u")
        assert "edits" not in bench.text()


async def test_a_row_that_was_not_changed_is_no_edit() -> None:
    async with opened() as bench:
        await bench.press("e", "!", "backspace", "ctrl+s")
        assert asked(bench, "edit") == []
        await bench.press("e", "escape")
        assert bench.screen_name == "Bench"
        assert asked(bench, "draft") == []


async def test_what_else_a_turn_holds_is_kept() -> None:
    desk = FakeDesk()
    calls = '[{"type":"function"}]'
    desk.rows[0]["messages"] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "4", "tool_call_id": "x"},
        {"role": "assistant", "content": "b", "trained": False},
    ]
    async with opened(desk=desk) as bench:
        await bench.press("e", "!", "ctrl+s")
        messages = asked(bench, "edit")[0]["messages"]
        assert messages[1] == {"role": "assistant", "content": "", "tool_calls": calls}
        assert messages[2]["tool_call_id"] == "x"
        assert messages[3] == {"role": "assistant", "content": "b!", "trained": False}


async def test_a_new_row_has_the_usual_system_prompt() -> None:
    async with opened() as bench:
        await bench.press("a")
        await bench.type("yes")
        await bench.press("shift+tab")
        await bench.type("really?")
        await bench.press("ctrl+s")
        texts = [message["content"] for message in asked(bench, "add")[0]["messages"]]
        assert texts == ["You sort support tickets.", "really?", "yes"]
        assert "1 added" in bench.text()
        assert "of 301" in bench.text()


async def test_drafts_go_to_the_desk_once_a_second_and_on_leaving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tui.screens.editor.DRAFT_EVERY", 1_000.0)
    async with opened() as bench:
        await bench.press("e")
        editor = bench.app.screen
        assert isinstance(editor, Editor)
        await bench.type("one")
        editor._send_draft()
        await bench.type(" two")
        editor._send_draft()
        editor._send_draft()
        assert len(asked(bench, "draft")) == 1
        await bench.press("f1")
        bench.app.to_bench()  # whatever takes the screen away: nothing is lost
        await bench.settle()
        drafts = asked(bench, "draft")
        assert [each["index"] for each in drafts] == [0, 0]
        assert drafts[-1]["messages"][-1]["content"].endswith("one two")


async def test_leaving_finetui_while_writing_keeps_the_draft() -> None:
    async with opened() as bench:
        await bench.press("e", "!")
        await bench.pilot.press("ctrl+q")
        await bench.pilot.pause()
        assert bench.app.return_value == 0
    assert asked(bench, "draft")[-1]["messages"][-1]["content"].endswith("!")


async def test_a_draft_of_the_last_time_is_offered_and_taken_up() -> None:
    half = {
        "index": 2,
        "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "ha"}],
    }
    desk = FakeDesk(summary={**SUMMARY, "draft": half})
    async with opened(desk=desk) as bench:
        assert "draft row 3 is half written   d goes on with it" in bench.text()
        await bench.press("d")
        await bench.type("lf")
        await bench.press("ctrl+s")
        given = asked(bench, "edit")[0]
        assert (given["index"], given["messages"][-1]["content"]) == (2, "half")
        assert asked(bench, "draft")[-1] == {"index": 2, "messages": None}
        assert "half written" not in bench.text()


async def test_a_refused_change_is_kept_as_a_draft() -> None:
    desk = FakeDesk(change_problem=Problem("row 1", "the answer is empty", "write one"))
    async with opened(desk=desk) as bench:
        await bench.press("e", "!", "ctrl+s")
        assert any("the answer is empty" in toast for toast in bench.toasts())
        assert "d goes on with it" in bench.text()
        assert asked(bench, "draft")[-1]["messages"][-1]["content"].endswith("!")
        desk.change_problem = None
        await bench.press("d", "ctrl+s")
        assert "1 changed" in bench.text()


async def test_a_second_change_waits_until_the_first_is_counted() -> None:
    desk = FakeDesk(hold={"exclude"})
    async with opened(desk=desk) as bench:
        await bench.press("x")
        await bench.press("x", "u")
        assert len(asked(bench, "exclude")) == 1
        assert any("still being counted" in toast for toast in bench.toasts())
        desk.let_go("exclude")
        await bench.settle()
        assert "1 left out" in bench.text()
        assert "▸ 1 of 300 · left out" in bench.text()


async def test_every_letter_is_text_while_a_row_is_written() -> None:
    async with opened() as bench:
        await bench.press("e")
        await bench.type("qt1?z/")
        assert bench.screen_name == "Editor"
        assert bench.runs.started == []
        await bench.press("ctrl+s")
        assert asked(bench, "edit")[0]["messages"][-1]["content"].endswith("qt1?z/")


async def test_keys_of_one_burst_take_effect_in_the_order_typed() -> None:
    async with opened() as bench:
        typed = ("e", *"abc", "enter", *"def", "ctrl+s", "j")
        for key in typed:
            bench.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await bench.settle()
        assert asked(bench, "edit")[0]["messages"][-1]["content"].endswith("addressabc\ndef")
        assert bench.screen_name == "Bench"


async def test_a_remedy_is_taken_and_undone() -> None:
    async with opened(desk=FakeDesk(summary=with_checks())) as bench:
        await bench.press("p", "down", "enter")
        page = bench.text()
        for words in (
            "near copies",
            "learns them by heart",
            "keep one",
            "leave out",
            "go to row 3",
        ):
            assert words in page
        await bench.press("down", "enter")
        assert asked(bench, "remedy") == [{"check": "near_copy", "action": "drop"}]
        assert "12 left out" in bench.text()
        await bench.press("p")
        assert "near copies                     ✓ leave out" in bench.text()
        await bench.press("escape", "u")
        assert "left out" not in bench.text()


async def test_rows_of_a_check_are_gone_to_and_stepped_through() -> None:
    async with opened(desk=FakeDesk(summary=with_checks())) as bench:
        pane = bench.app.bench.query_one(DataPane)
        await bench.press("p", "down", "enter", "G", "enter")
        assert pane._at == 35  # row 36 is the last of the check
        seen = []
        for key in ("n", "n", "N", "N", "N"):
            await bench.press(key)
            seen.append(pane._at + 1)
        assert seen == [3, 6, 3, 36, 33]
        assert "▲ near copies" in bench.text()


async def test_saving_never_goes_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tickets-edited.jsonl").write_text("mine")
    async with opened() as bench:
        await bench.press("w", "enter")
        assert "there is such a file already" in bench.text()
        await bench.type("2")
        await bench.press("enter")
        given = asked(bench, "save_as")[0]
        assert given["path"] == str(tmp_path / "tickets-edited.jsonl2")
        assert given["shape"] == "alpaca"
        assert any("300 rows were written" in toast for toast in bench.toasts())


class Outside:
    """In place of the person's own editor: what it makes of a text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
        self.opened: list[str] = []
        self.change = ("", "")
        monkeypatch.setattr(editing, "edited_outside", self)
        monkeypatch.setattr(type(bench.app), "suspend", lambda app: contextlib.nullcontext())

    def __call__(self, text: str) -> str:
        self.opened.append(text)
        return text.replace(*self.change)


async def test_a_row_is_changed_in_the_persons_own_editor(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as bench:
        outside = Outside(monkeypatch, bench)
        await bench.press("E")
        assert asked(bench, "edit") == []  # nothing was changed
        outside.change = ("urgency: low", "urgency: high")
        await bench.press("E")
        messages = asked(bench, "edit")[0]["messages"]
        assert [message["role"] for message in messages] == ["system", "user", "assistant"]
        assert "urgency: high" in messages[2]["content"]


async def test_what_cannot_be_read_back_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as bench:
        outside = Outside(monkeypatch, bench)
        outside.change = ("=== assistant", "=== asistant")
        await bench.press("E")
        assert asked(bench, "edit") == []
        assert any("`=== asistant` names no role" in toast for toast in bench.toasts())
        assert "d goes on with it" in bench.text()
        outside.change = ("=== asistant", "=== assistant")
        await bench.press("d")
        assert "=== asistant" in outside.opened[-1]
        assert len(asked(bench, "edit")) == 1
        assert asked(bench, "draft")[-1]["messages"] is None


def test_the_persons_own_editor_is_run_on_a_private_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "my editor"
    script.write_text('#!/bin/sh\nprintf "more\\n" >> "$2"\n')
    script.chmod(0o700)
    monkeypatch.setenv("VISUAL", f"'{script}' --wait")
    assert editing.edited_outside("=== user\nä\ud800\r\n") == "=== user\nä\ud800\r\nmore\n"
    monkeypatch.setenv("VISUAL", "false")
    with pytest.raises(Problem, match="ended with 1"):
        editing.edited_outside("x")
    monkeypatch.setenv("VISUAL", str(tmp_path / "nowhere"))
    with pytest.raises(Problem, match="could not be run"):
        editing.edited_outside("x")


CALLS = '[{"type": "function", "function": {"name": "log_in", "arguments": {"user": "jo"}}}]'
TOOLS = '[{"type": "function", "function": {"name": "log_in"}}]'


def with_calls() -> FakeDesk:
    desk = FakeDesk()
    desk.rows[0]["tools"] = TOOLS
    desk.rows[0]["messages"] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": CALLS, "trained": True},
        {"role": "tool", "content": "4", "name": "log_in"},
        {"role": "assistant", "content": "b"},
    ]
    return desk


async def test_calls_and_tools_are_changed_as_json_and_a_mistake_is_told_by_its_place() -> None:
    async with opened(WIDE, with_calls()) as bench:
        await bench.press("e", "tab")
        assert '"name": "log_in"' in bench.text()
        editor = bench.app.screen
        assert isinstance(editor, Editor)
        assert editor.tools is not None
        assert editor.tools.text.has_focus
        await bench.press("tab", "tab", "tab")
        calls = editor.turns[1].calls
        assert calls is not None
        assert calls.text.has_focus
        calls.text.load_text('[{"name": "log_out",\n  "arguments": {"a": 1,}}]')
        await bench.press("ctrl+s")
        assert bench.screen_name == "Editor"
        assert "✗ tool calls, line 2, column 24: not valid JSON" in bench.text()
        calls.text.load_text('[{"name": "log_out",\n  "argumnts": {}}]')
        await bench.press("ctrl+s")
        assert '✗ tool calls, line 1, column 2: a call has "argumnts"' in bench.text()
        calls.text.load_text('[{"name": "log_out",\n  "arguments": {"a": 1}}]')
        await bench.press("ctrl+s")
        given = asked(bench, "edit")[0]
        assert "tools" not in given  # they were not touched
        assert given["messages"][1] == {
            "role": "assistant", "content": "", "trained": True,
            "tool_calls": CALLS.replace("log_in", "log_out").replace('"user": "jo"', '"a": 1'),
        }  # fmt: skip
        assert given["messages"][2] == {"role": "tool", "content": "4", "name": "log_in"}


async def test_calls_and_tools_are_added_and_taken_away() -> None:
    async with opened(WIDE, with_calls()) as bench:
        await bench.press("e", "f2")
        editor = bench.app.screen
        assert isinstance(editor, Editor)
        added = editor.turns[3].calls
        assert added is not None
        added.text.load_text('[{"name": "log_out", "arguments": {}, "id": "x1"}]')
        assert editor.tools is not None
        assert editor.turns[1].calls is not None
        editor.tools.text.load_text(" ")
        editor.turns[1].calls.text.load_text("")
        await bench.press("ctrl+s")
        given = asked(bench, "edit")[0]
        assert given["tools"] == ""
        assert "tool_calls" not in given["messages"][1]
        assert '"id": "x1"' in given["messages"][3]["tool_calls"]


async def test_half_written_calls_are_kept_as_they_are() -> None:
    async with opened(WIDE, with_calls()) as bench:
        await bench.press("e", "tab", "tab", "tab")
        editor = bench.app.screen
        assert isinstance(editor, Editor)
        assert editor.turns[1].calls is not None
        editor.turns[1].calls.text.load_text("[{")
        await bench.press("escape", "k")
        kept = asked(bench, "draft")[-1]
        assert (kept["messages"][1]["tool_calls"], kept["tools"]) == ("[{", TOOLS)
        await bench.press("d", "ctrl+s")
        assert "✗ tool calls, line 1, column 3: not valid JSON" in bench.text()
        assert asked(bench, "edit") == []
