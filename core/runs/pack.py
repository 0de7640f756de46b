"""A finished run made small enough to travel with the code: its settings, its curves, one compact checkpoint.

A packed run is a run folder like any other, finished for good. `"packed"` in its config.json tells it from the runs of
this user: the run it came from, where that had its images from, and the rank of its factors.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from core.config import DataSource, TrainConfig, make_config
from core.errors import ConfigError, RunError
from core.files import new_folder, read_json, replacing, write_json
from core.model.alexnet import CONV_LAYERS, AlexNet, normalize
from core.runs.checkpoints import Checkpoint, Tensors, find_checkpoint, open_model, write_tensors
from core.runs.compact import compact, expand
from core.runs.metrics import decode, segment_paths
from core.runs.names import check_run_id
from core.runs.run import Run, RunState
from core.runs.snapshots import (
    PHOTO,
    Pinned,
    read_pinned,
    read_snapshot,
    read_snapshot_bytes,
    snapshot_epochs,
    write_pinned,
    write_snapshot,
)

DEFAULT_RANK = 64
_MOST_SNAPSHOTS = 10
_MOST_STEPS = 3000  # whose records are kept
MAX_RANK = 2048  # from here on the two factors of fc7 are no smaller than fc7


def pack(
    run: Run,
    destination: Path,
    *,
    rank: int = DEFAULT_RANK,
    data_source: DataSource | None = None,
    refit: Callable[[AlexNet, Tensors], Tensors] | None = None,
) -> Run:
    """Write `run` and the weights of its best checkpoint as the new run folder `destination`, whole or not at all.

    rank: of the factors that stand for fc6 and fc7; each unit costs 43 kB. data_source: where who gets it will find the
    images, as no path of this machine is kept; by default that of the training. refit: gives better weights of the same
    shapes for the network and its compact weights (core.training.refit); without it fc8 is scaled at most.
    Raises ConfigError for a bad rank or source, RunError where the run is not finished or `destination` is taken or
    can't be written, CheckpointError where there are no weights.
    """
    if not 1 <= rank <= MAX_RANK:
        raise ConfigError(f"rank: should be from 1 to {MAX_RANK:,}, got {rank}.")
    check_run_id(destination.name)
    if destination.exists():
        raise RunError(f"{destination} exists already: name a new folder, or delete that one first.")
    if run.state is not RunState.FINISHED:
        raise RunError(f"Run {run.id!r} is {run.state.value}: only a finished run can be packed.")
    config = _portable(run, data_source)
    checkpoint = find_checkpoint(run, "best")
    model = open_model(checkpoint)
    weights = compact(model.state_dict(), rank)
    weights = refit(model, weights) if refit else _as_sure(run, model, weights)
    packed = {"run_id": run.id, "data_source": run.config.data_source, "rank": rank, "refit": refit is not None}
    try:
        with new_folder(destination) as folder:
            _write_record(run, config, packed, folder)
            _write_snapshots(run, Run(folder))
            _write_checkpoint(checkpoint, weights, folder)
    except (OSError, SafetensorError) as error:
        cause = getattr(error, "strerror", None) or error
        raise RunError(f"{destination} can't be written: {cause}. Free some space or name another folder.") from error
    return Run(destination)


def _as_sure(run: Run, model: AlexNet, weights: Tensors) -> Tensors:
    """`weights` with fc8 scaled so that the pinned images' logits are as far apart as `model` has them.

    What the factors leave out held a part of the logits' size: the answers would be the same, and less sure. Left as
    they are where no images are pinned.
    """
    if not snapshot_epochs(run):
        return weights
    small = copy.deepcopy(model)
    small.load_state_dict(expand(weights))
    images = torch.from_numpy(read_pinned(run).images).permute(0, 3, 1, 2)  # stored as the network was trained on them
    with torch.inference_mode():
        logits = [network.eval()(normalize(images, network.input_spec)) for network in (model, small)]
    before, after = (values - values.mean(1, keepdim=True) for values in logits)
    scale = max(float((before * after).sum() / after.square().sum()), 1.0)  # least squares; below 1 nothing is alike
    return weights | {name: weights[name] * scale for name in ("fc8.weight", "fc8.bias")}


def _portable(run: Run, data_source: DataSource | None) -> TrainConfig:
    """The settings without what only this machine has."""
    source = data_source or run.config.data_source
    if source == "folder":
        raise ConfigError(
            f"data_source: run {run.id!r} was trained on a folder, which stays on this machine; name a source that "
            "others have, such as cifar10."
        )
    return make_config(
        **run.config.to_json() | {"data_source": source, "data_dir": None, "device": "auto", "num_threads": 0}
    )


def _write_record(run: Run, config: TrainConfig, packed: dict[str, object], folder: Path) -> None:
    """All but the weights. What was said of this machine's files (notes, reasons) stays here."""
    content = {"config": config.to_json(), "environment": run.environment, "packed": packed}
    write_json(folder / "config.json", content)
    # Others may have the data set in another copy, whose test images are no less new to the network.
    data = {name: value for name, value in run.data.items() if name not in ("val_fingerprint", "test_fingerprint")}
    write_json(folder / "data.json", data | {"notes": []})
    with replacing(folder / "metrics-0001.jsonl") as temporary:
        temporary.write_bytes(_metrics(run))
    # Another machine's pace must not be taken for this one's.
    progress = replace(run.progress.without_pace(), message="")
    write_json(folder / "progress.json", asdict(progress))
    end = run.end or {}
    write_json(folder / "end.json", {name: end.get(name) for name in ("state", "at", "test_accuracy")} | {"reason": ""})


def _write_snapshots(run: Run, packed: Run) -> None:
    """Some epochs, compressed, with the maps of the project's own photograph: a data set's images may not travel along.

    None where the photograph was not pinned. The maps of all pinned images would outweigh the network besides.
    """
    epochs = snapshot_epochs(run)
    if not epochs:
        return
    pinned = read_pinned(run)
    if PHOTO not in pinned.numbers:
        return
    at = int(np.flatnonzero(pinned.numbers == PHOTO)[0])
    only = slice(at, at + 1)
    write_pinned(packed, Pinned(pinned.images[only], pinned.numbers[only], pinned.labels[only], pinned.val_labels))
    for epoch in _some(epochs):
        snapshot = read_snapshot(run, epoch)
        maps = {}
        for layer in CONV_LAYERS:
            values, tops = read_snapshot_bytes(run, epoch, layer, at)
            maps[layer] = values[None], tops[None]
        alone = replace(snapshot, pinned_probabilities=snapshot.pinned_probabilities[only])
        write_snapshot(packed, alone, maps, compress=True)


def _some(epochs: Sequence[float]) -> list[int]:
    """The whole ones; of many the first and others at ever wider distances, since a network learns ever slower."""
    whole = [epoch for epoch in epochs if isinstance(epoch, int)]
    if len(whole) <= _MOST_SNAPSHOTS:
        return whole
    wanted = np.geomspace(whole[1], whole[-1], _MOST_SNAPSHOTS - 1)
    return sorted({whole[0], *(min(whole, key=lambda epoch: abs(epoch - at)) for at in wanted.tolist())})


def _write_checkpoint(checkpoint: Checkpoint, weights: Tensors, folder: Path) -> None:
    """`weights` under the name and manifest of `checkpoint`, as best and last: there is nothing to resume from."""
    name = checkpoint.name
    (folder / "checkpoints").mkdir()
    file = f"{name}.safetensors"
    files = {file: write_tensors(folder / "checkpoints" / file, weights)}
    manifest = read_json(checkpoint.run.path / "checkpoints" / f"{name}.json") or {}
    write_json(folder / "checkpoints" / f"{name}.json", manifest | {"files": files})
    for pointer in ("best", "last"):
        write_json(folder / f"{pointer}.json", {"manifest": f"{name}.json"})


def _metrics(run: Run) -> bytes:
    """All attempts as one segment, which a reader takes in as it did the many; without ends, and damaged lines.

    Of many steps the first, every second, third, ... from there and the last are kept.
    """
    lines = [line for path in segment_paths(run.path) for line in path.read_bytes().splitlines()]
    records = [(line, record) for line in lines if (record := decode(line)) and record.get("event") != "end"]
    steps = {record["step"] for _, record in records if record["kind"] == "step"}
    chosen = {*sorted(steps)[:: math.ceil(len(steps) / _MOST_STEPS) or 1], max(steps, default=0)}
    kept = (line for line, record in records if record["kind"] != "step" or record["step"] in chosen)
    return b"".join(line + b"\n" for line in kept)
