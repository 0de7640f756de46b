"""Training loops that run burst by burst: ours in a thread of this process, the original in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from core import memory, threads
from core.bench import original
from core.config import TrainConfig
from core.data.shapes import make_shapes
from core.errors import CoreError
from core.runs.run import create_run
from core.runs.writer import RunWriter
from core.training.device import pick_device, prepare_worker
from core.training.loop import train_one_epoch
from core.training.state import TrainingState, fresh

_DRAWN = 1_000  # different images; more are repetitions


@contextlib.contextmanager
def prepared_thread(config: TrainConfig) -> Iterator[ThreadPoolExecutor]:
    """One background thread, set up as that of a real training is."""
    device = pick_device(config)
    with ThreadPoolExecutor(1, "bench", initializer=prepare_worker, initargs=(config, device)) as thread:
        yield thread


@dataclass(frozen=True)
class OurLoop:
    """A training of ours, begun and able to go on. images, labels: one epoch, on the device, as a real run has them."""

    writer: RunWriter
    config: TrainConfig
    state: TrainingState
    images: torch.Tensor
    labels: torch.Tensor

    def burst(self) -> float:
        """Images per second of one epoch of the real loop, its records and progress on disk included."""
        began = time.perf_counter()
        train_one_epoch(self.writer, self.config, self.state, self.images, self.labels, None)
        return len(self.labels) / (time.perf_counter() - began)


@contextlib.contextmanager
def our_loop(thread: ThreadPoolExecutor, config: TrainConfig, steps: int, folder: Path) -> Iterator[OurLoop]:
    """A fresh training in `thread`, with epochs of `steps` steps, that writes its run to `folder`."""
    count = config.batch_size * steps
    drawn, _ = make_shapes(min(count, _DRAWN), 0, config.seed)
    data = drawn.select(torch.arange(count) % len(drawn))
    device = pick_device(config)
    with RunWriter(create_run(folder, config, {}, f"bench-{config.precision}")) as writer:
        state = thread.submit(fresh, config, data, device).result()
        yield OurLoop(writer, config, state, data.images.to(device), data.labels.to(device))


@dataclass(frozen=True)
class OriginalLoop:
    """The original at work in another process. threads, workers: of torch, and of its loader."""

    process: subprocess.Popen[str]
    num_images: int
    parameters: int
    threads: int
    workers: int

    def burst(self) -> float:
        """Images per second of `num_images` images. Raises CoreError where the process has ended by itself."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended: the answer says so
            os.write(self.process.stdin.fileno(), b"go\n")  # unbuffered, or closing the pipe would try again
        return self.num_images / float(_answer(self.process)["seconds"])


@contextlib.contextmanager
def original_loop(device: torch.device, batch_size: int, steps: int, niceness: int) -> Iterator[OriginalLoop]:
    """The original, loaded and waiting. Raises CoreError where it ends by itself."""
    command = [sys.executable, "-P", original.__file__, "--device", device.type]
    command += ["--batch-size", str(batch_size), "--steps", str(steps), "--niceness", str(niceness)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=untuned_environment()
    ) as process:
        try:
            yield OriginalLoop(process, batch_size * steps, **_answer(process))
        except BaseException:
            process.kill()  # else we would wait for the end of its steps
            raise


def niceness() -> int:
    """Of the calling thread. Programs compared on a busy machine must have the same; only Linux has it by thread."""
    return os.getpriority(os.PRIO_PROCESS, 0) if sys.platform == "linux" else 0


def untuned_environment() -> dict[str, str]:
    """This process's environment without what the package put there."""
    ours = memory.SETTINGS | threads.SETTINGS
    return {name: value for name, value in os.environ.items() if ours.get(name) != value}


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise CoreError(
            f"The original's loop ended by itself (exit code {process.wait()}); what it said stands above. "
            "It needs torchvision, and about 5 GB of memory."
        )
    answer: dict[str, Any] = json.loads(line)
    return answer
