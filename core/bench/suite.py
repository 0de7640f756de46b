"""Everything the benchmark measures, in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import torch

from core.bench.breakdown import prepare_profiler, step_percent
from core.bench.latency import latency, untrained
from core.bench.loops import our_loop, prepared_thread
from core.bench.measure import hardware
from core.bench.norm import compare_norms
from core.bench.race import race
from core.bench.results import METHOD, Plan, Result
from core.config import make_config
from core.errors import ConfigError
from core.model.alexnet import AlexNet
from core.training.device import pick_device

Tell = Callable[[str], None]

_PROFILED_STEPS = 2
_NO_SAVING = 1e9  # seconds: a checkpoint in the middle of a burst would be one contender's bad luck


def make_plan(device: str, repeats: int) -> Plan:
    """The benchmark of a CPU or a GPU. Raises ConfigError for a device that isn't there, or no repeat.

    On a GPU a burst of ours is an epoch of CIFAR-10, since a step takes some ten milliseconds.
    """
    if repeats < 1:
        raise ConfigError(f"repeats: input should be at least 1, got {repeats}.")
    config = make_config(preset="standard", device=device, progressive=False, checkpoint_seconds=_NO_SAVING)
    found = pick_device(config)
    if found.type == "cuda":
        return Plan(config, found, repeats, steps=98, original_steps=40, matrix_size=8192)
    config = make_config(preset="laptop", device=device, progressive=False, checkpoint_seconds=_NO_SAVING)
    return Plan(config, found, repeats, steps=2, original_steps=1, matrix_size=2048)


def run(plan: Plan, tell: Tell, model: AlexNet | None = None) -> Result:
    """Measure everything; `tell` hears what is being measured. model: for the latencies, else an untrained one.

    Raises CoreError where the original can't run here.
    """
    began = time.monotonic()
    prepare_profiler()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        thread = stack.enter_context(prepared_thread(plan.config))
        tell("Training loops, side by side")
        ours = stack.enter_context(our_loop(thread, plan.config, plan.steps, folder))
        training, utilisation = race(plan, thread, ours, folder)
        tell("Parts of a step")
        percent = thread.submit(step_percent, ours, _PROFILED_STEPS).result()
        tell("Local response norm")
        precision, rounds = ours.state.precision, plan.norm_rounds
        norms = thread.submit(compare_norms, plan.norm_batch, precision, plan.device, rounds).result()
    tell("Latency of one picture")
    waiting = latency(model or untrained(), plan.latency_calls)
    return Result(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        torch=torch.__version__,
        hardware=hardware(plan.device, training.ours.threads),
        repeats=plan.repeats,
        method=METHOD.format(**vars(plan)),
        seconds=round(time.monotonic() - began, 1),
        training=training,
        utilisation=utilisation,
        local_response_norm=norms,
        step_percent=percent,
        latency=waiting,
    )
