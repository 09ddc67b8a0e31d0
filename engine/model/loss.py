"""The loss where a label is, and nowhere else."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from engine.train.batches import MicroBatch


def label_losses(model: Any, micro: MicroBatch) -> torch.Tensor:
    """The negative log-likelihood of each label token, (labels,) in fp32, in the micro-batch's order.

    Only positions that predict a label go through the vocabulary projection.
    """
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
