"""How weights follow the gradient, and how fast at which step."""

from __future__ import annotations

import math
from typing import Any

import torch

from core.config import TrainConfig
from core.model.alexnet import AlexNet
from core.training.muon import Muon


def make_optimizer(model: AlexNet, config: TrainConfig, precision: torch.dtype) -> torch.optim.Optimizer:
    """The optimiser of `config` over the model's parameters; weight decay on matrices and kernels only.

    precision: of Muon's products. On a GPU, all but SGD keep the rate and the number of steps there, so that a step can
    be a CUDA graph.
    """
    device = next(model.parameters()).device
    on_gpu = device.type == "cuda"
    rate = torch.tensor(config.learning_rate, device=device) if on_gpu else config.learning_rate
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    biases = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, fused=True)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate, fused=True, capturable=on_gpu)
    adamw: dict[str, Any] = {"lr": rate, "betas": (0.9, 0.98), "fused": True, "capturable": on_gpu}
    if config.optimizer == "muon":
        return Muon(groups, dtype=precision, **adamw)
    return torch.optim.AdamW(groups, **adamw)


def learning_rate(config: TrainConfig, step: int, num_steps: int) -> float:
    """The rate for the step after `step` done ones, of `num_steps` in all."""
    if config.schedule == "constant":
        return config.learning_rate
    warmup_steps = config.warmup * num_steps
    if step + 1 < warmup_steps:
        return config.learning_rate * (step + 1) / warmup_steps
    left = 1 - (step - warmup_steps) / max(num_steps - warmup_steps, 1)
    left = min(max(left, 0.0), 1.0)
    if config.schedule == "cosine":
        left = (1 - math.cos(math.pi * left)) / 2
    return config.learning_rate * left


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` from the next step on."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def optimizer_tensors(model: AlexNet, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's state, each tensor named `<parameter>/<key>`, on the CPU."""
    return {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state[parameter].items()
        if isinstance(value, torch.Tensor)
    }


def restore_optimizer(model: AlexNet, optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """The reverse of optimizer_tensors; each tensor takes its parameter's device and memory layout."""
    parameters = dict(model.named_parameters())
    for path, value in tensors.items():
        name, _, key = path.rpartition("/")
        if (parameter := parameters.get(name)) is not None:
            like = parameter if value.shape == parameter.shape else value.to(parameter.device)
            optimizer.state[parameter][key] = torch.empty_like(like, dtype=value.dtype).copy_(value)
