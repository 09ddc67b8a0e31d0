"""A model by its hub id: from the local hub cache, else downloaded; safetensors only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from engine.errors import Problem
from engine.model.gguf import OnProgress

WANTED = ["*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json", "tokenizer*",
          "special_tokens_map.json", "vocab*", "merges.txt", "chat_template*", "added_tokens.json"]  # fmt: skip


def fetch(name: str, on_progress: OnProgress, *, seconds: float = 10) -> Path:
    """The local folder of hub model `name`; a Problem within about `seconds` when the hub is out of reach."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=WANTED, local_files_only=True))
    except HFValidationError as error:
        raise Problem(
            name,
            "is neither a file, a folder nor a hub id",
            "name a model folder, a GGUF file, or owner/model",
        ) from error
    except (LocalEntryNotFoundError, OSError):
        pass
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        raise Problem(
            name,
            "is not in the hub cache, and HF_HUB_OFFLINE=1 forbids fetching it",
            "unset HF_HUB_OFFLINE or name a folder",
        )
    total = _size_at_hub(name, seconds)
    try:
        return Path(
            snapshot_download(
                name, allow_patterns=WANTED, tqdm_class=_reporting(on_progress, total)
            )
        )
    except Exception as error:  # the hub client raises many kinds
        raise _hub_problem(name, error) from error


def _size_at_hub(name: str, seconds: float) -> int:
    """Bytes to fetch; also the quick check that the hub can be reached and holds safetensors."""
    from fnmatch import fnmatch

    from huggingface_hub import HfApi

    try:
        files = HfApi().model_info(name, timeout=seconds, files_metadata=True).siblings or []
    except Exception as error:
        raise _hub_problem(name, error) from error
    wanted = [f for f in files if any(fnmatch(f.rfilename, pattern) for pattern in WANTED)]
    if not any(f.rfilename.endswith(".safetensors") for f in wanted):
        raise Problem(
            name,
            "has no safetensors weights at the hub; other kinds can hold code and are not loaded",
            "choose a model with safetensors",
        )
    return sum(f.size or 0 for f in wanted)


def _reporting(on_progress: OnProgress, total: int) -> type:
    """A tqdm that draws nothing and passes bytes on."""
    from tqdm import tqdm

    fetched = 0

    class Reporting(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **given: Any) -> None:
            self.counts_bytes = given.get("unit") == "B"
            given.pop("name", None)
            super().__init__(*args, **{**given, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal fetched
            if self.counts_bytes:
                fetched = min(fetched + int(n or 0), total)
                on_progress("downloading", fetched, total)
            return None

    return Reporting


def _hub_problem(name: str, error: Exception) -> Problem:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status == 401 or status == 403:
        return Problem(
            name,
            "the hub refuses access (gated, private, or no such model)",
            "accept its terms on the hub and set HF_TOKEN",
        )
    if status == 404:
        return Problem(name, "the hub has no such model", "check the spelling: owner/model")
    words = (str(error) or type(error).__name__).strip().splitlines()[0][:160]
    return Problem(
        name,
        f"the hub cannot be reached ({words})",
        "check the network, or name a model folder or the starter model smollm2-135m",
    )
