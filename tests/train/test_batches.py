from __future__ import annotations

import numpy as np
import pytest

from engine.train.batches import cut, cut_padded, micro_batches, rows_of_step
from engine.train.schedule import steps_per_epoch
from tests.tiny_model import random_side, rows_of


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_sees_every_row_once_and_the_next_in_another_order(shuffle: bool) -> None:
    epochs = []
    for epoch in range(2):
        steps = range(epoch * 4, epoch * 4 + 4)
        seen = np.concatenate([rows_of_step(s, 14, 4, seed=7, shuffle=shuffle) for s in steps])
        assert sorted(seen) == list(range(14))
        epochs.append(seen.tolist())
    assert (epochs[0] != epochs[1]) is shuffle
    assert steps_per_epoch(14, 4) == 4


def test_order_is_a_function_of_the_step_alone() -> None:
    forwards = [rows_of_step(s, 50, 8, 1, True).tolist() for s in range(20)]
    backwards = [rows_of_step(s, 50, 8, 1, True).tolist() for s in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert forwards[0] != rows_of_step(0, 50, 8, 2, True).tolist()


@pytest.mark.parametrize("cutter", [cut, cut_padded])
@pytest.mark.parametrize("budget", [1, 50, 64, 1000])
def test_cutting_loses_no_row_and_keeps_the_budget(cutter, budget) -> None:  # type: ignore[no-untyped-def]
    lengths = np.random.default_rng(0).integers(1, 60, 40).tolist()
    bins = cutter(lengths, budget)
    assert sorted(place for members in bins for place in members) == list(range(40))
    for members in bins:
        size = sum(lengths[m] for m in members)
        if cutter is cut_padded:
            size = len(members) * max(lengths[m] for m in members)
        assert size <= budget or len(members) == 1


@pytest.mark.parametrize("padded", [False, True])
def test_micro_batches_carry_each_rows_tokens_and_labels(padded: bool) -> None:
    """Read the tensors back into rows by their own bookkeeping and compare with the side."""
    side = random_side(9)
    found: dict[int, list[tuple[int, int]]] = {}
    for micro in micro_batches(side, np.arange(9), 40, "cpu", padded=padded):
        for line, column, target, row in zip(
            micro.line, micro.column, micro.targets, micro.row_of, strict=True
        ):
            before = int(micro.input_ids[line, column])
            assert int(micro.input_ids[line, column + 1]) == int(target)
            found.setdefault(int(row), []).append((before, int(target)))
    for row, (ids, labels) in enumerate(rows_of(side)):
        wanted = [(ids[i - 1], ids[i]) for i in range(1, len(ids)) if labels[i]]
        assert found.get(row, []) == wanted


def test_a_rows_first_token_is_never_learned_even_when_labelled() -> None:
    """Else the first token of one row would be predicted from the last of another."""
    side = random_side(6)
    side.labels[:] = True
    micros = micro_batches(side, np.arange(6), 4096, "cpu")
    assert sum(m.label_tokens for m in micros) == len(side.ids) - 6
