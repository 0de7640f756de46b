"""The training loops and the hardware's best, taking turns."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import torch

from core.bench.loops import OurLoop, niceness, original_loop, our_loop, prepared_thread
from core.bench.measure import interleave, matrix_product, training_gflop
from core.bench.results import Loops, Pace, Plan, Utilisation
from core.training.device import precision_name

_TRIES = 5  # products of either kind in a round

Rounds = dict[str, list[float]]


def race(plan: Plan, thread: ThreadPoolExecutor, ours: OurLoop, folder: Path) -> tuple[Loops, Utilisation]:
    """Every loop's pace, and how much of the hardware ours uses. Further runs of ours go to `folder`.

    Raises CoreError where the original can't run here.
    """
    precision = ours.state.precision
    threads = thread.submit(torch.get_num_threads).result()
    product = matrix_product(plan.matrix_size, precision, plan.device, _TRIES)
    with ExitStack() as stack:
        nice = thread.submit(niceness).result()
        original = stack.enter_context(original_loop(plan.device, plan.original_batch, plan.original_steps, nice))
        contenders: dict[str, Callable[[], float]] = {
            "original": original.burst,
            "ours": lambda: thread.submit(ours.burst).result(),
            "product": lambda: thread.submit(product).result(),
        }
        if precision != torch.float32 and plan.device.type == "cpu":
            exact = plan.config.model_copy(update={"precision": "float32"})
            in_float32 = stack.enter_context(our_loop(thread, exact, plan.steps, folder))
            contenders["ours_float32"] = lambda: thread.submit(in_float32.burst).result()
        if plan.device.type == "cpu" and threads > 1:
            alone = stack.enter_context(prepared_thread(plan.config.model_copy(update={"num_threads": 1})))
            contenders["ours_one_thread"] = lambda: alone.submit(ours.burst).result()
        interleave(contenders, plan.dropped)
        rounds = interleave(contenders, plan.repeats)
    found = _paces(plan, rounds, precision_name(precision), threads, original.threads)
    return _loops(found, original.workers), _utilisation(plan, found["ours"], max(rounds["product"]))


def _paces(plan: Plan, rounds: Rounds, precision: str, threads: int, original_threads: int) -> dict[str, Pace]:
    facts = {  # precision, batch size, threads
        "original": ("float32", plan.original_batch, original_threads),
        "ours": (precision, plan.config.batch_size, threads),
        "ours_float32": ("float32", plan.config.batch_size, threads),
        "ours_one_thread": (precision, plan.config.batch_size, 1),
    }
    return {name: Pace(*facts[name], max(rounds[name]), rounds[name]) for name in facts if name in rounds}


def _loops(found: dict[str, Pace], workers: int) -> Loops:
    original, ours, alone = found["original"], found["ours"], found.get("ours_one_thread")
    in_float32 = ours if ours.precision == "float32" else found.get("ours_float32")
    return Loops(
        original=original,
        original_workers=workers,
        ours=ours,
        ours_float32=in_float32,
        ours_one_thread=alone,
        speedup=ours.images_per_second / original.images_per_second,
        speedup_float32=in_float32.images_per_second / original.images_per_second if in_float32 else None,
        thread_scaling=ours.images_per_second / alone.images_per_second if alone else None,
    )


def _utilisation(plan: Plan, ours: Pace, matrix_gflops: float) -> Utilisation:
    achieved = training_gflop() * ours.images_per_second
    return Utilisation(
        gflop_per_image=training_gflop(),
        achieved_gflops=achieved,
        matrix_gflops=matrix_gflops,
        matrix_size=plan.matrix_size,
        precision=ours.precision,
        mfu=achieved / matrix_gflops,
    )
