"""Prompts and their answers by the base and the tuned model: asked of the desk, kept once given."""

from __future__ import annotations

import json
import queue
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, get_args

from engine.config import Config
from engine.data.rows import messages_from_json
from tui.state import Progress

if TYPE_CHECKING:
    from engine.desk.client import Call, Desk

Side = Literal["base", "tuned"]
SIDES: tuple[Side, ...] = get_args(Side)
Messages = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Prompt:
    """What both models are asked. `number` counts the held-out rows from 1; 0 is a typed one."""

    messages: Messages
    reference: str = ""
    number: int = 0
    whole: str = ""
    """All of it as JSON, where it holds more than roles and texts: tool calls, definitions."""

    @property
    def system(self) -> str:
        return "\n".join(text for role, text in self.messages if role == "system")

    @property
    def words(self) -> str:
        """What is asked; with a speaker's name before each turn when there are several."""
        turns = [(role, text) for role, text in self.messages if role != "system"]
        if len(turns) == 1:
            return turns[0][1]
        return "\n".join(f"{role}: {text}" for role, text in turns)

    def to_json(self) -> dict[str, Any]:
        if self.whole:
            whole: dict[str, Any] = json.loads(self.whole)
            return whole
        return {"messages": [{"role": role, "content": text} for role, text in self.messages]}


@dataclass(frozen=True)
class Answer:
    """An answer, whole or so far. `ended`: the model ended it; else it was cut at the limit."""

    text: str
    tokens: int = 0
    seconds: float = 0.0
    ended: bool = True
    whole: bool = True

    @property
    def form(self) -> str:
        """`34 tokens 2.1 s`, and whether it was cut."""
        count = f"{self.tokens:,} token{'' if self.tokens == 1 else 's'}"
        return f"{count} {self.seconds:.1f} s" + ("" if self.ended else " cut")


@dataclass(frozen=True)
class Source:
    """Who answers: the model of a config, and a run's weights where there are some."""

    config: Config
    run: Path | None = None
    trained: bool = False
    step: int = 0
    """After how many updates the run's weights were saved."""

    @property
    def sides(self) -> tuple[Side, ...]:
        return SIDES if self.trained else ("base",)

    def key(self, prompt: Prompt, side: Side) -> tuple[object, ...]:
        """What an answer depends on; the base model's outlives a run."""
        who = self.config.model.name if side == "base" else f"{self.run}@{self.step}"
        return (side, who, self.config.compare.max_tokens, prompt.messages, prompt.whole)


Kept = dict[tuple[object, ...], Answer]


@dataclass
class Asking:
    """One call to the desk. Its items come in the desk's thread and wait on `arrived`."""

    source: Source
    prompts: list[Prompt]
    sides: tuple[Side, ...]
    arrived: queue.SimpleQueue[dict[str, Any]] = field(default_factory=queue.SimpleQueue)
    texts: dict[tuple[Prompt, Side], str] = field(default_factory=dict)
    phase: str = ""
    began: float = field(default_factory=monotonic)
    call: Call | None = None

    def begin(self, desk: Desk) -> None:
        self.call = desk.call(
            "answers",
            on_progress=self._progressed,
            on_item=self.arrived.put,
            run=str(self.source.run) if self.source.trained else None,
            config=self.source.config.to_dict(),
            prompts=[prompt.to_json() for prompt in self.prompts],
            sides=list(self.sides),
            max_tokens=self.source.config.compare.max_tokens,
        )

    def drain(self) -> bool:
        """Take in what has come; whether there was anything."""
        came = False
        while True:
            try:
                item = self.arrived.get_nowait()
            except queue.Empty:
                return came
            came = True
            self._take(item)

    def so_far(self, prompt: Prompt, side: Side) -> Answer | None:
        """What has been written of an answer; None when it was not asked."""
        if prompt not in self.prompts or side not in self.sides:
            return None
        return Answer(self.texts.get((prompt, side), ""), whole=False)

    def answers(self, result: Mapping[str, Any]) -> Kept:
        """The whole answers of the call's result."""
        return {
            self.source.key(prompt, side): answer(given[side])
            for prompt, given in zip(self.prompts, result["answers"], strict=False)
            for side in self.sides
            if side in given
        }

    def _progressed(self, phase: str, done: int, total: int) -> None:
        self.arrived.put({"phase": phase, "done": done, "total": total})

    def _take(self, item: dict[str, Any]) -> None:
        if "phase" in item:
            self.phase = Progress(item["phase"], item["done"], item["total"]).words
            return
        place = (self.prompts[item["prompt"]], item["side"])
        self.texts[place] = self.texts.get(place, "") + item["text"]


def answer(given: Mapping[str, Any]) -> Answer:
    return Answer(given["text"], given["tokens"], given["seconds"], given["stopped"])


def held_out(result: Mapping[str, Any], before: int = 0) -> list[Prompt]:
    """The prompts of some held-out rows, as the desk gives them; `before` counts those that came before."""
    return [
        prompt_of(given, given.get("reference") or "", number)
        for number, given in enumerate(result["prompts"], start=before + 1)
    ]


def all_held_out(desk: Desk, run: str) -> list[Prompt]:
    """The prompts of every held-out row of a run, fetched a page at a time."""
    found: list[Prompt] = []
    start, total = 0, 1
    while start < total:
        page = desk.call("held_out", run=run, start=start).result()
        found += held_out(page, len(found))
        start, total = start + int(page["most"]), int(page["total"])
    return found


def prompt_of(given: Mapping[str, Any], reference: str, number: int) -> Prompt:
    """A prompt of `messages`, `tools` and `raw` as the desk writes them."""
    tree = {name: given[name] for name in ("messages", "tools", "raw") if given.get(name)}
    plain = all(turn.keys() <= {"role", "content"} for turn in given["messages"])
    turns = messages_from_json(given["messages"])
    return Prompt(
        messages=tuple((turn.role, turn.text) for turn in turns),
        reference=reference,
        number=number,
        whole="" if plain and len(tree) == 1 else json.dumps(tree),
    )


def commonest_system(prompts: Iterable[Prompt]) -> str:
    """The system prompt most rows have; empty when most have none."""
    counted = Counter(prompt.system for prompt in prompts)
    return counted.most_common(1)[0][0] if counted else ""


def typed(system: str, words: str) -> Prompt:
    turns = (("system", system),) if system.strip() else ()
    return Prompt((*turns, ("user", words)))
