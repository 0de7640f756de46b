"""Local response normalisation, ours against torch's own, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from core.bench.measure import interleave, seconds
from core.model.lrn import local_response_norm

SHAPES = ((96, 55, 55), (256, 27, 27))  # of lrn1's and lrn2's input
_CALLS_ON_GPU = 20  # one takes some ten microseconds there


@dataclass(frozen=True)
class NormTiming:
    """Milliseconds of forward and backward pass, the fastest of some rounds.

    ours_ms: in the precision of training, channels_last, as training does it. ours_float32_ms: the same in float32.
    torch_ms: torch.nn.functional.local_response_norm, float32, N x C x H x W: on a CPU it knows no bfloat16.
    ratio, ratio_float32: torch's time over ours.
    """

    shape: tuple[int, ...]
    ours_ms: float
    ours_float32_ms: float
    torch_ms: float
    ratio: float
    ratio_float32: float


def compare_norms(batch: int, precision: torch.dtype, device: torch.device, rounds: int) -> list[NormTiming]:
    """Both layers of the network, at `batch` images."""
    return [_compare((batch, *shape), precision, device, rounds) for shape in SHAPES]


def _compare(shape: tuple[int, ...], precision: torch.dtype, device: torch.device, rounds: int) -> NormTiming:
    contenders = {
        "ours": _measurement(local_response_norm, shape, precision, torch.channels_last, device),
        "ours_float32": _measurement(local_response_norm, shape, torch.float32, torch.channels_last, device),
        "torch": _measurement(_torchs, shape, torch.float32, torch.contiguous_format, device),
    }
    interleave(contenders, 1)  # compiles
    ms = {name: 1000 * min(found) for name, found in interleave(contenders, rounds).items()}
    return NormTiming(
        shape=shape,
        ours_ms=ms["ours"],
        ours_float32_ms=ms["ours_float32"],
        torch_ms=ms["torch"],
        ratio=ms["torch"] / ms["ours"],
        ratio_float32=ms["torch"] / ms["ours_float32"],
    )


def _torchs(x: torch.Tensor) -> torch.Tensor:
    return functional.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=2.0)


def _measurement(
    norm: Callable[[torch.Tensor], torch.Tensor],
    shape: tuple[int, ...],
    dtype: torch.dtype,
    layout: torch.memory_format,
    device: torch.device,
) -> Callable[[], float]:
    generator = torch.Generator().manual_seed(0)
    x, gradient = torch.randn(2, *shape, generator=generator).to(device, dtype)
    x = x.contiguous(memory_format=layout).requires_grad_()
    gradient = gradient.contiguous(memory_format=layout)
    calls = _CALLS_ON_GPU if device.type == "cuda" else 1
    return lambda: seconds(lambda: torch.autograd.grad(norm(x), x, gradient), device, calls)
