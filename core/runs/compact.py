"""A network small enough to travel with the code: fc6 and fc7 as truncated factors, everything in float16."""

from __future__ import annotations

import torch

_FACTORED = ("fc6.weight", "fc7.weight")  # 54 of the 58 million weights
_LEFT, _RIGHT = ".left", ".right"


def compact(weights: dict[str, torch.Tensor], rank: int) -> dict[str, torch.Tensor]:
    """`weights` in float16, fc6 and fc7 as left (out x rank) and right (rank x in) factors of their best
    approximation of that rank (truncated singular value decomposition)."""
    small = {}
    for name, weight in weights.items():
        if name in _FACTORED:
            u, s, v = torch.linalg.svd(weight.float(), full_matrices=False)
            root = s[:rank].sqrt()
            small[name + _LEFT] = (u[:, :rank] * root).half().contiguous()
            small[name + _RIGHT] = (root[:, None] * v[:rank]).half().contiguous()
        else:
            small[name] = weight.half().contiguous()
    return small


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
