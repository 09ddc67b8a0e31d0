"""Where a tokenizer's chat template comes from, and the tokens it is written with."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from engine.errors import Problem
from engine.sandbox import limited

PLAIN_TEMPLATE = (
    "{{ start }}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}\n\n"
    "{% elif message['role'] == 'user' %}### Instruction:\n{{ message['content'] }}\n\n"
    "{% elif message['role'] == 'tool' %}### Result:\n{{ message['content'] }}\n\n"
    "{% else %}### Response:\n{{ message['content'] }}{{ eos_token }}\n\n"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}### Response:\n{% endif %}"
)
"""For models without a chat template: the system text, then headed instructions and responses, each
response ended by the model's own end-of-text token. BOS comes first where the tokenizer would put
it."""

TRY_SECONDS, TRY_MEMORY = 2.0, 2**30


def source_of(tokenizer: Any) -> tuple[str, Literal["model", "plain"]]:
    """The chat template, tried out in a limited child; the plain one where there is none. Raises
    Problem."""
    if not tokenizer.chat_template:
        return PLAIN_TEMPLATE, "plain"
    try:
        source = str(tokenizer.get_chat_template())
    except ValueError as error:
        raise Problem(
            "chat template",
            "the model has several and none is named default",
            "keep one chat template in the model's folder",
        ) from error
    _try_out(source, tuple(sorted(_special(tokenizer).items())))
    return source, "model"


def begin_of(tokenizer: Any) -> str:
    """BOS where the tokenizer itself begins a text with it."""
    ids = tokenizer("a")["input_ids"]
    begins = tokenizer.bos_token_id is not None and ids and ids[0] == tokenizer.bos_token_id
    return str(tokenizer.bos_token) if begins else ""


def stop_texts(tokenizer: Any) -> list[str]:
    """Every special token but those that begin a text; eos always."""
    special = [str(t) for t in tokenizer.added_tokens_decoder.values() if t.special]
    if tokenizer.eos_token:
        special.append(str(tokenizer.eos_token))
    begins = {tokenizer.bos_token} - {tokenizer.eos_token}
    return [text for text in dict.fromkeys(special) if text and text not in begins]


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
