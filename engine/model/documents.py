"""Where documents lie in a flat sequence, in the forms that attention by document needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch


@dataclass(frozen=True)
class Group:
    """Documents of like length: `gather[d, i]` is the flat place of token i of document d (padding: 0)."""

    gather: torch.Tensor
    real: torch.Tensor
    flat: torch.Tensor


@dataclass(frozen=True)
class Documents:
    """Documents of these lengths, end to end, whose tokens are on `device`; each form is made when first used."""

    lengths: tuple[int, ...]
    device: str

    @cached_property
    def edges(self) -> torch.Tensor:
        """int32 (documents + 1,): where each begins, and the end of all."""
        sums = torch.tensor((0, *self.lengths)).cumsum(0).to(torch.int32)
        return sums.to(self.device, non_blocking=True)

    @cached_property
    def longest(self) -> int:
        return max(self.lengths)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Documents whose lengths have the same power of two, so padding at most doubles the attention's work."""
        starts = [0]
        for length in self.lengths:
            starts.append(starts[-1] + length)
        by_size: dict[int, list[int]] = {}
        for number, length in enumerate(self.lengths):
            by_size.setdefault(max(length - 1, 0).bit_length(), []).append(number)
        return tuple(self._group(members, starts) for members in by_size.values())

    def _group(self, members: list[int], starts: list[int]) -> Group:
        longest = max(self.lengths[m] for m in members)
        place = torch.arange(longest).expand(len(members), -1)
        size = torch.tensor([self.lengths[m] for m in members]).unsqueeze(1)
        real = place < size
        start = torch.tensor([starts[m] for m in members]).unsqueeze(1)
        gather = torch.where(real, place + start, 0)
        return Group(gather.to(self.device), real.to(self.device), gather[real].to(self.device))

    @cached_property
    def order(self) -> torch.Tensor:
        """`order[t]` finds token t in the groups' joined results."""
        return torch.argsort(torch.cat([group.flat for group in self.groups]))
