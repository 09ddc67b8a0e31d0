"""How fast this machine trains, as measured in earlier runs: floating point operations a second. No torch.

Kept in the cache folder, newest first, by machine, device, precision, method and width of the model.
"""

from __future__ import annotations

import json
import math
import os
import platform
from pathlib import Path
from typing import Any

from engine import paths

FILE = "rates.json"
KEPT = 50
PRODUCTS = "products"
"""Stands for a method where only products of matrices were measured, not a training."""
OF_PRODUCTS = 0.6
"""The part of that rate which a training reaches (measured: 0.5 to 0.7)."""
NOMINAL = {
    "B200": 2250e12, "H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12, "A10": 125e12,
    "L4": 121e12, "3090": 71e12,
}  # fmt: skip
"""Makers' figures for dense bfloat16 products, by a part of the GPU's name."""
OF_NOMINAL = 0.4


def recall(device: str, dtype: str, method: str, hidden: int) -> float:
    """The rate to expect: that of the likest run measured here, else what products allow, else 0."""
    known = [r for r in _read() if (r["device"], r["dtype"]) == (device, dtype)]
    runs = [r for r in known if r["method"] != PRODUCTS]
    if runs:
        likest = min(
            runs,
            key=lambda r: (r["method"] != method, abs(math.log(r["hidden"] / max(1, hidden)))),
        )
        return float(likest["rate"])
    if known:
        return OF_PRODUCTS * float(known[0]["rate"])
    return next((OF_NOMINAL * rate for name, rate in NOMINAL.items() if name in device), 0.0)


def last_dtype(device: str) -> str:
    """The precision that `auto` came to here: as in the newest run, else in the faster products; "" for unknown."""
    known = [r for r in _read() if r["device"] == device]
    runs = [r for r in known if r["method"] != PRODUCTS]
    if runs:
        return str(runs[0]["dtype"])
    fastest = max(known, key=lambda r: float(r["rate"]), default=None)
    return str(fastest["dtype"]) if fastest else ""


def remember(device: str, dtype: str, method: str, hidden: int, rate: float) -> None:
    """Keep a rate; it takes the place of an older one of its kind. A cache that can't be written is no error."""
    kind = {
        "machine": platform.node(), "device": device, "dtype": dtype, "method": method, "hidden": hidden,
    }  # fmt: skip
    others = [r for r in _read(every=True) if {k: r.get(k) for k in kind} != kind]
    path = paths.cache() / FILE
    partial = path.with_name(f".{FILE}-{os.getpid()}")
    try:
        paths.make_private(path.parent)
        partial.write_text(json.dumps([{**kind, "rate": rate}, *others][:KEPT], indent=1))
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)


def _read(*, every: bool = False) -> list[dict[str, Any]]:
    """What was kept of this machine (`every`: of all that share the folder); damaged entries are passed over."""
    path: Path = paths.cache() / FILE
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    whole = (
        [r for r in found if isinstance(r, dict) and _sound(r)] if isinstance(found, list) else []
    )
    return [r for r in whole if every or r["machine"] == platform.node()]


def _sound(entry: dict[str, Any]) -> bool:
    names = all(isinstance(entry.get(n), str) for n in ("machine", "device", "dtype", "method"))
    numbers = all(
        isinstance(entry.get(n), (int, float)) and entry[n] > 0 for n in ("hidden", "rate")
    )
    return names and numbers
