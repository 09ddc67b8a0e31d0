"""One peer's side of the speed comparison; run by the peer's own python, needs nothing of finetui.

    python peer.py TRAINER JOB.json

JOB.json is written by `tests.benchmarks.peers`: model, rows in the order of training, method, dtype and so on.
The last line printed is one JSON object: the ends of the steps, their tokens and label tokens, the losses.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def lora(job: dict[str, Any]) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM", r=job["rank"], lora_alpha=job["alpha"], lora_dropout=0.0, target_modules="all-linear",
    )  # fmt: skip


def load(job: dict[str, Any]) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.float32 if job["as_shipped"] else getattr(torch, job["dtype"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=dtype)
    return model.to("cuda") if torch.cuda.is_available() else model


def arguments(job: dict[str, Any]) -> dict[str, Any]:
    """What both trainers take: the same updates as finetui's, one row after the other."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "output_dir": job["folder"], "per_device_train_batch_size": job["batch"], "max_steps": job["steps"],
        "learning_rate": job["learning_rate"], "lr_scheduler_type": "linear", "warmup_steps": 0, "weight_decay": 0.0,
        "max_grad_norm": 1.0, "logging_steps": 1, "save_strategy": "no", "report_to": [], "use_cpu": not cuda,
        "bf16": job["dtype"] == "bfloat16", "gradient_checkpointing": job["as_shipped"],
        "train_sampling_strategy": "sequential", "seed": job["seed"], "disable_tqdm": True,
    }  # fmt: skip


def trl(job: dict[str, Any], callbacks: list[Any]) -> Any:
    """TRL's SFTTrainer, given finetui's tokens (its own text path also trains the line end after each answer)."""
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"input_ids": row["ids"], "completion_mask": [int(on) for on in row["labels"]]}
        for row in job["rows"]
    ]
    config = SFTConfig(**arguments(job), max_length=job["max_length"], completion_only_loss=True)
    torch.manual_seed(job["seed"])
    return SFTTrainer(
        model=load(job), args=config, train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(job["model"]),
        peft_config=lora(job) if job["method"] == "lora" else None, callbacks=callbacks,
    )  # fmt: skip


def transformers(job: dict[str, Any], callbacks: list[Any]) -> Any:
    """transformers' own Trainer, given finetui's tokens; it pads them."""
    import torch
    from datasets import Dataset
    from peft import get_peft_model
    from transformers import AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

    model = load(job)
    torch.manual_seed(job["seed"])
    if job["method"] == "lora":
        model = get_peft_model(model, lora(job))
    rows = [
        {
            "input_ids": row["ids"],
            "labels": [t if on else -100 for t, on in zip(row["ids"], row["labels"], strict=True)],
        }
        for row in job["rows"]
    ]
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    return Trainer(
        model=model, args=TrainingArguments(**arguments(job)), train_dataset=Dataset.from_list(rows),
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=-100), callbacks=callbacks,
    )  # fmt: skip


def clock(ends: list[float]) -> Any:
    import torch
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            ends.append(time.perf_counter())

    return Clock()


def main() -> None:
    with open(sys.argv[2], encoding="utf-8") as stream:
        job = json.load(stream)
    ends: list[float] = []
    counts: list[tuple[int, int]] = []
    trainer = {"trl": trl, "transformers": transformers}[sys.argv[1]](job, [clock(ends)])
    inner = trainer.compute_loss

    def counted(model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """A row's first token is never a label: nothing stands before it."""
        mask, labels = inputs.get("attention_mask"), inputs["labels"]
        real = int(mask.sum()) if mask is not None else inputs["input_ids"].numel()
        counts.append((real, int((labels[:, 1:] != -100).sum())))
        return inner(model, inputs, *args, **kwargs)

    trainer.compute_loss = counted
    trainer.train()
    history = trainer.state.log_history
    found = {"ends": ends, "losses": [said["loss"] for said in history if "loss" in said]}
    found |= {"tokens": [c[0] for c in counts], "label_tokens": [c[1] for c in counts]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
