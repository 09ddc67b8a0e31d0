"""What the sandbox can be asked: by name, never by code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.sandbox import chat_template, gguf_header, parquet_rows

Progress = Callable[[str, int, int], None]
Load = Callable[[], None]
Work = Callable[[dict[str, Any], Progress], Any]

TASKS: dict[str, tuple[Load, Work]] = {
    "gguf": (gguf_header.load, gguf_header.check),
    "parquet": (parquet_rows.load, parquet_rows.convert),
    "template": (chat_template.load, chat_template.render),
}
"""Each with what it imports before its clock starts."""
