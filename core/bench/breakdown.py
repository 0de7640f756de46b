"""Where the time of a training step goes, from torch's profiler."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from torch.profiler import ProfilerActivity, profile

from core.bench.loops import OurLoop
from core.training.optimizer import learning_rate
from core.training.step import training_step

_INPUT, _UPDATE, _OTHER = "augmentation and resize", "optimiser and clipping", "other"
_LAYERS = {  # part: what the name of an operation holds, forward or backward
    "convolutions": ("conv",),
    "fully connected": ("linear", "addmm"),
    "local response norm": ("localresponsenorm",),
    "pooling": ("pool",),
}
PARTS = (*_LAYERS, _UPDATE, _INPUT, _OTHER)


def prepare_profiler() -> None:
    """Start the profiler once where torch was imported, in the main thread: elsewhere its first start complains."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # it logs each start to stderr
    with profile(activities=[ProfilerActivity.CPU]):
        pass


def step_percent(loop: OurLoop, steps: int) -> dict[str, float]:
    """Percent of the time of `steps` steps, for each of PARTS; on a GPU of the time that it computes.

    Nothing where the profiler may not look at the GPU.

    A CUDA graph would be one event, so the steps run without; their kernels are the same.
    """
    state = replace(loop.state, graphs=None)
    images, labels = (values[: loop.config.batch_size] for values in (loop.images, loop.labels))
    rate = learning_rate(loop.config, state.step, state.num_steps)
    on_gpu = state.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    state.model.train()
    totals = dict.fromkeys(PARTS, 0.0)
    for _ in range(steps):
        with profile(activities=activities) as profiler:
            training_step(loop.config, state, images, labels, rate).tolist()  # waits for the device
        for part, microseconds in step_parts(profiler.events(), on_gpu).items():
            totals[part] += microseconds
    whole = sum(totals.values())
    return {part: 100 * total / whole for part, total in totals.items()} if whole else {}


def step_parts(events: Any, on_gpu: bool) -> dict[str, float]:
    """Microseconds of each of PARTS in the profiler's events of one step.

    Only the outermost operations count, each with all it calls. A backward operation belongs to the part of the forward
    operation that it is the gradient of, which the profiler tells by a common sequence number.
    """
    ordered = sorted((e for e in events if e.device_type.name == "CPU"), key=lambda e: e.time_range.start)
    outermost = [event for event in ordered if event.cpu_parent is None]
    first = next(i for i, event in enumerate(outermost) if _layer(event.name) is not None)
    last = max(i for i, event in enumerate(outermost) if _is_backward(event.name))
    forward: dict[int, str] = {}
    for event in ordered:
        root = _root(event)
        if not _is_backward(root.name) and event.sequence_nr >= 0:
            forward[event.sequence_nr] = _layer(root.name) or _OTHER  # the last to see a number is who made the node
    totals = dict.fromkeys(PARTS, 0.0)
    for i, event in enumerate(outermost):
        part = _layer(event.name) or (forward.get(event.sequence_nr) if _is_backward(event.name) else None) or _OTHER
        if i < first:
            part = _INPUT
        elif i > last or event.name.startswith("Optimizer."):
            part = _UPDATE
        totals[part] += event.device_time_total if on_gpu else event.cpu_time_total
    if not on_gpu:  # what passed between the operations, in Python
        whole = max(event.time_range.end for event in outermost) - outermost[0].time_range.start
        totals[_OTHER] += max(whole - sum(totals.values()), 0.0)
    return totals


def _root(event: Any) -> Any:
    while event.cpu_parent is not None:
        event = event.cpu_parent
    return event


def _is_backward(name: str) -> bool:
    return name.startswith("autograd::")


def _layer(name: str) -> str | None:
    """The part that an operation of this name belongs to; None where its name doesn't tell."""
    return next((part for part, marks in _LAYERS.items() if any(mark in name.lower() for mark in marks)), None)
