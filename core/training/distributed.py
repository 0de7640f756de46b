"""Several processes that train one network together, each on its share of every batch.

    torchrun --nproc-per-node=4 -m core train --preset standard --data-source cifar10

The first process (rank 0) writes the run folder, where any dashboard shows it; the others only compute. batch_size is
that of all together. Alone, everything here does nothing.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from core.errors import ConfigError
from core.runs.metrics import RateChange
from core.runs.run import Run
from core.runs.writer import RunWriter

_FAILURE = "failure"
_store: Any = None  # a Store: where the processes met; torchrun keeps it until all have ended


@dataclass(frozen=True)
class Peers:
    """This process among those that train together. rank: 0..count-1."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder."""
        return self.rank == 0

    def share(self, indices: torch.Tensor) -> torch.Tensor:
        """This process's part of `indices`; together the parts are the whole."""
        return indices[self.rank :: self.count]

    def broadcast_numbers(self, *numbers: float) -> list[float]:
        """The first process's numbers, in every process: once a step, so without pickling or waiting for a GPU."""
        if self.count == 1:
            return [*numbers]
        answer = torch.tensor(numbers, dtype=torch.float64)
        distributed.broadcast(answer, src=0)
        return answer.tolist()

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of `values` over all processes, in place."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def broadcast(self, value: Any) -> Any:
        """The first process's value, in every process; also a meeting point: none goes on before all are there."""
        box = [value]
        if self.count > 1:
            distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
            self.total(torch.zeros(1))
        return box[0]

    def barrier(self) -> None:
        """A meeting point: none goes on before all are there."""
        self.broadcast(None)

    def connect(self, model: nn.Module, device: torch.device) -> nn.Module:
        """`model`, its gradients averaged over all processes as they are computed."""
        if self.count == 1:
            return model
        return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


def current() -> Peers:
    """The processes that have joined; one where there is only this."""
    if distributed.is_available() and distributed.is_initialized():
        return Peers(distributed.get_rank(), distributed.get_world_size())
    return Peers()


def is_launched() -> bool:
    """Whether torchrun, or something like it, started this process together with others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def join(*, on_cpu: bool = False) -> None:
    """Meet the other processes: gloo between CPUs, NCCL between GPUs. leave() afterwards.

    on_cpu: they will train on CPUs, whether there are GPUs or not.
    """
    global _store
    from torch.distributed.rendezvous import rendezvous  # not in every build of torch

    if torch.cuda.is_available() and not on_cpu:
        local_rank, num_gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local_rank >= num_gpus:
            raise ConfigError(
                f"Process {local_rank} of this machine has no GPU of its own: start at most {num_gpus}, or set "
                "CUDA_VISIBLE_DEVICES to nothing to train on CPUs."
            )
        torch.cuda.set_device(local_rank)
    _store, rank, count = next(rendezvous("env://"))
    distributed.init_process_group(store=_store, rank=rank, world_size=count)


def report_failure(reason: str) -> None:
    """Leave word of why this process ends, since the first would see a lost connection only.

    As do the processes that this failure makes fail, so the first word counts.
    """
    peers = current()
    with contextlib.suppress(RuntimeError):  # the process that keeps the word may be gone as well
        if _store is not None:
            text = f"Another process (rank {peers.rank} of {peers.count}) failed: {reason}"
            _store.compare_set(_FAILURE, "", text)


def reported_failure() -> str | None:
    """What another process has left with report_failure."""
    with contextlib.suppress(RuntimeError):
        if _store is not None and _store.check([_FAILURE]):
            return str(_store.get(_FAILURE), "utf-8")
    return None


def leave() -> None:
    """The end of the common work, if there was any."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


class SilentWriter(RunWriter):
    """What the other processes write: nothing. A wish reaches them through the first."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.attempt = 0
        self.test_accuracy = None

    def close(self) -> None: ...

    @property
    def stop_requested(self) -> bool:
        return False

    @property
    def learning_rate_factor(self) -> float:
        return 0.0

    def rate_changes(self) -> list[RateChange]:
        return []

    def log(self, kind: str, **fields: Any) -> None: ...

    def report(self, *, force: bool = False, **fields: Any) -> None: ...

    def write_data(self, content: dict[str, Any]) -> None: ...
