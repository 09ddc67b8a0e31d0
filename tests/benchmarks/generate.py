"""Answers before and after, finetui's beside the two loops a person would write with transformers and PEFT.

    python -m tests.benchmarks.generate [FILE] [--prompts 32] [--tokens 64] [--dtype bfloat16] [--rounds 1] ...

FILE is any data file; the sample data unless given. Its first rows are asked of the base model and of the model
with an adapter (LoRA on all linear layers, random). The plain side calls `model.generate` for one prompt after
the other, first the base model, then PEFT's. Every answer has the same number of tokens. All sides run in
processes of their own, in turns: the plain one as it comes and with our allocator settings, finetui in the desk's
environment. Printed: tokens a second, the largest memory, the ratios, and how many answers are the same; in
float32 all must be, in bfloat16 roundings part them sooner or later.

Run it on an idle machine; only ratios mean something elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from engine import config as settings
from engine.runs import launch

ALLOCATOR = {k: v for k, v in launch.environment().items() if k.startswith("MALLOC_")}
OURS = "finetui"
SIDES: dict[str, tuple[str, dict[str, str]]] = {
    "plain": ("plain", {**os.environ}),
    "plain, our allocator": ("plain", {**os.environ, **ALLOCATOR}),
    OURS: ("ours", launch.environment()),
}


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.generate")
    parser.add_argument("data", nargs="?", help="a data file; the sample data unless given")
    parser.add_argument("--model", default=settings.STARTER)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--sides", nargs="*", default=list(SIDES), choices=list(SIDES))
    parser.add_argument("--job", nargs=2, metavar=("SIDE", "FILE"), help=argparse.SUPPRESS)
    return parser.parse_args()


def prepare(given: argparse.Namespace, folder: Path) -> Path:
    """The prompts' tokens and a random adapter in `folder`; the file that tells a side what to do."""
    from engine.data.opening import open_data
    from engine.data.tokens import prompt_ids
    from engine.model.find import find
    from engine.model.load import load_tokenizer

    model = find(given.model)
    tokenizer = load_tokenizer(model)
    config = settings.load(settings_of_sample()) if given.data is None else settings.Config()
    if given.data:
        config = settings.with_value(config, "data.path", str(Path(given.data).resolve()))
    rows = open_data(config, lambda: tokenizer).rows
    asked = [rows[place] for place in range(min(given.prompts, len(rows)))]
    job = {
        "model": str(model),
        "adapter": str(folder / "adapter"),
        "dtype": given.dtype,
        "tokens": given.tokens,
        "prompts": [prompt_ids(tokenizer, row.prompt, row.tools, raw=row.raw) for row in asked],
    }
    random_adapter(model, given.rank, folder / "adapter")
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    return path


def settings_of_sample() -> Path:
    from engine import paths

    return paths.sample_config()


def random_adapter(model: Path, rank: int, folder: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = LoraConfig(
        task_type="CAUSAL_LM", r=rank, lora_alpha=2 * rank, target_modules="all-linear"
    )
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(model), config)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.01)
    adapted.save_pretrained(folder)


def plain(job: dict[str, Any]) -> tuple[list[float], list[str]]:
    """Two loops over the prompts; the seconds of each and the answers, base then tuned."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=getattr(torch, job["dtype"]))
    model = model.to("cuda") if torch.cuda.is_available() else model

    def loop(model: Any, prompts: list[list[int]], tokens: int) -> tuple[float, list[str]]:
        answers = []
        began = time.perf_counter()
        for prompt in prompts:
            ids = torch.tensor([prompt], device=model.device)
            out = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False,
                max_new_tokens=tokens, min_new_tokens=tokens,
            )  # fmt: skip
            answers.append(tokenizer.decode(out[0, len(prompt) :], skip_special_tokens=True))
        return time.perf_counter() - began, answers

    loop(model, job["prompts"][:1], 2)
    base, base_answers = loop(model, job["prompts"], job["tokens"])
    tuned_model = PeftModel.from_pretrained(model, job["adapter"])
    loop(tuned_model, job["prompts"][:1], 2)
    tuned, tuned_answers = loop(tuned_model, job["prompts"], job["tokens"])
    return [base, tuned], base_answers + tuned_answers


def ours(job: dict[str, Any]) -> tuple[list[float], list[str]]:
    """Both sides by the desk's own functions, streamed; the seconds and the answers, base then tuned."""
    from engine.judge.generate import generate
    from engine.model import load
    from engine.model.adapt import load_adapter

    folder, prompts = Path(job["model"]), job["prompts"]
    device = load.pick_device("auto")
    tokenizer = load.load_tokenizer(folder)
    model = load.load_model(folder, load.pick_dtype(job["dtype"], device), device)
    model = load_adapter(model, job["adapter"])
    ends: list[int] = []  # no token ends an answer
    streamed = [""] * (2 * len(prompts))

    def on_text(place: int, text: str) -> None:
        streamed[place] += text

    generate(model, tokenizer, prompts[:1] * 2, ends, 2, without_adapter=[0])
    began = time.perf_counter()
    answers = generate(
        model, tokenizer, prompts * 2, ends, job["tokens"],
        without_adapter=range(len(prompts)), on_text=on_text,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    assert streamed == [answer.text for answer in answers]
    return [seconds], streamed


def run(side: str, job: Path) -> dict[str, Any]:
    """One side in a process of its own."""
    which, environment = SIDES[side]
    command = [sys.executable, "-m", "tests.benchmarks.generate", "--job", which, str(job)]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def report(given: argparse.Namespace, job: Path, found: dict[str, list[dict[str, Any]]]) -> None:
    lengths = [len(p) for p in json.loads(job.read_text())["prompts"]]
    tokens = 2 * len(lengths) * given.tokens
    print(
        f"{len(lengths)} prompts of {min(lengths)} to {max(lengths)} tokens, base and adapter (rank {given.rank}), "
        f"{given.tokens} new tokens each, {given.dtype}; medians of {given.rounds}"
    )
    seconds = {s: statistics.median(sum(t["seconds"]) for t in told) for s, told in found.items()}
    for side, told in found.items():
        parts = " + ".join(f"{part:.1f}" for part in told[-1]["seconds"])
        print(
            f"{side:<22} {tokens / seconds[side]:7.1f} tokens/s  {seconds[side]:7.1f} s ({parts})  "
            f"peak {told[-1]['memory'] / 1e9:.2f} GB"
        )
    if OURS not in found:
        return
    for side in found:
        if side != OURS:
            pairs = zip(found[side][0]["answers"], found[OURS][0]["answers"], strict=True)
            same = sum(theirs == own for theirs, own in pairs)
            print(
                f"{OURS} is {seconds[side] / seconds[OURS]:.1f} times as fast as {side}; "
                f"{same} of {2 * len(lengths)} answers are the same"
            )


def main() -> None:
    given = options()
    if given.job:
        which, path = given.job
        job = json.loads(Path(path).read_text())
        seconds, answers = {"plain": plain, "ours": ours}[which](job)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "answers": answers, "memory": memory}))
        return
    with tempfile.TemporaryDirectory() as folder:
        job_file = prepare(given, Path(folder))
        found: dict[str, list[dict[str, Any]]] = {side: [] for side in given.sides}
        for _ in range(given.rounds):
            for side, told in found.items():
                told.append(run(side, job_file))
        report(given, job_file, found)


if __name__ == "__main__":
    main()
