"""How a conversation becomes text: rendered in segments, so that it is known which text is an
answer.

The prompt before an answer is rendered with the template's generation prompt, exactly as it is when
the model answers; the answer is what the template adds to it, up to its end-of-turn token.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from engine.data import tool_text
from engine.data.rows import Message
from engine.data.template_source import begin_of, source_of, stop_texts
from engine.errors import Problem

_USER, _ANSWER = "Sample question", "SampleAnswer"


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of rendered text, tokenised on its own. An `answer` is what a model writes, with its
    end of turn, so its first token stands in the middle of a text; a `trained` one is learned."""

    text: str
    trained: bool
    answer: bool = False


class Unrenderable(Exception):
    """The template cannot show a conversation in a way that tells its answer apart."""


class Template:
    """A tokenizer's chat template, or the plain one where it has none.

    `end` is the text that ends an answer (an end-of-turn token, with what the template puts before
    it); `adds_end` is true where the template has none, so that the end-of-text token is put there
    by us.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.source, self.kind = source_of(tokenizer)
        self._begin = begin_of(tokenizer)
        self._start = self._begin if self.kind == "plain" else ""
        self.shown = tool_text.ALL
        self.stops = stop_texts(tokenizer)
        self.suffix = self._learn_suffix()
        self.end = self._end_of(self.suffix)
        self.adds_end = not self.end
        if self.adds_end and not tokenizer.eos_token:
            raise Problem(
                "chat template",
                "neither it nor the tokenizer has a token that ends an answer",
                "use a model whose tokenizer has an end-of-text token",
            )
        self.shown = tool_text.learn(self._shows)

    def render(self, messages: tuple[Message, ...], tools: str = "", *, prompt: bool) -> str:
        """The conversation as text; with `prompt` the header that asks for an answer is added."""
        missing = tool_text.left_out(messages, self.shown)
        if missing:
            raise Unrenderable(missing)
        return self._render(messages, tools, self.shown, prompt=prompt)

    def _render(
        self, messages: tuple[Message, ...], tools: str, shown: tool_text.Shown, *, prompt: bool
    ) -> str:
        try:
            text = self.tokenizer.apply_chat_template(
                [_turn(message) for message in tool_text.in_words(messages, tools, shown)],
                tools=json.loads(tools) if tools and shown.definitions else None,
                chat_template=self.source,
                tokenize=False,
                add_generation_prompt=prompt,
                start=self._start,
            )
        except Exception as error:
            raise Unrenderable(f"the chat template refuses it ({_reason(error)})") from error
        return str(text)

    def prompt_segments(
        self, messages: tuple[Message, ...], tools: str = "", *, raw: bool = False
    ) -> list[Segment]:
        """What stands before the next answer. Earlier answers are segments of their own where the
        template leaves them as they were when they were given; else all of it is one untrained
        segment."""
        if raw:
            return self._raw_segments(messages)
        whole = self.render(messages, tools, prompt=True)
        segments: list[Segment] = []
        done = ""
        for at, message in enumerate(messages):
            if message.role != "assistant":
                continue
            before = self.render(messages[:at], tools, prompt=True)
            after = self.render(messages[: at + 1], tools, prompt=False)
            if not (before.startswith(done) and after.startswith(before)):
                return [Segment(whole, False)]
            answer = self._without_tail(after[len(before) :])
            segments += [
                Segment(before[len(done) :], False),
                Segment(answer, message.learned, answer=True),
            ]
            done = before + answer
        if not whole.startswith(done):
            return [Segment(whole, False)]
        return [*segments, Segment(whole[len(done) :], False)]

    def segments(
        self, messages: tuple[Message, ...], tools: str = "", *, raw: bool = False
    ) -> list[Segment]:
        """A whole row, up to its last learned answer: nothing is learned from what comes after.
        Raises Unrenderable."""
        if raw:
            return self._with_end(self._raw_segments(messages))
        last = max((at for at, m in enumerate(messages) if m.learned), default=-1)
        if last < 0:
            raise Unrenderable("no answer in it is to be learned")
        messages = messages[: last + 1]
        prompt = self.prompt_segments(messages[:-1], tools)
        before = "".join(segment.text for segment in prompt)
        after = self.render(messages, tools, prompt=False)
        if not after.startswith(before):
            raise Unrenderable("the chat template shows the prompt differently once it is answered")
        answer = self._without_tail(after[len(before) :])
        if self.adds_end:
            answer += str(self.tokenizer.eos_token)
        return [*prompt, Segment(answer, True, answer=True)]

    def _raw_segments(self, messages: tuple[Message, ...]) -> list[Segment]:
        """Texts without a template, behind BOS where the tokenizer begins a text with it."""
        first = messages[0].content if messages else ""
        begin = self._begin if not (self._begin and first.startswith(self._begin)) else ""
        return [
            *([Segment(begin, False)] if begin else []),
            *(Segment(m.content, m.learned, answer=at > 0) for at, m in enumerate(messages)),
        ]

    def _with_end(self, segments: list[Segment]) -> list[Segment]:
        """The same with the end-of-text token behind it, where it is not there already."""
        eos = str(self.tokenizer.eos_token or "")
        if not segments or not eos or segments[-1].text.rstrip().endswith(eos):
            return segments
        last = segments[-1]
        return [*segments[:-1], Segment(last.text + eos, last.trained, answer=last.answer)]

    def _shows(
        self, messages: tuple[Message, ...], tools: str, shown: tool_text.Shown, texts: list[str]
    ) -> bool:
        """Can all of `texts` be read in the conversation, rendered as `shown` says?"""
        try:
            rendered = self._render(messages, tools, shown, prompt=False)
        except Unrenderable:
            return False
        return all(text in rendered for text in texts)

    def _learn_suffix(self) -> str:
        """What the template puts behind an answer, seen on a sample conversation."""
        user = (Message("user", _USER),)
        try:
            text = self.render((*user, Message("assistant", _ANSWER)), prompt=False)
        except Unrenderable as error:
            raise Problem(
                "chat template", str(error), "use a model with a working chat template"
            ) from error
        if _ANSWER not in text:
            raise Problem(
                "chat template",
                "it leaves the answer out",
                "use a model with a working chat template",
            )
        return text[text.rindex(_ANSWER) + len(_ANSWER) :]

    def _end_of(self, suffix: str) -> str:
        """The suffix up to and with its first stop token; empty when it has none."""
        found = [(suffix.index(stop), -len(stop), stop) for stop in self.stops if stop in suffix]
        if not found:
            return ""
        at, _, stop = min(found)
        return suffix[: at + len(stop)]

    def _without_tail(self, answer: str) -> str:
        """The answer with its end of turn and nothing after it."""
        if answer.endswith(self.suffix):
            bare = answer[: len(answer) - len(self.suffix)]
            return bare + self.end
        at = answer.rfind(self.end) if self.end else -1
        return answer[: at + len(self.end)] if at >= 0 else answer


def _turn(message: Message) -> dict[str, Any]:
    """A message as chat templates take it."""
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        turn["tool_calls"] = message.calls
    if message.name:
        turn["name"] = message.name
    if message.tool_call_id:
        turn["tool_call_id"] = message.tool_call_id
    return turn


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n")[0][:200]


def template_of(tokenizer: Any) -> Template:
    """The tokenizer's template, made once for as long as its parts stay the same."""
    parts = (str(tokenizer.chat_template), str(tokenizer.eos_token), str(tokenizer.bos_token))
    return _template(tokenizer, parts)


@lru_cache(maxsize=4)
def _template(tokenizer: Any, _parts: tuple[str, ...]) -> Template:
    return Template(tokenizer)
