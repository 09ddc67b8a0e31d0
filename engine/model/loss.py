"""The loss where a label is, and nowhere else.

Only positions that predict a label go through the vocabulary projection, a few hundred at a time, so that the
scores stay in the cache and never stand in memory all at once. Scores are products in the model's precision;
softmax, losses and their sums are fp32. For training the gradient is made beside the scores: three products in
all (scores, gradient of the states, gradient of the weights where they are trained), none of them twice.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn
from torch.nn import functional

from engine.model.documents import Documents
from engine.train.batches import MicroBatch

ROWS = 256
"""Labels scored at a time."""
STACKED = 4
"""So many times `ROWS` labels share one product for the weights' gradient, whose sum is the size of the vocabulary."""

_plain: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


def label_losses(model: Any, micro: MicroBatch) -> torch.Tensor:
    """The negative log-likelihood of each label token, (labels,) in fp32, in the micro-batch's order."""
    if not has_plain_head(model, by_document=micro.documents is not None):
        return _own_losses(model, micro)
    states, head = _label_states(model, micro), _causal(model).get_output_embeddings()
    parts = [
        _losses(functional.linear(part, head.weight, head.bias), targets)[0]
        for part, targets in zip(states.split(ROWS), micro.targets.split(ROWS), strict=True)
    ]
    return torch.cat(parts)


def label_loss(model: Any, micro: MicroBatch) -> torch.Tensor:
    """The sum of the losses of all label tokens, a scalar in fp32 to go back from."""
    if not has_plain_head(model, by_document=micro.documents is not None):
        return _own_losses(model, micro).sum()
    head = _causal(model).get_output_embeddings()
    states = _label_states(model, micro)
    loss: torch.Tensor = _LabelLoss.apply(states, head.weight, head.bias, micro.targets)  # type: ignore[no-untyped-call]
    return loss


def has_plain_head(model: Any, *, by_document: bool) -> bool:
    """Whether a model's scores are its last states times its output embeddings and nothing more.

    Found out once a model, on four tokens: soft caps, scales and the like make a difference there.
    """
    if model not in _plain:
        _plain[model] = _try_head(model, by_document)
    return _plain[model]


def _try_head(model: Any, by_document: bool) -> bool:
    causal = _causal(model)
    head = causal.get_output_embeddings()
    if causal.base_model is causal or type(head) is not nn.Linear:
        return False
    ids = torch.arange(1, 5, device=head.weight.device).unsqueeze(0)
    given: dict[str, Any] = {"attention_mask": torch.ones_like(ids)}
    if by_document:
        documents = Documents((4,), str(ids.device))
        given = {"position_ids": ids - 1, "documents": documents}
    before = causal.training
    causal.eval()
    with torch.no_grad():
        own = causal(input_ids=ids, use_cache=False, **given).logits.float()
        states = causal.base_model(input_ids=ids, use_cache=False, **given).last_hidden_state
        ours = functional.linear(states, head.weight, head.bias).float()
    causal.train(before)
    return own.shape == ours.shape and torch.allclose(own, ours, rtol=1e-3, atol=1e-3)


def _causal(model: Any) -> Any:
    """The language model itself, without PEFT around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _label_states(model: Any, micro: MicroBatch) -> torch.Tensor:
    """The last states that predict a label, (labels, hidden)."""
    backbone = _causal(model).base_model
    if micro.documents is None:
        given: dict[str, Any] = {"attention_mask": micro.attention_mask}
    else:
        given = {"position_ids": micro.position_ids, "documents": micro.documents}
    out = backbone(input_ids=micro.input_ids, use_cache=False, **given)
    states: torch.Tensor = out.last_hidden_state
    flat = micro.line * states.shape[1] + micro.column
    return states.flatten(0, 1).index_select(0, flat)


def _own_losses(model: Any, micro: MicroBatch) -> torch.Tensor:
    """By the model's own way from states to scores."""
    if micro.documents is not None:
        out = model(
            input_ids=micro.input_ids,
            position_ids=micro.position_ids,
            documents=micro.documents,
            logits_to_keep=micro.column,
            use_cache=False,
        )
        logits = out.logits[0]
    else:
        columns, place = torch.unique(micro.column, return_inverse=True)
        out = model(
            input_ids=micro.input_ids,
            attention_mask=micro.attention_mask,
            logits_to_keep=columns,
            use_cache=False,
        )
        logits = out.logits[micro.line, place]
    return functional.cross_entropy(logits.float(), micro.targets, reduction="none")


def _losses(scores: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses (rows,) and probabilities (rows, vocabulary), both fp32.

    The log of the sum is taken at the most likely token, whose probability is never too small for it.
    """
    top, at = scores.max(dim=-1, keepdim=True)
    likely = scores.softmax(-1, dtype=torch.float32)
    whole = top.float() - likely.gather(1, at).log()
    return (whole - scores.gather(1, targets.unsqueeze(1)).float()).squeeze(1), likely


class _LabelLoss(torch.autograd.Function):
    """Sum of losses over states (labels, hidden); its gradients are made on the way forward, for a factor of 1."""

    @staticmethod
    def forward(
        ctx: Any,
        states: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
    ) -> torch.Tensor:
        for_states, for_weight, for_bias = ctx.needs_input_grad[:3]
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        grad_states = torch.empty_like(states) if for_states else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if for_weight else None
        grad_bias = (
            None if bias is None or not for_bias else torch.zeros_like(bias, dtype=torch.float32)
        )
        for first in range(0, len(targets), ROWS * STACKED):
            stack = slice(first, min(first + ROWS * STACKED, len(targets)))
            backs = []
            for low in range(first, stack.stop, ROWS):
                rows = slice(low, min(low + ROWS, stack.stop))
                scores = functional.linear(states[rows], weight, bias)
                losses, back = _losses(scores, targets[rows])
                total += losses.sum()
                back.scatter_add_(
                    1, targets[rows].unsqueeze(1), back.new_full((len(losses), 1), -1.0)
                )
                if grad_bias is not None:
                    grad_bias += back.sum(0)
                narrow = back.to(states.dtype)
                if grad_states is not None:
                    torch.mm(narrow, weight, out=grad_states[rows])
                if grad_weight is not None:
                    backs.append(narrow)
            if grad_weight is not None:
                grad_weight += torch.cat(backs).t() @ states[stack]
        ctx.save_for_backward(grad_states, grad_weight, grad_bias)
        ctx.dtype = weight.dtype
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad_states, grad_weight, grad_bias = ctx.saved_tensors
        scaled = (
            None if g is None else (g * grad).to(ctx.dtype)
            for g in (grad_states, grad_weight, grad_bias)
        )
        return (*scaled, None)
