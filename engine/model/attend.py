"""Attention by document: many rows lie end to end in one sequence and never see each other.

Registered once with transformers as the attention "documents". How it is computed is chosen in one place, by
`kernel`: on a CPU block by block (`causal`), on CUDA in half precision by torch's `varlen_attn`, elsewhere by
documents of like length that share one causal product: padding stands on the right, where causal attention never
looks, so no mask is built.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch.nn import functional

from engine.model import causal
from engine.model.documents import Documents

NAME = "documents"
PLAIN_LAYERS = ("full_attention", "sliding_attention")
FOREIGN_FIELDS = ("attn_logit_softcapping", "attention_sinks", "alibi", "attention_dropout")
WIDEST_HEAD = 256
"""Flash attention's limit."""

Kernel = Literal["blocks", "varlen", "grouped"]


def kernel(device: str, dtype: torch.dtype, head_size: int) -> Kernel:
    """How attention by document is computed here."""
    if device == "cpu":
        return "blocks"
    half = dtype in (torch.bfloat16, torch.float16)
    fits = head_size % 8 == 0 and head_size <= WIDEST_HEAD
    if device.startswith("cuda") and half and fits:
        return "varlen"
    return "grouped"


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    documents: Documents | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """transformers' attention face: (1, heads, T, size) in, (1, T, heads, size) out."""
    assert documents is not None, "attention by document needs the documents"
    assert not dropout, "attention by document knows no dropout"
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    chosen = kernel(query.device.type, query.dtype, query.shape[-1])
    compute = {"blocks": _blocks, "varlen": _varlen, "grouped": _grouped}[chosen]
    return compute(query[0], key[0], value[0], documents, scale, sliding_window).unsqueeze(0), None


def _blocks(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, documents: Documents, scale: float,
    window: int | None,
) -> torch.Tensor:  # fmt: skip
    return causal.attend(query, key, value, documents.lengths, scale, window)


def _varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, documents: Documents, scale: float,
    window: int | None,
) -> torch.Tensor:  # fmt: skip
    from torch.nn.attention.varlen import varlen_attn

    mixed = varlen_attn(
        query.transpose(0, 1),
        key.transpose(0, 1),
        value.transpose(0, 1),
        **varlen_arguments(documents, scale, window, grouped=query.shape[0] != key.shape[0]),
    )
    assert isinstance(mixed, torch.Tensor)
    return mixed


def varlen_arguments(
    documents: Documents, scale: float, window: int | None, *, grouped: bool
) -> dict[str, Any]:
    """What `varlen_attn` takes beside the states. Its window counts the tokens before a query, ours the query too."""
    return {
        "cu_seq_q": documents.edges, "cu_seq_k": documents.edges, "max_q": documents.longest,
        "max_k": documents.longest, "scale": scale, "enable_gqa": grouped,
        "window_size": (-1 if window is None else window - 1, 0),
    }  # fmt: skip


def _grouped(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, documents: Documents, scale: float,
    window: int | None,
) -> torch.Tensor:  # fmt: skip
    repeats = query.shape[0] // key.shape[0]
    parts = []
    for group in documents.groups:
        q, k, v = (_take(t, group.gather) for t in (query, key, value))
        if repeats > 1:
            k, v = k.repeat_interleave(repeats, dim=1), v.repeat_interleave(repeats, dim=1)
        mask = _window(window, q)
        mixed = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale
        )
        parts.append(mixed.transpose(1, 2)[group.real])
    return torch.cat(parts).index_select(0, documents.order)


def _take(states: torch.Tensor, gather: torch.Tensor) -> torch.Tensor:
    """(heads, T, size) to (documents, heads, longest, size)."""
    count, longest = gather.shape
    taken = states.index_select(1, gather.reshape(-1))
    return taken.view(states.shape[0], count, longest, states.shape[2]).transpose(0, 1)


def _window(size: int | None, query: torch.Tensor) -> torch.Tensor | None:
    """The causal mask of a sliding window, needed only where a document outgrows it."""
    length = query.shape[2]
    if size is None or length <= size:
        return None
    place = torch.arange(length, device=query.device)
    behind = place.unsqueeze(1) - place
    return (behind >= 0) & (behind < size)


def no_mask(*_: Any, **__: Any) -> None:
    """transformers' mask face: attention by document needs none."""


def register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, no_mask)


def can_attend(model: Any) -> bool:
    """Whether a model's layers are plain attention that can be told by document.

    Anything else (recurrent layers, soft caps, sinks) runs on padded rows with its own attention.
    """
    config = model.config.get_text_config()
    layers = getattr(config, "layer_types", None) or ()
    plain = all(kind in PLAIN_LAYERS for kind in layers)
    foreign = any(getattr(config, field, None) for field in FOREIGN_FIELDS)
    return (
        plain
        and not foreign
        and bool(model._can_set_attn_implementation())
        and not _recurrent(config)
    )


def _recurrent(config: Any) -> bool:
    return any(
        hasattr(config, field)
        for field in ("ssm_cfg", "mamba_d_state", "state_size", "conv_kernel")
    )


@contextlib.contextmanager
def by_document(model: Any) -> Iterator[None]:
    """Attention by document inside the block, the model's own (as generation needs) outside."""
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
