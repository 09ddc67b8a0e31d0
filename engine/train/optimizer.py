"""AdamW over fp32 master copies of whatever is trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

BETAS = (0.9, 0.999)
EPS = 1e-8


class Optimizer:
    """Gradients summed in fp32, AdamW in fp32, weights rounded once an update.

    An fp32 parameter is its own master. For any other, each micro-batch's gradient is added to the
    master's and dropped at once, so nothing is summed in bfloat16. Weight decay touches matrices
    only, never norms, biases or magnitudes.
    """

    def __init__(self, parameters: dict[str, nn.Parameter], weight_decay: float) -> None:
        self.parameters = parameters
        self.masters = {name: _master(p) for name, p in parameters.items()}
        self._hooks = [
            p.register_post_accumulate_grad_hook(_move_gradient(self.masters[name]))
            for name, p in parameters.items()
            if self.masters[name] is not p
        ]
        matrices = [m for m in self.masters.values() if m.dim() >= 2]
        others = [m for m in self.masters.values() if m.dim() < 2]
        groups = [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.adamw = torch.optim.AdamW(
            [g for g in groups if g["params"]], lr=0.0, betas=BETAS, eps=EPS, fused=True
        )

    def clip(self, max_norm: float) -> torch.Tensor:
        """The gradient norm over all that is trained, before clipping to `max_norm` (0: no clipping)."""
        gradients = [m.grad for m in self.masters.values() if m.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if max_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(list(self.masters.values()), max_norm, norm)
        return norm

    def step(self, learning_rate: float) -> None:
        for group in self.adamw.param_groups:
            group["lr"] = learning_rate
        self.adamw.step()
        self.clear()
        self.publish()

    def clear(self) -> None:
        self.adamw.zero_grad(set_to_none=True)

    @torch.no_grad()
    def publish(self) -> None:
        """Round the masters into the weights that the model computes with."""
        for name, parameter in self.parameters.items():
            if self.masters[name] is not parameter:
                parameter.copy_(self.masters[name])

    @torch.no_grad()
    def fill(self) -> None:
        """Make Adam's averages now, as zeros, where its first step would: then no later step needs more memory."""
        for master in self.masters.values():
            if master not in self.adamw.state:
                self.adamw.state[master] = {
                    "step": torch.zeros((), dtype=torch.float32, device=master.device),
                    "exp_avg": torch.zeros_like(master),
                    "exp_avg_sq": torch.zeros_like(master),
                }

    def state(self) -> dict[str, torch.Tensor]:
        """Everything needed to go on exactly: masters and Adam's averages, by parameter name."""
        tensors: dict[str, torch.Tensor] = {}
        for name, master in self.masters.items():
            tensors[f"master.{name}"] = master.detach()
            for part, value in self.adamw.state.get(master, {}).items():
                tensors[f"{part}.{name}"] = value
        return tensors

    @torch.no_grad()
    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        for name, master in self.masters.items():
            master.copy_(tensors[f"master.{name}"])
            held: dict[str, Any] = {}
            for part in ("step", "exp_avg", "exp_avg_sq"):
                if f"{part}.{name}" in tensors:
                    held[part] = tensors[f"{part}.{name}"].to(master.device)
            if held:
                self.adamw.state[master] = held
        self.publish()


def _master(parameter: nn.Parameter) -> torch.Tensor:
    if parameter.dtype == torch.float32:
        return parameter
    return parameter.detach().float().requires_grad_()


def _move_gradient(master: torch.Tensor) -> Any:
    def move(parameter: torch.Tensor) -> None:
        assert parameter.grad is not None
        if master.grad is None:
            master.grad = parameter.grad.float()
        else:
            master.grad += parameter.grad
        parameter.grad = None

    return move
