"""What the sandbox can be asked: by name, never by code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.sandbox import arrow_rows, chat_template, gguf_header, parquet_rows

Progress = Callable[[str, int, int], None]
Load = Callable[[], None]
Work = Callable[[dict[str, Any], Progress], Any]

TASKS: dict[str, tuple[Load, Work]] = {
    "arrow": (arrow_rows.load, arrow_rows.convert),
    "arrow columns": (arrow_rows.load, arrow_rows.columns),
    "gguf": (gguf_header.load, gguf_header.check),
    "parquet": (parquet_rows.load, parquet_rows.convert),
    "parquet columns": (parquet_rows.load, parquet_rows.columns),
    "template": (chat_template.load, chat_template.render),
}
"""Each with what it imports before its clock starts."""
