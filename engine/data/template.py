"""How a conversation becomes text: rendered in segments, so that it is known which text is an
answer.

The prompt before an answer is rendered with the template's generation prompt, exactly as it is when
the model answers; the answer is what the template adds to it, up to its end-of-turn token.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from engine.data.rows import Message
from engine.errors import Problem
from engine.sandbox import limited

PLAIN_TEMPLATE = (
    "{{ start }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% elif message['role'] == 'user' %}### Instruction:\n{{ message['content'] }}\n\n"
    "{% else %}### Response:\n{{ message['content'] }}{{ eos_token }}\n\n"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Response:\n{% endif %}"
)
"""For models without a chat template: the system text, then headed instructions and responses, each
response ended by the model's own end-of-text token. BOS comes first where the tokenizer would put
it."""

TRY_SECONDS, TRY_MEMORY = 2.0, 2**30
_USER, _ANSWER = "Sample question", "SampleAnswer"


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of rendered text, tokenised on its own. `trained` text is an answer with its end of
    turn."""

    text: str
    trained: bool


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
        self.source, self.kind = _source(tokenizer)
        if self.kind == "model":
            _try_out(self.source, tuple(sorted(_special(tokenizer).items())))
        self._start = _start(tokenizer) if self.kind == "plain" else ""
        self.stops = _stop_texts(tokenizer)
        self.suffix = self._learn_suffix()
        self.end = self._end_of(self.suffix)
        self.adds_end = not self.end
        if self.adds_end and not tokenizer.eos_token:
            raise Problem(
                "chat template",
                "neither it nor the tokenizer has a token that ends an answer",
                "use a model whose tokenizer has an end-of-text token",
            )

    def render(self, messages: tuple[Message, ...], *, prompt: bool) -> str:
        """The conversation as text; with `prompt` the header that asks for an answer is added."""
        tree = [{"role": m.role, "content": m.content} for m in messages]
        try:
            text = self.tokenizer.apply_chat_template(
                tree,
                chat_template=self.source,
                tokenize=False,
                add_generation_prompt=prompt,
                start=self._start,
            )
        except Exception as error:
            raise Unrenderable(f"the chat template refuses it ({_reason(error)})") from error
        return str(text)

    def prompt_segments(self, messages: tuple[Message, ...]) -> list[Segment]:
        """What stands before the next answer. Earlier answers are `trained` segments where the
        template leaves them as they were when they were given; else all of it is one untrained
        segment."""
        whole = self.render(messages, prompt=True)
        segments: list[Segment] = []
        done = ""
        for at, message in enumerate(messages):
            if message.role != "assistant":
                continue
            before = self.render(messages[:at], prompt=True)
            after = self.render(messages[: at + 1], prompt=False)
            if not (before.startswith(done) and after.startswith(before)):
                return [Segment(whole, False)]
            answer = self._without_tail(after[len(before) :])
            segments += [Segment(before[len(done) :], False), Segment(answer, True)]
            done = before + answer
        if not whole.startswith(done):
            return [Segment(whole, False)]
        return [*segments, Segment(whole[len(done) :], False)]

    def segments(self, messages: tuple[Message, ...]) -> list[Segment]:
        """A whole conversation that ends with an answer. Raises Unrenderable."""
        prompt = self.prompt_segments(messages[:-1])
        before = "".join(segment.text for segment in prompt)
        after = self.render(messages, prompt=False)
        if not after.startswith(before):
            raise Unrenderable("the chat template shows the prompt differently once it is answered")
        answer = self._without_tail(after[len(before) :])
        if self.adds_end:
            answer += str(self.tokenizer.eos_token)
        return [*prompt, Segment(answer, True)]

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


def _source(tokenizer: Any) -> tuple[str, Literal["model", "plain"]]:
    if not tokenizer.chat_template:
        return PLAIN_TEMPLATE, "plain"
    try:
        return str(tokenizer.get_chat_template()), "model"
    except ValueError as error:
        raise Problem(
            "chat template",
            "the model has several and none is named default",
            "keep one chat template in the model's folder",
        ) from error


def _start(tokenizer: Any) -> str:
    """BOS where the tokenizer itself begins a text with it."""
    ids = tokenizer("a")["input_ids"]
    begins = tokenizer.bos_token_id is not None and ids and ids[0] == tokenizer.bos_token_id
    return str(tokenizer.bos_token) if begins else ""


def _stop_texts(tokenizer: Any) -> list[str]:
    """Every special token but those that begin a text; eos always."""
    special = [str(t) for t in tokenizer.added_tokens_decoder.values() if t.special]
    if tokenizer.eos_token:
        special.append(str(tokenizer.eos_token))
    begins = {tokenizer.bos_token} - {tokenizer.eos_token}
    return [text for text in dict.fromkeys(special) if text and text not in begins]


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).split("\n")[0][:200]


def template_of(tokenizer: Any) -> Template:
    """The tokenizer's template, made once for as long as its parts stay the same."""
    parts = (str(tokenizer.chat_template), str(tokenizer.eos_token), str(tokenizer.bos_token))
    return _template(tokenizer, parts)


@lru_cache(maxsize=4)
def _template(tokenizer: Any, _parts: tuple[str, ...]) -> Template:
    return Template(tokenizer)


@lru_cache(maxsize=16)
def _try_out(source: str, special: tuple[tuple[str, str], ...]) -> None:
    """A chat template is a foreign program: render it in a limited child before it runs here."""
    limited.run(
        "template",
        {"template": source, "special": dict(special)},
        seconds=TRY_SECONDS,
        memory_bytes=TRY_MEMORY,
        where="chat template",
    )


def _special(tokenizer: Any) -> dict[str, str]:
    names = tokenizer.special_tokens_map.items()
    return {name: value for name, value in names if isinstance(value, str)}
