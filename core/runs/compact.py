"""A network small enough to travel with the code: fc6 and fc7 as truncated factors, everything in float16."""

from __future__ import annotations

import torch

_FACTORED = ("fc6.weight", "fc7.weight")  # 54 of the 58 million weights
_LEFT, _RIGHT = ".left", ".right"
_OVERSAMPLING = 32
_PASSES = 8


def compact(weights: dict[str, torch.Tensor], rank: int) -> dict[str, torch.Tensor]:
    """`weights` in float16, fc6 and fc7 as left (out x rank) and right (rank x in) factors of (very nearly) their
    best approximation of that rank. The same weights give the same factors, and nobody's random numbers are drawn."""
    small = {}
    for name, weight in weights.items():
        if name in _FACTORED:
            small[name + _LEFT], small[name + _RIGHT] = _factors(weight.float(), rank)
        else:
            small[name] = weight.half().contiguous()
    return small


def _factors(weight: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Left and right by subspace iteration: seconds, where a whole singular value decomposition takes minutes."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        u, s, v = torch.svd_lowrank(weight, q=min(rank + _OVERSAMPLING, *weight.shape), niter=_PASSES)
    root = s[:rank].sqrt()
    return (u[:, :rank] * root).half().contiguous(), (v[:, :rank] * root).T.half().contiguous()


def expand(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The full float32 weights from what compact gave; full weights come back as they are."""
    full = {}
    for name, weight in weights.items():
        stem = name.removesuffix(_LEFT)
        if name.endswith(_LEFT) and stem + _RIGHT in weights:
            full[stem] = weight.float() @ weights[stem + _RIGHT].float()
        elif not name.endswith(_RIGHT):
            full[name] = weight.float()
    return full
