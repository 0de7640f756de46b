"""Muon (Jordan et al. 2024): kernels move along their momentum, made orthogonal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

import torch

_MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5; five turns bring singular values near 1
_TURNS = 5
_LENGTH = 0.4  # root mean square of a change, in learning rates; 0.2, which is near AdamW's, learnt less here


class Muon(torch.optim.AdamW):
    """AdamW for vectors and matrices, Muon for the kernels of convolutions, each as an outputs x inputs matrix.

    All directions that the momentum holds, strong or weak, move a kernel alike. How far doesn't depend on its shape
    (Liu et al. 2025, "Muon is scalable for LLM training"), so all share learning rate and weight decay with AdamW. The
    fully connected layers stay there: making fc6's 4096 x 9216 values orthogonal costs more than the rest of a step.
    """

    def __init__(self, params: Iterable[dict[str, Any]], *, dtype: torch.dtype, **settings: Any) -> None:
        """params, settings: as for AdamW. dtype: in which kernels' momentum is made orthogonal."""
        super().__init__(params, **settings)
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None if closure is None else torch.enable_grad()(closure)()
        moved = [(p, g) for g in self.param_groups for p in g["params"] if p.ndim == 4 and p.grad is not None]
        works = [partial(self._move, kernel, kernel.grad, group) for kernel, group in moved]
        _side_by_side(works, on_gpu=any(kernel.is_cuda for kernel, _ in moved))
        for kernel, _ in moved:
            kernel.grad = None  # so that AdamW leaves it alone
        super().step()
        return loss

    def _move(self, kernel: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[kernel]
        if not state:
            state.update(momentum=torch.zeros_like(kernel), step=torch.zeros(()))  # AdamW's load_state_dict wants one
        momentum = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        ahead = gradient.lerp(momentum, _MOMENTUM).permute(0, 2, 3, 1)  # Nesterov's; in the order of channels_last
        direction = orthogonal(ahead.flatten(1).to(self._dtype)).view(ahead.shape).permute(0, 3, 1, 2)
        length = _LENGTH * math.sqrt(kernel[0].numel())
        kernel.mul_(1 - group["lr"] * group["weight_decay"])
        kernel.sub_(direction * (group["lr"] * length))


def _side_by_side(works: Sequence[Callable[[], None]], on_gpu: bool) -> None:
    """Do all of them, on a GPU at the same time: each is many small products, which leave most of it idle."""
    if not on_gpu:
        for work in works:
            work()
        return
    here, streams = torch.cuda.current_stream(), _streams(len(works))
    for work, stream in zip(works, streams, strict=True):
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            work()
    for stream in streams:
        here.wait_stream(stream)


@cache
def _streams(count: int) -> list[torch.cuda.Stream]:
    return [torch.cuda.Stream() for _ in range(count)]  # type: ignore[no-untyped-call]


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The matrix whose singular values are near 1 (0.7 to 1.2) and whose singular vectors are those of `matrix`.

    rows x columns, float32 or bfloat16; cheap where there are no more rows than columns. By Newton and Schulz's turns,
    products alone.
    """
    a, b, c = _COEFFICIENTS
    x: torch.Tensor = matrix / torch.linalg.vector_norm(matrix).clamp(min=1e-7)
    for _ in range(_TURNS):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x
