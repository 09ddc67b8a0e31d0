"""Changing the rows of the open data. The desk keeps the changes beside the file, which stays as it is."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import work
from textual.app import SuspendNotSupported
from textual.message import Message

from engine.errors import Cancelled, Problem
from tui import row_file
from tui.messages import Notice
from tui.panes.finding import FindingPane
from tui.rows import Row
from tui.state import Progress
from tui.widgets.turn import Written

if TYPE_CHECKING:
    from engine.desk.client import Call, Desk

NEW = -1
"""The index of a row that is not there yet."""
MOST_CHARACTERS = 200_000
UNREAD = "text"
"""The role under which a text that could not be read back is kept as a draft."""
Messages = list[dict[str, Any]]
Draft = dict[str, Any]
"""What the desk is to keep: `index` (None: a new row), `messages` and `tools`, or `record` and its `text`."""


class EditingPane(FindingPane):
    """Edits, additions, exclusions, remedies and undo; after each the desk counts anew."""

    class Recounted(Message):
        """The rows were changed, and this is their summary now."""

        def __init__(self, summary: dict[str, Any]) -> None:
            super().__init__()
            self.summary = summary

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._change_call: Call | None = None

    def show_facts(self) -> None:
        """Say anew what is in the data."""
        raise NotImplementedError

    # ------------------------------------------------------------ asking the desk

    def _change(
        self, name: str, said: str, draft: Draft | None = None, then: int = 0, **given: Any
    ) -> None:
        """Ask for a change; `draft` is what must not be lost when it is refused, `then` the number of the
        record to go to afterwards."""
        if self._change_call is not None:
            self._refuse_second(draft)
            return
        call = self._desk.call(name, on_progress=self._watch(self._say_counting), **given)
        self._change_call = call
        self._wait_for_change(call, said, draft, then)

    def _refuse_second(self, draft: Draft | None) -> None:
        kept = ": what was written is kept, d goes on with it" if draft else ""
        if draft:
            self._keep_draft(draft)
        self.post_message(Notice(f"The last change is still being counted{kept}", "warning"))

    def _say_counting(self, progress: Progress) -> None:
        if self._change_call is not None:
            self.say(progress.words)

    @work(thread=True, group="change", exit_on_error=False, description="changing rows")
    def _wait_for_change(self, call: Call, said: str, draft: Draft | None, then: int) -> None:
        try:
            summary = call.result()
            if draft is not None:
                self._ask_to_keep(_forgotten(draft)).result()
                summary = {**summary, "draft": None}
        except (Problem, Cancelled) as problem:
            self.app.call_from_thread(self._refused, problem, draft)
        else:
            self.app.call_from_thread(self._changed, summary, said, then)

    def _refused(self, problem: Exception, draft: Draft | None) -> None:
        self._change_call = None
        self._retitle()
        kept = " What was written is kept: d goes on with it." if draft else ""
        if draft:
            self._keep_draft(draft)
        said = "Nothing was changed." if isinstance(problem, Cancelled) else str(problem)
        self.post_message(Notice(said + kept, "error"))

    def _changed(self, summary: dict[str, Any], said: str, then: int) -> None:
        self._change_call = None
        known = self._summary or {}
        self._summary = summary = {**known, **summary}  # what is not counted anew stays
        self.show_facts()
        self._drop_search()
        if then:
            self._store.forget()
            self._seek_number(then)
        else:
            self._store.forget(self._store.side, self._store.where)
            self._want(self._at)
        self.post_message(self.Recounted(summary))
        if said:
            self.post_message(Notice(said))

    # ------------------------------------------------------------ single keys

    def action_exclude(self) -> None:
        """Leave the row out, or take it in again."""
        if row := self.row:
            out = bool(row.get("excluded"))
            said = (
                "The row is in again, as it is in the file"
                if out
                else "The row is left out: u takes it back"
            )
            self._change("restore" if out else "exclude", said, indexes=[int(row["index"])])

    def action_undo(self) -> None:
        edits = (self._summary or {}).get("edits") or {}
        if edits.get("undo"):
            self._change("undo", "The last change was taken back")
        elif self._summary is not None:
            self.post_message(Notice("There is no change to take back"))

    def remedy(self, code: str, action: str) -> None:
        """Take a remedy for the rows of a check."""
        self._change("remedy", "The remedy was taken: u takes it back", check=code, action=action)

    def action_save_as(self) -> None:
        from tui.screens.row_forms import save_form

        def take(answer: dict[str, Any] | None) -> None:
            if answer is not None:
                self._save(answer)

        if self._summary is not None:
            self.app.push_screen(save_form(self._summary), take)

    @work(thread=True, group="save", exit_on_error=False, description="writing rows")
    def _save(self, asked: dict[str, Any]) -> None:
        try:
            told = self._desk.call("save_as", **asked).result()
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
        else:
            self.post_message(Notice(f"{told['rows']:,} rows were written to {told['path']}"))

    # ------------------------------------------------------------ the editor

    def action_edit(self) -> None:
        if row := self.row:
            written = of_row(row)
            if sum(len(str(message["content"])) for message in written.messages) > MOST_CHARACTERS:
                said = "This row is too long to be changed here: E opens it in your own editor"
                self.post_message(Notice(said, "warning"))
            else:
                self._edit(int(row["index"]), written, written)

    def action_add(self) -> None:
        """A new row, with the system prompt that most rows have."""
        if self._summary is not None:
            new = self._new_row()
            self._edit(NEW, new, new)

    def _new_row(self) -> Written:
        system = str((self._summary or {}).get("system") or "")
        first = [{"role": "system", "content": system}] if system else []
        turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]
        return Written([*first, *turns])

    def action_draft(self) -> None:
        """Go on with what was half written when the editor was left."""
        draft = (self._summary or {}).get("draft")
        if not draft:
            self.post_message(Notice("Nothing is half written"))
            return
        index = NEW if draft["index"] is None else int(draft["index"])
        written = Written(list(draft["messages"]), str(draft.get("tools") or ""))
        row = self.row
        was = of_row(row) if row is not None and row["index"] == index else Written([])
        if [message["role"] for message in written.messages] == [UNREAD]:
            text = str(written.messages[0]["content"])
            self._edit_outside(index, text, was.messages, again=True)
        else:
            self._edit(index, written, was)

    def _edit(self, index: int, written: Written, began_as: Written) -> None:
        from tui.screens.editor import Editor

        def keep_draft(half: Written | None) -> None:
            self._keep_draft(_draft_of(index, half))

        def take(answer: Written | None) -> None:
            if answer is not None and answer != began_as:
                self._put(index, answer, began_as.tools)
            elif answer is not None and (self._summary or {}).get("draft"):
                keep_draft(None)  # it was changed and changed back

        title = "a new row" if index == NEW else f"change row {self._number(index):,}"
        self.app.push_screen(Editor(title, written, keep_draft, began_as), take)

    def _number(self, index: int) -> int:
        """What the row is called: its record's number, where it is the one that is shown."""
        row = self.row
        return int(row["number"]) if row is not None and row["index"] == index else index + 1

    def _put(self, index: int, written: Written, tools: str = "") -> None:
        given: dict[str, Any] = {"messages": written.messages}
        if written.tools != tools:
            given["tools"] = written.tools
        draft = _draft_of(index, written)
        if index == NEW:
            self._change("add", "The row was added at the end: u takes it back", draft, **given)
        else:
            self._change(
                "edit", "The row was changed: u takes it back", draft, index=index, **given
            )

    # ------------------------------------------------------------ drafts

    def _keep_draft(self, draft: Draft) -> None:
        """Remember what is half written, here and at once with the desk, so that drafts reach it in their order."""
        if self._summary is not None and self.is_attached:
            half = None if _is_forgotten(draft) else draft
            self._summary = {**self._summary, "draft": half}
            self.show_facts()
        call = self._ask_to_keep(draft)
        if self.is_attached:
            self._wait_for_draft(call)

    def _ask_to_keep(self, draft: Draft) -> Call:
        if "record" in draft:
            return self._desk.call("draft_record", number=draft["record"], text=draft["text"])
        return self._desk.call("draft", **draft)

    @work(thread=True, group="draft", exit_on_error=False, description="keeping the draft")
    def _wait_for_draft(self, call: Call) -> None:
        try:
            call.result()
        except Problem as problem:
            self.post_message(Notice(f"The draft could not be kept: {problem}", "warning"))
        except Cancelled:
            pass

    # ------------------------------------------------------------ the person's own editor

    def action_edit_outside(self) -> None:
        if row := self.row:
            messages = of_row(row).messages
            self._edit_outside(int(row["index"]), row_file.written(messages), messages)

    def _edit_outside(self, index: int, text: str, was: Messages, again: bool = False) -> None:
        """Hand the text over and read it back; `again` when it is a draft and no row is written so."""
        try:
            with self.app.suspend():
                back = edited_outside(text)
        except SuspendNotSupported:
            self.post_message(
                Notice("This terminal cannot hand the screen over; e changes the row here")
            )
            return
        except Problem as problem:
            self.post_message(Notice(str(problem), "error"))
            return
        if back == text and not again:
            return
        try:
            messages = row_file.read(back, was)
        except Problem as problem:
            self._keep_draft(_draft_of(index, Written([{"role": UNREAD, "content": back}])))
            said = f"{problem}. Nothing is lost: d opens what you wrote again"
            self.post_message(Notice(said, "error"))
        else:
            self._put(index, Written(messages))


def _draft_of(index: int, written: Written | None) -> Draft:
    """As the desk names it: None is a row that is not there yet, or nothing that is half written."""
    place = None if index == NEW else index
    if written is None:
        return {"index": place, "messages": None}
    tools = {"tools": written.tools} if written.tools else {}
    return {"index": place, "messages": written.messages, **tools}


def _forgotten(draft: Draft) -> Draft:
    """The same place with nothing half written."""
    if "record" in draft:
        return {**draft, "text": None}
    return {"index": draft["index"], "messages": None}


def _is_forgotten(draft: Draft) -> bool:
    return draft.get("messages") is None and draft.get("text") is None


def of_row(row: Row) -> Written:
    """What a row holds, as the desk shows it."""
    tools = str(row.get("tools") or "")
    if found := row.get("messages"):
        return Written([dict(message) for message in found], tools)
    texts = (("system", row.get("system")), ("user", row["user"]), ("assistant", row["answer"]))
    return Written([{"role": role, "content": text} for role, text in texts if text], tools)


def edited_outside(text: str) -> str:
    """Let the person change a text in $VISUAL or $EDITOR; a Problem when that cannot be."""
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="finetui-") as folder:
        path = Path(folder) / "row.txt"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            ended = subprocess.run([*shlex.split(command), str(path)], check=False).returncode
            back = path.read_bytes()
        except (OSError, ValueError) as error:
            raise Problem(
                "$VISUAL", f"`{command}` could not be run ({error})", "set EDITOR to your editor"
            ) from error
    if ended:
        raise Problem(
            "$VISUAL", f"`{command}` ended with {ended}, so nothing was taken", "try again"
        )
    try:
        return back.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Problem("the row", "what came back is not UTF-8", "save it as UTF-8") from error
