"""The recorded desk and run behind the faces that the app knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine import events
from engine.events import Body, Event
from tests.tui.fake_desk import FakeDesk, FakeFollower, FakeRuns
from tests.tui.recorded.record import HERE, HOME, read_desk

RUN = Path(HOME) / "001-tickets"


def recorded_events() -> list[Event]:
    lines = (HERE / "events.jsonl").read_text(encoding="utf-8").splitlines()
    found = [event for line in lines if (event := events.decode(line))]
    assert len(found) == len(lines)
    return found


def story_until(
    step: int | None = None, phase: str = "", ending: Body | None = None
) -> list[Event]:
    """The recorded run up to an update, or to the first time that a phase began; then a last word."""
    told: list[Event] = []
    for event in recorded_events():
        told.append(event)
        body = event.body
        if step is not None and isinstance(body, events.Step) and body.step >= step:
            break
        if phase and isinstance(body, events.PhaseBegan) and body.name == phase:
            break
    if ending is not None:
        last = told[-1]
        told.append(Event(last.run, last.seq + 1, last.attempt, last.time + 1.0, ending))
    return told


class ReplayDesk(FakeDesk):
    """Answers with what the real desk said; `hold` and `problem` as in FakeDesk, `said` names the record."""

    def __init__(self, said: str = "desk.json", **given: Any) -> None:
        self.said = {"rows": {"rows": [], "total": 0}, **read_desk(said)}
        super().__init__(
            summary=self.said["summary"], rows=self.said["rows"]["rows"], run=RUN, **given
        )

    def _answer(
        self, name: str, given: dict[str, Any], on_item: Callable[[dict[str, Any]], None] | None
    ) -> dict[str, Any]:
        if name == "held_out":
            return dict(self.said.get("held_out", {"prompts": [], "total": 0, "most": 500}))
        if name in ("tokens", "record") and name in self.said:
            return dict(self.said[name])
        if name == "answers":
            return self._recorded_answers(given, on_item)
        found = super()._answer(name, given, on_item)
        return (
            {**found, "total": self.said["rows"]["total"]}
            if name == "rows" and not given.get("side")
            else found
        )

    def _recorded_answers(
        self, given: dict[str, Any], on_item: Callable[[dict[str, Any]], None] | None
    ) -> dict[str, Any]:
        prompts = [p["messages"] for p in self.said["held_out"]["prompts"]]
        found = []
        for place, prompt in enumerate(given["prompts"]):
            answer = self.said["answers"]["answers"][prompts.index(prompt["messages"])]
            found.append({side: answer[side] for side in given["sides"]})
            for side in given["sides"]:
                if on_item:
                    on_item(
                        {"prompt": place, "side": side, "text": answer[side]["text"], "done": False}
                    )
                    on_item({"prompt": place, "side": side, "text": "", "done": True})
        return {"answers": found, "step": self.said["answers"]["step"]}


class ReplayRuns(FakeRuns):
    """Follows the recorded run."""

    def __init__(self, told: list[Event]) -> None:
        super().__init__()
        self.told = told

    def follow(self, path: Path) -> FakeFollower:
        self.follower = FakeFollower(self.told)
        return self.follower
