"""Checkpoints: weights and training state as safetensors, made valid by a manifest that is written last.

    checkpoints/step-00001234.safetensors         the weights
    checkpoints/step-00001234.train.safetensors   what resuming needs besides (optimiser moments)
    checkpoints/step-00001234.json                the manifest: sizes, sha256, step, accuracy, classes, input

`best.json` and `last.json` in the run folder name a manifest. No pickle is ever read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.errors import CheckpointError
from core.files import file_sha256, read_json, replacing, write_json
from core.model.alexnet import LRN_ALPHA, AlexNet, InputSpec
from core.runs.compact import expand
from core.runs.run import Run
from core.runs.writer import RunWriter

Which = Literal["best", "last"]
FORMAT_VERSION = 1
_TRAINING_SUFFIX = ".train.safetensors"
_LOOKS = 5  # the writer may replace a checkpoint between a reader's look at its pointer and at its manifest
Tensors = dict[str, torch.Tensor]
Files = dict[str, dict[str, Any]]  # name of a file: its size and sha256


@dataclass(frozen=True)
class Checkpoint:
    """A valid checkpoint of a run.

    step: training steps done. epoch: epochs completed. seconds: training time so far, over all attempts.
    val_accuracy: 0..1, or None where it was saved between validations.
    lrn_alpha: the network's. epoch_sums: of the epoch under way: loss times images, correct images, images.
    """

    run: Run
    name: str
    step: int
    epoch: int
    seconds: float
    val_accuracy: float | None
    class_names: tuple[str, ...]
    input_spec: InputSpec
    lrn_alpha: float
    epoch_sums: list[float]
    files: Files

    @property
    def fingerprint(self) -> str:
        """sha256 of the weights' file: names exactly these weights."""
        digest: str = self.files[f"{self.name}.safetensors"]["sha256"]
        return digest

    def derived(self, file: str) -> Path:
        """Where something computed from exactly these weights is kept in the run folder, to be computed once."""
        return self.run.path / "derived" / f"{self.name}-{self.fingerprint[:8]}" / file


def save_checkpoint(
    writer: RunWriter,
    model: AlexNet,
    training_state: Tensors,
    *,
    step: int,
    epoch: int,
    seconds: float,
    val_accuracy: float | None,
    epoch_sums: list[float],
    pointers: tuple[Which, ...],
) -> None:
    """Write the model's weights and `training_state`, unless `last` names them already; then let `pointers` name them.

    Weights that no pointer names any more are deleted at the next save: a viewer may be loading them now.
    """
    folder = writer.run.path / "checkpoints"
    folder.mkdir(exist_ok=True)
    name = f"step-{step:08}"
    before: dict[str, str | None] = {which: _pointer(writer.run, which) for which in get_args(Which)}
    is_known = name == before["last"]  # what else has its name, an attempt left that died: it may differ
    manifest = (read_json(folder / f"{name}.json") if is_known else None) or {}
    files = {f"{name}.safetensors": _weights(model), name + _TRAINING_SUFFIX: training_state}
    manifest |= {
        "format_version": FORMAT_VERSION,
        "step": step,
        "epoch": epoch,
        "seconds": seconds,
        "epoch_sums": epoch_sums,
        "val_accuracy": manifest.get("val_accuracy") if val_accuracy is None else val_accuracy,
        "class_names": list(model.class_names),
        "input_spec": asdict(model.input_spec),
        "lrn_alpha": model.lrn_alpha,
        "torch": torch.__version__,
        "files": _write_missing(folder, manifest.get("files", {}), files),
    }
    write_json(folder / f"{name}.json", manifest)
    for pointer in pointers:
        write_json(writer.run.path / f"{pointer}.json", {"manifest": f"{name}.json"})
    _prune(writer.run, before, before | dict.fromkeys(pointers, name))


def _weights(model: AlexNet) -> Tensors:
    return {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}


def _write_missing(folder: Path, known: Files, tensors: dict[str, Tensors]) -> Files:
    """Write `tensors` by name of file; all files as the manifest lists them. One that is known and there stays."""
    files = dict(known)
    for name, part in tensors.items():
        if not (name in known and (folder / name).is_file()):
            files[name] = write_tensors(folder / name, part)
    return files


def write_tensors(path: Path, tensors: Tensors) -> dict[str, Any]:
    """Write `tensors` to `path`, whole or not at all; size and sha256 of the file, as a manifest lists it."""
    with replacing(path) as temporary:
        save_file(tensors, temporary)
    return {"size": path.stat().st_size, "sha256": file_sha256(path)}


def available(run: Run) -> tuple[Which, ...]:
    """Which of best and last this run has."""
    return tuple(which for which in get_args(Which) if _pointer(run, which) is not None)


def best_accuracy(run: Run) -> float | None:
    """The validation accuracy of the best checkpoint, 0..1; None where there is none yet or its manifest is damaged."""
    try:
        return find_checkpoint(run, "best").val_accuracy
    except CheckpointError:  # said where the checkpoint is opened; here it must not hide all else of the run
        return None


def find_checkpoint(run: Run, which: str = "best") -> Checkpoint:
    """The checkpoint that `which` names. Raises CheckpointError where there is none yet or its manifest is damaged."""
    if which not in get_args(Which):
        raise CheckpointError(f"{which!r} names no checkpoint: choose best or last.")
    for _ in range(_LOOKS):
        name = _pointer(run, which)
        manifest = read_json(run.path / "checkpoints" / f"{name}.json")
        if manifest is not None:
            break
    if name is None:
        raise CheckpointError(f"Run {run.id!r} has no {which} checkpoint yet; it appears as the training goes on.")
    manifest = manifest or {}
    if manifest.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        raise CheckpointError(
            f"{name} of run {run.id!r} was written by a newer version of this program; update it to read it."
        )
    try:
        spec = manifest["input_spec"]
        return Checkpoint(
            run=run,
            name=name,
            step=manifest["step"],
            epoch=manifest["epoch"],
            seconds=manifest["seconds"],
            val_accuracy=manifest["val_accuracy"],
            class_names=tuple(manifest["class_names"]),
            input_spec=InputSpec(spec["image_size"], tuple(spec["mean"]), tuple(spec["std"])),
            lrn_alpha=manifest.get("lrn_alpha", LRN_ALPHA),
            epoch_sums=manifest["epoch_sums"],
            files=manifest["files"],
        )
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"The manifest {name}.json of run {run.id!r} is damaged: {error} is missing.") from None


def load_model(run: Run, which: str = "best", device: str | torch.device = "cpu") -> AlexNet:
    """The network of a run's best or last checkpoint; see open_model."""
    return open_model(find_checkpoint(run, which), device)


def open_model(checkpoint: Checkpoint, device: str | torch.device = "cpu") -> AlexNet:
    """The network of a checkpoint, in evaluation mode, with its class names and input normalisation.

    Raises CheckpointError where the checkpoint is missing, damaged or does not fit.
    """
    with torch.device("meta"):  # no memory and no random numbers for weights that are replaced at once
        model = AlexNet(
            len(checkpoint.class_names), class_names=checkpoint.class_names, input_spec=checkpoint.input_spec,
            lrn_alpha=checkpoint.lrn_alpha,
        )  # fmt: skip
    weights = expand(_load_tensors(checkpoint, ".safetensors"))
    expected = {name: value.shape for name, value in model.state_dict().items()}
    found = {name: value.shape for name, value in weights.items()}
    if expected != found:
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        names = ", ".join(wrong[:3])
        raise CheckpointError(f"{checkpoint.name} of run {checkpoint.run.id!r} is not this network: {names} differ.")
    model.load_state_dict(weights, assign=True)
    return model.requires_grad_(False).eval().to(device)


def load_training_state(checkpoint: Checkpoint) -> Tensors:
    """What save_checkpoint got as training_state. Raises CheckpointError where it is missing or damaged."""
    return _load_tensors(checkpoint, _TRAINING_SUFFIX)


def _load_tensors(checkpoint: Checkpoint, suffix: str) -> Tensors:
    run, path = checkpoint.run, checkpoint.run.path / "checkpoints" / (checkpoint.name + suffix)
    with_weights = "start a new run with this one's weights to begin with"
    advice = with_weights if suffix == _TRAINING_SUFFIX else "choose the other checkpoint, or train again"
    expected = checkpoint.files.get(path.name)
    if expected is None or not path.is_file():
        if (there := available(run)) and checkpoint.name not in {_pointer(run, which) for which in there}:
            advice = "a newer checkpoint has replaced it, so reload the page"
        raise CheckpointError(f"{path.name} of run {run.id!r} is missing; {advice}.")
    if path.stat().st_size != expected.get("size") or file_sha256(path) != expected.get("sha256"):
        raise CheckpointError(f"{path.name} of run {run.id!r} is damaged (its checksum differs); {advice}.")
    try:
        tensors = load_file(path)
        # On Windows in memory of their own: a file that is mapped can't be deleted there.
        return tensors if os.name == "posix" else {name: tensor.clone() for name, tensor in tensors.items()}
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} of run {run.id!r} can't be read ({error}); {advice}.") from error


def _pointer(run: Run, which: str) -> str | None:
    """The checkpoint's name, if the pointer and its manifest are there."""
    content = read_json(run.path / f"{which}.json") or {}
    name = Path(str(content.get("manifest"))).stem
    return name if (run.path / "checkpoints" / f"{name}.json").is_file() else None


def _prune(run: Run, before: dict[str, str | None], now: dict[str, str | None]) -> None:
    """Delete what no pointer names, nor named before, manifest first, and the training state of all but the last."""
    if any(name is None and (run.path / f"{which}.json").exists() for which, name in now.items()):
        return  # it can't be read just now: what it names must stay
    kept, last = {*before.values(), *now.values()}, now["last"]
    folder = run.path / "checkpoints"
    for file in [*folder.glob("step-*.json"), *folder.glob("step-*.safetensors")]:
        name = file.name.partition(".")[0]
        if name not in kept or (file.name.endswith(_TRAINING_SUFFIX) and name != last):
            with contextlib.suppress(PermissionError):  # on Windows a viewer's open file stays until the next save
                file.unlink(missing_ok=True)
    for derived in (run.path / "derived").glob("step-*"):
        if derived.name.rpartition("-")[0] not in kept:
            shutil.rmtree(derived, ignore_errors=True)
