"""From the name of a model to a local folder of safetensors that is safe to load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.config import STARTER
from engine.errors import Problem
from engine.model.gguf import OnProgress

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def quiet(phase: str, done: int, total: int) -> None:
    """Progress for nobody."""


def find(name: str, on_progress: OnProgress = quiet) -> Path:
    """The safetensors folder that `name` means: the starter model, a folder, a GGUF file or a hub id."""
    from engine.model import gguf, hub, starter

    place = Path(name).expanduser()
    if name == STARTER:
        folder = starter.find(on_progress)
    elif place.is_dir():
        folder = place.resolve()
    elif place.is_file() and place.suffix.lower() == ".gguf":
        folder = gguf.convert(place.resolve(), on_progress)
    elif place.is_file():
        raise Problem(
            name,
            "is a file, and not a GGUF one",
            "name the folder that holds config.json and *.safetensors",
        )
    elif name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise Problem(
            name, "there is no such folder", f"check the path, or use the starter model {STARTER}"
        )
    else:
        folder = hub.fetch(name, on_progress)
    check(folder)
    return folder


def check(folder: Path) -> dict[str, Any]:
    """The model's config.json, after refusing what cannot or must not be loaded."""
    where = str(folder)
    if not (folder / "config.json").is_file():
        what = (
            "holds an adapter, not a whole model"
            if (folder / "adapter_config.json").is_file()
            else "has no config.json"
        )
        raise Problem(
            where,
            what,
            "name the folder of a whole model (config.json, *.safetensors, tokenizer.json)",
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise Problem(
            f"{where}/config.json", "is not readable JSON", "fetch the model again"
        ) from error
    _refuse_code(folder, config)
    if (folder / "adapter_config.json").is_file():
        raise Problem(
            where,
            "holds an adapter beside a model, and loading would mix them",
            "move adapter_config.json away",
        )
    weights = list(folder.glob("*.safetensors"))
    if not weights:
        pickled = sorted(f.name for f in folder.iterdir() if f.suffix in PICKLES)
        what = (
            f"holds only pickled weights ({pickled[0]}), which can run code"
            if pickled
            else "has no *.safetensors weights"
        )
        raise Problem(where, what, "use a model saved as safetensors")
    _check_shards(folder, weights)
    if not any(
        (folder / f).is_file()
        for f in ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
    ):
        raise Problem(
            where,
            "has no tokenizer (tokenizer.json)",
            "copy the tokenizer's files beside the weights",
        )
    return config if isinstance(config, dict) else {}


def _refuse_code(folder: Path, config: Any) -> None:
    """No remote code: neither by `auto_map` nor by an attention implementation named like a hub kernel."""
    if not isinstance(config, dict):
        raise Problem(f"{folder}/config.json", "is not an object", "fetch the model again")
    if "auto_map" in config:
        raise Problem(
            f"{folder}/config.json",
            "asks to run its own code (auto_map)",
            "choose a model that transformers knows by itself",
        )
    for key, value in config.items():
        if key.lstrip("_").startswith("attn_implementation") and "/" in str(value):
            raise Problem(
                f"{folder}/config.json",
                f"asks to fetch code ({key}: {str(value)[:60]})",
                f"remove {key} from the file",
            )


def _check_shards(folder: Path, weights: list[Path]) -> None:
    for file in weights:
        with file.open("rb") as stream:
            if stream.read(40).startswith(b"version https://git-lfs"):
                raise Problem(
                    str(file),
                    "is a git-lfs pointer, not weights",
                    "run `git lfs pull` in its folder",
                )
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            named = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, AttributeError, OSError) as error:
            raise Problem(str(index), "is damaged", "fetch the model again") from error
        missing = sorted(named - {file.name for file in weights})
        if missing:
            raise Problem(
                str(folder),
                f"{len(missing)} of {len(named)} weight files are missing ({missing[0]})",
                "fetch the model again",
            )


def facts(folder: Path) -> dict[str, Any]:
    """What a model is, from its config.json alone: size, layers, window, vocabulary."""
    from engine.model.shape import shape_of

    config = check(folder)
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    weights = sum(f.stat().st_size for f in folder.glob("*.safetensors"))
    return {
        "path": str(folder),
        "type": str(config.get("model_type", "")),
        "bytes": weights,
        "layers": text.get("num_hidden_layers"),
        "hidden": text.get("hidden_size"),
        "vocabulary": text.get("vocab_size"),
        "window": text.get("max_position_embeddings"),
        "shape": shape_of(folder, config).to_json(),
    }
