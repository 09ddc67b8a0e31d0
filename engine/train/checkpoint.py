"""Checkpoints: written aside, named in a manifest with sha256, committed by one rename, then verified.

No pickle: weights and the optimizer's tensors are safetensors, the rest is JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.errors import Problem
from engine.paths import make_private
from engine.runs import directory
from engine.train.optimizer import Optimizer

MANIFEST = "manifest.json"
STATE = "state.json"
TRAINER = "trainer.safetensors"
BYTES_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class State:
    """Where a run stands after `step` updates. `best_loss` is on the fixed part of the held-out rows."""

    step: int
    best_step: int
    best_loss: float | None


def save(run: Path, model: Any, tokenizer: Any, optimizer: Optimizer, state: State) -> Path:
    """Commit a checkpoint of `state.step`; what stood there under the same name is replaced."""
    folder = make_private(run / directory.CHECKPOINTS)
    partial = make_private(folder / f".tmp-{state.step:06d}-{uuid.uuid4().hex[:8]}")
    try:
        _write(partial, model, tokenizer, optimizer, state)
        return _commit(partial, folder / f"step-{state.step:06d}")
    except OSError as error:
        raise Problem(
            f"{run.name}: step {state.step}",
            f"the checkpoint could not be written ({error.strerror})",
            "free disk space, then resume the run",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(partial: Path, model: Any, tokenizer: Any, optimizer: Optimizer, state: State) -> None:
    from safetensors.torch import save_file

    save_weights(model, tokenizer, partial)
    tensors = {name: t.detach().cpu().contiguous() for name, t in optimizer.state().items()}
    save_file(tensors, partial / TRAINER)
    (partial / STATE).write_text(json.dumps(asdict(state)))
    _write_manifest(partial)


def try_out(run: Path, model: Any, tokenizer: Any, optimizer: Optimizer) -> int:
    """Write a checkpoint and drop it again; its bytes on the disk."""
    folder = make_private(run / directory.CHECKPOINTS)
    partial = make_private(folder / f".tmp-{uuid.uuid4().hex[:8]}")
    try:
        _write(partial, model, tokenizer, optimizer, State(0, 0, None))
        return size(partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def save_weights(model: Any, tokenizer: Any, folder: Path) -> None:
    """The adapter as PEFT reads it, or the whole model as transformers reads it, with its tokenizer."""
    given = {"save_embedding_layers": False} if hasattr(model, "peft_config") else {}
    model.save_pretrained(folder, **given)
    (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    tokenizer.save_pretrained(folder)


def _write_manifest(folder: Path) -> None:
    files = {}
    for path in sorted(folder.iterdir()):
        path.chmod(0o600)
        files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
        _sync(path)
    (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=1))
    _sync(folder / MANIFEST)
    _sync(folder)


def _commit(partial: Path, final: Path) -> Path:
    if final.exists():
        aside = final.with_name(f".tmp-old-{uuid.uuid4().hex[:8]}")
        final.rename(aside)
        partial.rename(final)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        partial.rename(final)
    _sync(final.parent)
    if not verified(final):
        raise Problem(
            str(final), "the checkpoint reads back damaged", "check the disk, then resume the run"
        )
    return final


def verified(folder: Path) -> bool:
    """Whether every file of the manifest is there, whole and unchanged."""
    manifest = directory.read_json(folder / MANIFEST).get("files")
    if not isinstance(manifest, dict) or not manifest:
        return False
    try:
        return all(
            (folder / name).stat().st_size == said["bytes"]
            and sha256(folder / name) == said["sha256"]
            for name, said in manifest.items()
        )
    except (OSError, KeyError, TypeError):
        return False


def checkpoints(run: Path) -> list[Path]:
    """Committed checkpoints, by step."""
    folder = run / directory.CHECKPOINTS
    found = [p for p in folder.glob("step-*") if p.name[5:].isdigit() and (p / MANIFEST).is_file()]
    return sorted(found, key=lambda path: int(path.name[5:]))


def newest(run: Path) -> Path | None:
    """The last checkpoint, by step, that verifies."""
    return next((path for path in reversed(checkpoints(run)) if verified(path)), None)


def read_state(folder: Path) -> State:
    return State(**json.loads((folder / STATE).read_text()))


def load(folder: Path, model: Any, optimizer: Optimizer) -> State:
    """Put a checkpoint's weights and optimizer back; every number is as it was."""
    from safetensors.torch import load_file

    load_weights(folder, model)
    optimizer.load(load_file(folder / TRAINER))
    return read_state(folder)


def load_weights(folder: Path, model: Any) -> None:
    """Replace the trained weights of `model` by those of a checkpoint or `final/` folder."""
    import torch
    from safetensors.torch import load_file

    adapter = folder / "adapter_model.safetensors"
    if adapter.is_file():
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, load_file(adapter))
        return
    here = (
        model.state_dict()
    )  # tied weights under both names, buffers too; the tensors are the model's own
    missing = {name for name, _ in model.named_parameters()}
    with torch.no_grad():
        for file in sorted(folder.glob("model*.safetensors")):
            for name, tensor in load_file(file).items():
                if name not in here or here[name].shape != tensor.shape:
                    raise Problem(
                        str(file),
                        f"holds {name}, which is not a weight of this model",
                        "choose the model that this run was trained from",
                    )
                here[name].copy_(tensor)
                missing.discard(name)
    if missing:
        raise Problem(
            str(folder), f"has no weights for {min(missing)}", "resume from another checkpoint"
        )


def prune(run: Path, keep: int, best_step: int) -> None:
    """Drop all but the best, the newest `keep` and the last; partial ones are swept too."""
    folder = run / directory.CHECKPOINTS
    for path in checkpoints(run)[: -max(keep, 1)]:
        if path.name != f"step-{best_step:06d}":
            shutil.rmtree(path, ignore_errors=True)
    for left in folder.glob(".tmp-*"):
        shutil.rmtree(left, ignore_errors=True)


def publish_final(run: Path, source: Path) -> Path:
    """Make `final/` from a checkpoint: its weights and tokenizer, hard-linked, without the trainer's state."""
    partial = make_private(run / f".final-{uuid.uuid4().hex[:8]}")
    for path in source.iterdir():
        if path.name not in (TRAINER, STATE, MANIFEST):
            _link(path, partial / path.name)
    final = run / directory.FINAL
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    return final


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BYTES_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
