"""A run's settings: the knobs (`sections`), their table (`table`), their files (`reading`)."""

from engine.config.reading import (
    as_text,
    dump,
    from_dict,
    load,
    parse_value,
    read_yaml,
    with_settings,
    with_text,
    with_value,
)
from engine.config.sections import (
    ADAPTER_RATE,
    FULL_RATE,
    STARTER,
    Compare,
    Config,
    Data,
    Eval,
    Method,
    Model,
    Runtime,
    Save,
    Train,
)
from engine.config.table import Knob, find_knob, knobs

__all__ = [
    "ADAPTER_RATE", "FULL_RATE", "STARTER", "Compare", "Config", "Data", "Eval", "Knob", "Method", "Model",
    "Runtime", "Save", "Train", "as_text", "dump", "find_knob", "from_dict", "knobs", "load", "parse_value",
    "read_yaml", "with_settings", "with_text", "with_value",
]  # fmt: skip
