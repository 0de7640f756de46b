"""CUDA graphs: a step's hundreds of kernels started by one call, so that Python is never what a GPU waits for."""

from __future__ import annotations

import warnings
from collections import Counter
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
    """Runs the first few steps of each kind as they are, the others by replaying a recording of one.

    generator: what the step draws from. It is seeded before each step, and a replay draws as the step itself would.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._phase: Hashable = None
        self._steps: Counter[Hashable] = Counter()
        self._captured: dict[Hashable, _Captured] = {}
        self._refused = False

    def run(
        self,
        compute: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        images: torch.Tensor,
        labels: torch.Tensor,
        *,
        phase: Hashable,
        kind: Hashable,
    ) -> torch.Tensor:
        """compute(images, labels), which under the same `phase` and `kind` does the same on tensors of the same shapes.

        A new phase drops the recordings of the last one: each holds all the memory of a step.
        """
        if phase != self._phase:
            self._phase, self._steps, self._captured = phase, Counter(), {}
        self._steps[kind] += 1
        if kind not in self._captured and self._steps[kind] > _WARM_UP_STEPS and not self._refused:
            self._capture(kind, compute, images, labels)
        if kind not in self._captured:
            return compute(images, labels)
        captured = self._captured[kind]
        captured.images.copy_(images)
        captured.labels.copy_(labels)
        captured.graph.replay()
        return captured.result.clone()

    def _capture(
        self,
        kind: Hashable,
        compute: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        images: torch.Tensor,
        labels: torch.Tensor,
    ) -> None:
        """Record a step; nothing is computed. thread_local: pages may use the GPU meanwhile."""
        graph = torch.cuda.CUDAGraph()
        if torch.__version__ < "2.14":  # since then a capture finds its generators itself
            graph.register_generator_state(self._generator)
        images, labels = images.clone(), labels.clone()
        stream = torch.cuda.current_stream()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                result = compute(images, labels)
        except RuntimeError as error:
            self._refused, self._captured = True, {}  # older recordings would draw from the generator as it was
            self._recover(stream)
            cause = error.__context__ or error  # at its end a spoilt capture raises once more, and says less
            warnings.warn(f"The step can't be recorded as a CUDA graph ({cause}); it runs without.", stacklevel=2)
            return
        self._captured[kind] = _Captured(graph, images, labels, result)

    def _recover(self, stream: torch.cuda.Stream) -> None:
        """After a capture that failed at its end: the stream doesn't come back, before torch 2.14 nor the generator."""
        torch.cuda.set_stream(stream)
        seed = self._generator.initial_seed()
        self._generator.graphsafe_set_state(torch.Generator(self._generator.device))
        self._generator.manual_seed(seed)
