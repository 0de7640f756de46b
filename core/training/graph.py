"""CUDA graphs: a step's hundreds of kernels started by one call, so that Python is never what a GPU waits for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import torch

_WARM_UP_STEPS = 3  # libraries and the optimiser allocate in their first steps, which a capture must not see


@dataclass
class _Captured:
    """A recorded step, and the tensors that it reads from and writes to whenever it is replayed."""

    graph: torch.cuda.CUDAGraph
    images: torch.Tensor
    labels: torch.Tensor
    result: torch.Tensor


class StepGraphs:
    """Runs steps of one kind after another: the first few as they are, then by replaying a recording of one.

    generator: what the step draws from. It is seeded before each step, and a replay draws as the step itself would.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._key: Hashable = None
        self._steps = 0
        self._captured: _Captured | None = None
        self._refused = False

    def run(
        self,
        key: Hashable,
        compute: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        images: torch.Tensor,
        labels: torch.Tensor,
    ) -> torch.Tensor:
        """compute(images, labels). Under the same `key`, compute always does the same on tensors of the same shapes."""
        if key != self._key:
            self._key, self._steps, self._captured = key, 0, None
        self._steps += 1
        if self._captured is None and self._steps > _WARM_UP_STEPS and not self._refused:
            self._captured = self._capture(compute, images, labels)
        if self._captured is None:
            return compute(images, labels)
        self._captured.images.copy_(images)
        self._captured.labels.copy_(labels)
        self._captured.graph.replay()
        return self._captured.result.clone()

    def _capture(
        self, compute: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], images: torch.Tensor, labels: torch.Tensor
    ) -> _Captured | None:
        """A recording; nothing is computed. thread_local: pages may use the GPU meanwhile."""
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        images, labels = images.clone(), labels.clone()
        stream = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                result = compute(images, labels)
        except RuntimeError as error:
            self._refused = True
            torch.cuda.set_stream(stream)  # a capture that fails at its end doesn't come back by itself
            warnings.warn(f"The step can't be recorded as a CUDA graph ({error}); it runs without.", stacklevel=2)
            return None
        return _Captured(graph, images, labels, result)
