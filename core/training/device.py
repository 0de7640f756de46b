"""The hardware a run trains on: which device, which precision, how many threads, at which priority."""

from __future__ import annotations

import os
import sys
import threading
from functools import cache

import psutil
import torch
from torch.nn import functional

from core.config import TrainConfig
from core.errors import ConfigError
from core.memory import give_freed_memory_back, keep_freed_memory

#: one training, or timing of one, at a time: one's work could end in the other's CUDA graph
device_lock = threading.Lock()
_WORKER_NICENESS = 10
_ALL_THREADS = torch.get_num_threads()  # now, because set_num_threads changes what later threads begin with


def pick_device(config: TrainConfig) -> torch.device:
    """The device that `config.device` means here. Raises ConfigError for cuda where there is none."""
    if config.device == "cpu":
        return torch.device("cpu")
    device = fastest_device()
    if config.device == "cuda" and device.type != "cuda":
        raise ConfigError("device: cuda was asked for, but torch sees no CUDA GPU here; choose auto or cpu.")
    return device


def fastest_device() -> torch.device:
    """A GPU where torch sees one, else the CPU: also for a network that was trained on a device that isn't here."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def out_of_memory(config: TrainConfig) -> ConfigError:
    """What to say where a step of `config` doesn't fit into the GPU's memory."""
    size = config.batch_size
    return ConfigError(f"Out of GPU memory at batch_size {size}; try {max(size // 2, 1)}.")


def pick_threads(config: TrainConfig) -> int:
    """How many CPU threads `config.num_threads` means here."""
    return config.num_threads or _ALL_THREADS


def device_name(device: torch.device, threads: int = _ALL_THREADS) -> str:
    """What to call it on a page. threads: that compute where it is the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"


def pick_precision(config: TrainConfig, device: torch.device) -> torch.dtype:
    """The dtype to compute in: bfloat16 where it is fast here and right, else float32."""
    if config.precision != "auto":
        return torch.float32 if config.precision == "float32" else torch.bfloat16
    return torch.bfloat16 if _has_fast_bfloat16(device) and _bfloat16_agrees(device) else torch.float32


def precision_name(precision: torch.dtype) -> str:
    """float32 or bfloat16."""
    return str(precision).removeprefix("torch.")


def describe(config: TrainConfig, device: torch.device) -> tuple[str, str]:
    """Name of the device, with its threads, and precision: what a run records, and a later estimate looks for."""
    return device_name(device, pick_threads(config)), precision_name(pick_precision(config, device))


def _has_fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Only a private probe tells; a torch that drops it gets float32, slower and right.
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return callable(probe) and probe() is True


@cache
def _bfloat16_agrees(device: torch.device) -> bool:
    """One small convolution against float32: silently wrong bfloat16 kernels have been seen in the field."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 96, 27, 27, generator=generator).to(device)
    weight = torch.randn(64, 96, 5, 5, generator=generator).to(device)
    right = functional.conv2d(image, weight, padding=2)
    layout = torch.channels_last
    found = functional.conv2d(
        image.bfloat16().contiguous(memory_format=layout), weight.bfloat16().contiguous(memory_format=layout), padding=2
    )
    return bool(((found.float() - right).norm() / right.norm()) < 0.02)


def prepare_worker(config: TrainConfig, device: torch.device) -> int:
    """Set up the calling thread for training; the number of CPU threads it uses.

    Threads and priority hold for the thread that calls this and the pool it starts, so that must be the worker.
    """
    threads = pick_threads(config)
    torch.set_num_threads(threads)
    if device.type == "cpu":
        _lower_priority()
        keep_freed_memory()
        torch.set_flush_denormal(True)  # moments of weights without gradients fade to them, and an Intel takes long
    else:
        torch.cuda.reset_peak_memory_stats(device)
    return threads


def release_worker() -> None:
    """Undo what prepare_worker did to the whole process, and give memory back. Only while holding device_lock."""
    torch.set_num_threads(_ALL_THREADS)  # a page's thread begins with the number that was set last, anywhere
    release_memory()
    give_freed_memory_back()


def release_memory() -> None:
    """Give the GPU memory of a training that has ended back to other programs. Only while holding device_lock."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _lower_priority() -> None:
    """Let pages come before training on a busy CPU. Only Linux gives single threads a priority."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        niceness = os.getpriority(os.PRIO_PROCESS, thread)  # a user may not make it less again
        os.setpriority(os.PRIO_PROCESS, thread, max(niceness, _WORKER_NICENESS))


def memory_in_use(device: torch.device) -> int:
    """Bytes: the peak on a GPU, recorded steps included, the resident memory of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device)
    return int(psutil.Process().memory_info().rss)
