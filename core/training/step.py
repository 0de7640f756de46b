"""One step of the optimiser: from a batch of pixels to changed weights."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from core.config import TrainConfig
from core.data.batches import as_given, derived_seed, mixing_at
from core.model.alexnet import normalize
from core.training.optimizer import set_learning_rate
from core.training.progressive import input_size
from core.training.state import TrainingState


def training_step(
    config: TrainConfig, state: TrainingState, images: torch.Tensor, labels: torch.Tensor, rate: float
) -> torch.Tensor:
    """One step on this process's share of a batch: images (uint8, N x 3 x S x S) and labels (int64) on the device.

    Returns (sum of the images' losses, correct images, images, norm of the gradient before it was clipped) of the whole
    batch, float64, on the device, without waiting for it.
    """
    peers = state.peers
    state.generator.manual_seed(derived_seed(config.seed, state.step * peers.count + peers.rank))
    set_learning_rate(state.optimizer, rate)
    size = input_size(config, state.step, state.num_steps)
    mixing = mixing_at(config, state.step, state.num_steps)
    compute = partial(_compute, config, state, size, mixing)
    if state.graphs is None or len(labels) != config.batch_size:
        return compute(images, labels)
    # CutMix ends for good, and its recordings with it; a size of the input comes back.
    return state.graphs.run(compute, images, labels, phase=mixing, kind=size)


def _compute(
    config: TrainConfig, state: TrainingState, size: int, mixing: float, images: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """The step itself: only work on the device, the same whenever size, mixing and the number of images are."""
    images, targets = as_given(config, images, labels, state.model.num_classes, mixing, state.generator)
    pixels = normalize(images, state.model.input_spec, None)
    with torch.autocast(state.device.type, state.precision, enabled=state.precision != torch.float32):
        logits = state.network(pixels, size)
    loss = functional.cross_entropy(logits.float(), targets, label_smoothing=config.label_smoothing, reduction="sum")
    correct = (logits.argmax(1) == labels).sum()
    count = torch.full_like(loss, len(labels))
    result = torch.stack([loss.detach(), correct, count]).double()
    state.peers.total(result)
    state.optimizer.zero_grad(set_to_none=True)
    # The mean over the whole batch: of several processes, each one's gradients are divided by how many there are.
    (loss * (state.peers.count / result[2].float())).backward()  # type: ignore[no-untyped-call]
    norm = _clipped_norm(list(state.model.parameters()), config.clip_norm)
    state.optimizer.step()
    state.sums += result
    return torch.cat([result, norm.double().view(1)])


def _clipped_norm(parameters: list[nn.Parameter], clip_norm: float) -> torch.Tensor:
    """Clip the gradient of all parameters together to a norm of `clip_norm`, unless that is 0; its norm before."""
    if clip_norm:
        return nn.utils.clip_grad_norm_(parameters, clip_norm)
    return nn.utils.get_total_norm(p.grad for p in parameters if p.grad is not None)
