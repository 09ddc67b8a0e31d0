"""Attention in blocks against attention written out, and the other ways of computing it against the same."""

from __future__ import annotations

import pytest
import torch

from engine.model import attend, causal
from engine.model.documents import Documents

LENGTHS = (70, 1, 33, 128, 129)


def states(dtype: torch.dtype, lengths: tuple[int, ...] = LENGTHS) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(heads, sum(lengths), 16).to(dtype).requires_grad_() for heads in (6, 2, 2)]


def written_out(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: tuple[int, ...],
    window: int | None,
) -> torch.Tensor:  # fmt: skip
    """Each document by itself, every score, in fp64."""
    parts, start = [], 0
    for length in lengths:
        place = slice(start, start + length)
        start += length
        q, k, v = (t[:, place].double() for t in (query, key, value))
        k, v = (t.repeat_interleave(3, dim=0) for t in (k, v))
        behind = torch.arange(length).unsqueeze(1) - torch.arange(length)
        hidden = (behind < 0) | (behind >= (window or length))
        scores = (q @ k.transpose(1, 2) * 0.25).masked_fill(hidden, -torch.inf)
        parts.append((scores.softmax(-1) @ v).transpose(0, 1))
    return torch.cat(parts)


def everything(mixed: torch.Tensor, given: list[torch.Tensor]) -> list[torch.Tensor]:
    """The result and its gradients, for a fixed gradient of the result."""
    back = torch.randn(mixed.shape, generator=torch.Generator().manual_seed(1)).to(mixed.dtype)
    return [mixed.detach(), *torch.autograd.grad(mixed, given, back)]


@pytest.mark.parametrize("window", [None, 20, 1])
@pytest.mark.parametrize("block", [16, 64, 1000])
@pytest.mark.parametrize("keep", [0, 100, 1000])
def test_blocks_give_what_is_written_out(
    monkeypatch: pytest.MonkeyPatch, window: int | None, block: int, keep: int
) -> None:
    monkeypatch.setattr(causal, "BLOCK", block)
    monkeypatch.setattr(causal, "KEEP", keep)
    given = states(torch.float32)
    ours = everything(causal.attend(*given, LENGTHS, 0.25, window), given)
    wanted = everything(written_out(*given, LENGTHS, window).float(), given)
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window", [None, 20])
def test_the_grouped_way_gives_the_same(window: int | None) -> None:
    given = states(torch.float32)
    documents = Documents(LENGTHS, "cpu")
    ours = everything(attend._grouped(*given, documents, 0.25, window), given)
    wanted = everything(written_out(*given, LENGTHS, window).float(), given)
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_in_bf16_blocks_are_as_near_to_exact_as_torchs_own() -> None:
    given = states(torch.bfloat16)
    exact = everything(written_out(*given, LENGTHS, None).float(), given)
    ours = everything(causal.attend(*given, LENGTHS, 0.25), given)
    theirs = everything(attend._grouped(*given, Documents(LENGTHS, "cpu"), 0.25, None), given)
    for one, other, true in zip(ours, theirs, exact, strict=True):
        near, reference = ((t.float() - true.float()).pow(2).mean().sqrt() for t in (one, other))
        assert near <= 1.6 * reference + 1e-4


def test_varlen_is_told_where_documents_lie() -> None:
    documents = Documents(LENGTHS, "cpu")
    told = attend.varlen_arguments(documents, 0.25, None, grouped=True)
    assert told["cu_seq_q"].tolist() == [0, 70, 71, 104, 232, 361]
    assert told["cu_seq_q"].dtype == torch.int32
    assert told["cu_seq_k"] is told["cu_seq_q"]
    assert (told["max_q"], told["max_k"], told["scale"]) == (129, 129, 0.25)
    assert told["window_size"] == (-1, 0)  # causal, no window
    assert told["enable_gqa"]
    assert attend.varlen_arguments(documents, 0.25, 20, grouped=False)["window_size"] == (19, 0)


def test_varlen_takes_these_arguments() -> None:
    import inspect

    from torch.nn.attention.varlen import varlen_attn

    told = attend.varlen_arguments(Documents((3,), "cpu"), 0.25, None, grouped=True)
    assert set(told) <= set(inspect.signature(varlen_attn).parameters)


@pytest.mark.parametrize(
    ("device", "dtype", "size", "wanted"),
    [
        ("cpu", torch.bfloat16, 64, "blocks"), ("cpu", torch.float32, 7, "blocks"),
        ("cuda:0", torch.bfloat16, 128, "varlen"), ("cuda", torch.float16, 256, "varlen"),
        ("cuda", torch.float32, 64, "grouped"), ("cuda", torch.bfloat16, 257, "grouped"),
        ("cuda", torch.bfloat16, 60, "grouped"), ("mps", torch.float16, 64, "grouped"),
    ],
)  # fmt: skip
def test_the_way_is_chosen_by_device_precision_and_head(
    device: str, dtype: torch.dtype, size: int, wanted: str
) -> None:
    assert attend.kernel(device, dtype, size) == wanted
