"""The reference: one row at a time, fp32, a plain loop that shares no line with the engine.

Loss of an update = sum of negative log-likelihoods of its label tokens / their number;
torch.optim.AdamW, unfused; everything a textbook would write and nothing clever.
"""

from __future__ import annotations

import math
from typing import Any

import torch

Row = tuple[list[int], list[bool]]


def row_loss(model: Any, row: Row) -> tuple[torch.Tensor, int]:
    """Sum over label tokens of -log p(token | the tokens before it), and how many there are."""
    ids, labels = row
    logits = model(input_ids=torch.tensor([ids])).logits[0]
    total, count = torch.zeros(()), 0
    for place in range(1, len(ids)):
        if labels[place]:
            total = total - torch.log_softmax(logits[place - 1], dim=-1)[ids[place]]
            count += 1
    return total, count


def batch_gradients(model: Any, rows: list[Row]) -> tuple[float, dict[str, torch.Tensor]]:
    """The mean loss over all label tokens of `rows`, and its gradient for each trained parameter."""
    model.zero_grad()
    count = sum(sum(labels[1:]) for _, labels in rows)
    total = 0.0
    for row in rows:
        loss, _ = row_loss(model, row)
        (loss / count).backward()
        total += float(loss.detach())
    return total / count, {
        n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None
    }


def mean_loss(model: Any, rows: list[Row]) -> float:
    with torch.no_grad():
        found = [row_loss(model, row) for row in rows]
    return sum(float(loss) for loss, _ in found) / sum(count for _, count in found)


def norm(gradients: dict[str, torch.Tensor]) -> float:
    return math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients.values()))


def train(
    model: Any,
    batches: list[list[Row]],
    rates: list[float],
    *,
    weight_decay: float,
    max_norm: float,
) -> list[float]:
    """Train on each batch in turn; returns the losses."""
    trained = [p for p in model.parameters() if p.requires_grad]
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in trained if p.dim() >= 2], "weight_decay": weight_decay},
            {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
        ],
        betas=(0.9, 0.999), eps=1e-8, foreach=False, fused=False,
    )  # fmt: skip
    losses = []
    for rows, rate in zip(batches, rates, strict=True):
        loss, gradients = batch_gradients(model, rows)
        losses.append(loss)
        length = norm(gradients)
        if max_norm and length > max_norm:
            for parameter in trained:
                if parameter.grad is not None:
                    parameter.grad *= max_norm / length
        for group in adamw.param_groups:
            group["lr"] = rate
        adamw.step()
    return losses
