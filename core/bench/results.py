"""What the benchmark is asked to measure, and its record."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.bench.measure import Hardware
from core.bench.norm import NormTiming
from core.config import TrainConfig

METHOD = (
    "Rates are the fastest of {repeats} rounds after {dropped} dropped (LRN: the fastest of {norm_rounds}); what is "
    "compared takes turns within each round. Latencies are medians of {latency_calls}. Ours: gather, augmentation, "
    "step, records and progress on disk, in a background thread set up as in a training; checkpoints and validation "
    "are left out. The original: a process of its own with the system's memory settings and our thread's priority, "
    "pictures stretched by PIL in worker processes, Adam, float32 (on a GPU torch's default, TF32 in convolutions). "
    "MFU counts plain convolutions' products; where Winograd's algorithm does them (with AVX-512 and no matrix units, "
    "or in float32 with AVX2) ours needs fewer."
)


@dataclass(frozen=True)
class Plan:
    """How much is measured. config: of our training. steps: of a burst. repeats, dropped: rounds, and those before."""

    config: TrainConfig
    device: torch.device
    repeats: int
    steps: int
    original_steps: int
    matrix_size: int
    dropped: int = 1
    original_batch: int = 100
    norm_batch: int = 32
    norm_rounds: int = 30
    latency_calls: int = 20


@dataclass(frozen=True)
class Pace:
    """A training loop's images per second: the fastest round, and all of them."""

    precision: str
    batch_size: int
    threads: int
    images_per_second: float
    rounds: list[float]


@dataclass(frozen=True)
class Loops:
    """The loops side by side. The speed-ups are ours over the original's; thread_scaling is ours over ours_one_thread.

    ours_float32 is ours where training computes in float32 anyway. On a GPU that computes in bfloat16 it is None with
    its speed-up: nobody trains so. ours_one_thread and thread_scaling are None on a GPU, or where there is one thread.
    """

    original: Pace
    original_workers: int
    ours: Pace
    ours_float32: Pace | None
    ours_one_thread: Pace | None
    speedup: float
    speedup_float32: float | None
    thread_scaling: float | None


@dataclass(frozen=True)
class Utilisation:
    """What share of the hardware's arithmetic our loop uses: mfu = achieved_gflops / matrix_gflops, all in GFLOP/s.

    gflop_per_image: of the plain network, as everyone counts it. On a CPU ours needs 6 % less, for its conv1 is folded;
    and where Winograd's algorithm does conv2 to conv5, so much less that mfu may exceed 1.
    matrix_gflops: of the best product of two square matrices of `matrix_size` in the precision of our training.
    """

    gflop_per_image: float
    achieved_gflops: float
    matrix_gflops: float
    matrix_size: int
    precision: str
    mfu: float


@dataclass(frozen=True)
class Latency:
    """Median milliseconds for one picture on the CPU, as the dashboard has it; feature_maps_ms: of all five layers."""

    prediction_ms: float
    feature_maps_ms: float


@dataclass(frozen=True)
class Result:
    """The benchmark's record; step_percent says where the time of our step goes."""

    date: str
    torch: str
    hardware: Hardware
    repeats: int
    method: str
    seconds: float
    training: Loops
    utilisation: Utilisation
    local_response_norm: list[NormTiming]
    step_percent: dict[str, float]
    latency: Latency
