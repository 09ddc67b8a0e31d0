"""Weights and tokenizer into memory, in the precision this machine is faster in."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import machine
from engine.errors import Problem

if TYPE_CHECKING:
    import torch

PROBE_ROUNDS = 3
PRODUCT = (512, 576, 1536)
"""Rows, width and outputs of the product that is tried."""
FASTER_BY = 1.2


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of a model folder, with its window as `model_max_length`."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the library raises many kinds
        raise _unreadable(folder, "its tokenizer", error) from error
    if not tokenizer.is_fast:
        raise Problem(
            str(folder),
            "has no fast tokenizer (tokenizer.json)",
            "use a model with a tokenizer.json",
        )
    window = json.loads((folder / "config.json").read_text(encoding="utf-8")).get(
        "max_position_embeddings"
    )
    if window and tokenizer.model_max_length > window:
        tokenizer.model_max_length = int(window)
    return tokenizer


def load_model(folder: Path, dtype: torch.dtype, device: str) -> Any:
    """The causal language model of a safetensors folder: on `device`, in `dtype`, without remote code."""
    from transformers import AutoModelForCausalLM

    from engine.model import attend

    attend.register()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
        )
    except Exception as error:  # the library raises many kinds
        raise _unreadable(folder, "this model", error) from error
    return model.to(device)


def _unreadable(folder: Path, what: str, error: Exception) -> Problem:
    words = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
    return Problem(
        str(folder),
        f"{what} cannot be loaded ({words})",
        "fetch the model again, or choose another",
    )


def pick_device(wanted: str) -> str:
    """`auto` is the first GPU that this process may see (the launcher shows it the emptiest), else the CPU."""
    import torch

    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise Problem(
            "runtime.device",
            f"{wanted} was asked for, and torch sees no GPU here",
            "run `finetui doctor`, or set it to auto",
        )
    if wanted.startswith("cuda:") and int(wanted.split(":")[1]) >= torch.cuda.device_count():
        raise Problem(
            "runtime.device",
            f"{wanted} was asked for, and there are {torch.cuda.device_count()} GPUs",
            "choose a lower number",
        )
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return _emptiest()
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _emptiest() -> str:
    """Of several GPUs the emptiest. A CUDA_VISIBLE_DEVICES of the person's renumbers them: then the first."""
    import torch

    if torch.cuda.device_count() == 1 or "CUDA_VISIBLE_DEVICES" in os.environ:
        return "cuda:0"
    chosen = machine.emptiest(
        machine.read_gpus()
    )  # in the order of the bus, as CUDA_DEVICE_ORDER says
    return f"cuda:{chosen.index}" if chosen else "cuda:0"


def pick_dtype(wanted: str, device: str) -> torch.dtype:
    """As asked for; `auto` takes bfloat16 where a matrix product measured here is faster in it."""
    import torch

    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device == "mps":
        return torch.float32
    return (
        torch.bfloat16
        if product_seconds(torch.float32) > FASTER_BY * product_seconds(torch.bfloat16)
        else torch.float32
    )


def product_seconds(dtype: torch.dtype) -> float:
    """The quickest of a few products of a layer's shape."""
    import torch

    rows, width, out = PRODUCT
    left, right = torch.randn(rows, width, dtype=dtype), torch.randn(out, width, dtype=dtype)
    times = []
    for _ in range(PROBE_ROUNDS + 1):
        began = time.perf_counter()
        torch.nn.functional.linear(left, right)
        times.append(time.perf_counter() - began)
    return min(times[1:])
