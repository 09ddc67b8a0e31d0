"""A foreign chat template, rendered once on a sample: it must end, and not write without end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from engine.errors import Problem

MOST_CHARACTERS = 1_000_000
SAMPLE: tuple[dict[str, Any], ...] = (
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "How are you?"},
    {"role": "assistant", "content": "Well."},
)
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "it"}}}
CALLING: tuple[dict[str, Any], ...] = (
    {"role": "user", "content": "Look."},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "name": "look", "content": "Seen."},
    {"role": "assistant", "content": "I have seen it."},
)
FIX = "use a model with a working chat template"


def load() -> None:
    import jinja2.ext
    import jinja2.sandbox  # noqa: F401


def render(arguments: dict[str, Any], _progress: Callable[[str, int, int], None]) -> dict[str, int]:
    """Render `template` with the `special` tokens, without tools and with them; {"characters":
    its length}.

    What the template itself refuses (raise_exception) is its right and no Problem: the sample may
    not be to its liking. A syntax error is one, with its line.
    """
    import jinja2

    try:
        template = _environment().from_string(str(arguments["template"]))
    except jinja2.TemplateSyntaxError as error:
        raise Problem(
            f"line {error.lineno}", f"not a valid template ({error.message})", FIX
        ) from error
    except RecursionError as error:
        raise Problem("", "the chat template is nested too deeply", FIX) from error
    longest = 0
    for prompt, messages, tools in (
        (True, SAMPLE[:-1], None),
        (False, SAMPLE, None),
        (False, CALLING, [TOOL]),
    ):
        variables = {
            **arguments.get("special", {}),
            "add_generation_prompt": prompt,
            "tools": tools,
        }
        longest = max(longest, _length(template, messages, variables))
    return {"characters": longest}


def _length(template: Any, messages: tuple[dict[str, Any], ...], variables: dict[str, Any]) -> int:
    import jinja2
    from jinja2.exceptions import SecurityError

    length = 0
    try:
        for piece in template.generate(messages=list(messages), documents=None, **variables):
            length += len(piece)
            if length > MOST_CHARACTERS:
                raise Problem("", "the chat template writes more than 1 MB for a short sample", FIX)
    except SecurityError as error:
        raise Problem(
            "", f"the chat template reaches for what it may not ({error})", FIX
        ) from error
    except (jinja2.TemplateError, TypeError, ValueError, LookupError, OverflowError):
        return length
    return length


def _environment() -> Any:
    """As transformers sets it up, so that what renders here renders there."""
    import jinja2
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks answers for masks; here it shows its body and nothing else."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None, **rest: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **rest)
