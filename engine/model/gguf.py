"""GGUF to safetensors, once: weights dequantised, tokenizer made right, kept in the cache.

transformers (5.17 to 5.23, read and measured) passes over `tokenizer.ggml.pre`, the field that says
how text is cut before the merges, so its tokenizer splits digits and line ends wrongly. The
pre-tokenizer is set here from that field; a name that is not in the table is refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine import paths
from engine.errors import Problem
from engine.model.lock import locked

OnProgress = Callable[[str, int, int], None]
BYTES_AT_ONCE = 1 << 24

# Regular expressions of llama.cpp's pre-tokenizers, which name them.
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SINGLE_DIGITS = ("smollm", "starcoder", "refact", "command-r", "codeshell")
BY_EXPRESSION = {
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "qwen2": _QWEN2,
    "deepseek-r1-qwen": _QWEN2,
}
PLAIN = ("gpt-2",)


def convert(file: Path, on_progress: OnProgress, *, digest: str | None = None) -> Path:
    """The cached safetensors folder of a GGUF file, made on first use."""
    folder = paths.cache() / "models" / f"gguf-{(digest or sha256(file))[:24]}"
    if (folder / "config.json").is_file():
        return folder
    with locked(folder):
        if not (folder / "config.json").is_file():
            with committed(folder) as partial:
                write_safetensors(file, partial, on_progress)
    return folder


@contextlib.contextmanager
def committed(folder: Path) -> Iterator[Path]:
    """A fresh folder that takes its name only when the block ends well: nothing half-made stays.

    The caller holds the lock of `folder`, so what an earlier, killed attempt left can be swept.
    """
    paths.make_private(folder.parent)
    for left in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    partial = paths.make_private(folder.parent / f".{folder.name}-{uuid.uuid4().hex[:8]}")
    try:
        yield partial
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_safetensors(file: Path, folder: Path, on_progress: OnProgress) -> None:
    """Read `file` through transformers and save the dense model and the mended tokenizer in `folder`."""
    from engine.sandbox import limited

    on_progress("converting", 0, 3)
    header = limited.run(
        "gguf", {"path": str(file)}, seconds=60, memory_bytes=4 << 30, where=str(file)
    )
    pre = header.get("pre") or ""

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source: dict[str, Any] = {
        "pretrained_model_name_or_path": str(file.parent),
        "gguf_file": file.name,
    }
    try:
        tokenizer = AutoTokenizer.from_pretrained(**source)
        mend_tokenizer(tokenizer, pre, str(file))
        on_progress("converting", 1, 3)
        model = AutoModelForCausalLM.from_pretrained(**source, **_dense(), dtype=torch.float32)
    except Problem:
        raise
    except Exception as error:  # the library's errors are of many kinds and meant for programmers
        raise Problem(
            str(file),
            f"this GGUF file cannot be read ({_first_line(error)})",
            "use a safetensors folder of the model",
        ) from error
    on_progress("converting", 2, 3)
    window = getattr(model.config, "max_position_embeddings", None)
    if window:
        tokenizer.model_max_length = int(window)
    if hasattr(model.config, "quantization_config"):
        del (
            model.config.quantization_config
        )  # else save_pretrained refuses a model that is dense by now
    model.config.name_or_path = ""
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    on_progress("converting", 3, 3)


def _dense() -> dict[str, Any]:
    """Newer transformers keep GGUF weights packed unless told otherwise."""
    try:
        from transformers import GgufConfig
    except ImportError:
        return {}
    return {"quantization_config": GgufConfig(dequantize=True)}


def mend_tokenizer(tokenizer: Any, pre: str, where: str) -> None:
    """Set the pre-tokenizer that `tokenizer.ggml.pre` names (byte-level BPE only)."""
    from tokenizers import Regex, pre_tokenizers

    backend = tokenizer.backend_tokenizer
    if type(backend.model).__name__ != "BPE" or "ByteLevel" not in repr(backend.pre_tokenizer):
        return
    if pre in PLAIN:
        return
    if pre in SINGLE_DIGITS:
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
    elif pre in BY_EXPRESSION:
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(BY_EXPRESSION[pre]), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        raise Problem(
            where,
            f'its way of cutting text ("{pre or "not named"}") is not known here, so its tokens would be wrong',
            "use a safetensors folder of the model",
        )


def sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(BYTES_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0][:200]
