"""Which layers take adapters, and what a model lacks is refused by name before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config import Method
from engine.errors import Problem
from engine.model import adapt, targets
from tests.tiny_model import save_tiny_model, tiny_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> targets.Shapes:
    return targets.shapes(save_tiny_model(tmp_path_factory.mktemp("model")))


def test_the_files_headers_tell_every_weight(weights: targets.Shapes) -> None:
    assert weights == {n: tuple(p.shape) for n, p in tiny_model().named_parameters()}


def adapters(**given: Any) -> set[str]:
    """The layers that PEFT put an adapter in, like `0.self_attn.q_proj`."""
    model = adapt.adapt(tiny_model(), Method(rank=4, **given), seed=1)
    names = [n for n, p in model.named_parameters() if p.requires_grad and "lora_A" in n]
    return {n.split(".layers.")[1].split(".lora_A")[0] for n in names}


ATTENTION = {f"self_attn.{n}_proj" for n in "qkvo"}
MLP = {f"mlp.{n}_proj" for n in ("gate", "up", "down")}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {f"{n}.{m}" for n in (0, 1) for m in ATTENTION | MLP}),
        ({"targets": "attention"}, {f"{n}.{m}" for n in (0, 1) for m in ATTENTION}),
        ({"targets": "mlp", "layers": "0"}, {f"0.{m}" for m in MLP}),
        ({"targets": "q_proj, v_proj", "layers": "last 1"}, {"1.self_attn.q_proj", "1.self_attn.v_proj"}),
        ({"layers": "1-1"}, {f"1.{m}" for m in ATTENTION | MLP}),
    ],
)  # fmt: skip
def test_adapters_stand_where_they_were_asked_for(
    weights: targets.Shapes, given: dict[str, Any], wanted: set[str]
) -> None:
    assert adapters(**given) == wanted
    chosen = targets.adapted(Method(rank=4, **given), weights)
    assert {n.removeprefix("model.layers.").removesuffix(".weight") for n in chosen} == wanted


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"targets": "q_prj"}, r"method.targets: this model has no q_prj. Fix: did you mean q_proj\?"),
        ({"layers": "0-2"}, "method.layers: 0-2 was asked for, and this model has 2 layers"),
        ({"layers": "last 3"}, "2 layers"),
        ({"rank": 17}, "method.rank: 17 is larger than k_proj, which is 16 wide. Fix: give at most 16"),
    ],
)  # fmt: skip
def test_what_the_model_lacks_is_refused(
    weights: targets.Shapes, given: dict[str, Any], words: str
) -> None:
    method = Method(**{"rank": 4, **given})
    with pytest.raises(Problem, match=words):
        targets.adapted(method, weights)
    with pytest.raises(Problem, match=words):
        adapt.adapt(tiny_model(), method, seed=1)


def test_a_rank_too_large_for_what_is_left_out_is_taken(weights: targets.Shapes) -> None:
    assert targets.adapted(Method(rank=17, targets="mlp"), weights)


def test_headers_are_read_from_the_files_alone(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no layer"):
        targets.adapted(Method(), targets.shapes(tmp_path))
