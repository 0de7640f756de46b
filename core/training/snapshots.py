"""Takes a snapshot of the network, for the time machine."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import numpy as np
import torch

from core.config import TrainConfig
from core.data.example import EXAMPLE_LABEL, example_image
from core.data.images import DataSplits, ImageSet
from core.data.prepare import to_batch
from core.errors import DataError, RunError
from core.evaluation import Evaluation
from core.model.alexnet import CONV_LAYERS, AlexNet, normalize
from core.runs.run import Run
from core.runs.snapshots import MAX_PINNED, PHOTO, Pinned, Snapshot, read_pinned, write_pinned, write_snapshot
from core.runs.writer import RunWriter
from core.training.distributed import current
from core.training.layer_statistics import measure_layers
from core.training.state import TrainingState

_MEASURED = 16  # training images that layers are measured on


@dataclass(frozen=True)
class Watched:
    """What snapshots look at the network with. pinned: test images. measured: training images."""

    pinned: ImageSet
    measured: ImageSet


def check_pinned(config: TrainConfig, num_test: int) -> None:
    """Raises DataError where snapshots are to keep the maps of an image beyond the `num_test` test images."""
    for number in config.pinned_images if config.snapshots else ():
        if number != "photo" and number >= num_test:
            raise DataError(f"pinned_images: there is no test image {number}; the test set has 0 to {num_test - 1}.")


def watch(writer: RunWriter, config: TrainConfig, data: DataSplits) -> Watched | None:
    """The images whose maps are kept, by default the first test image of each class, and those that layers are measured
    on; None where no snapshots are wanted.

    Raises DataError for an image that there isn't, and where the images are not those that the run began with.
    """
    if not config.snapshots:
        return None
    check_pinned(config, len(data.test))
    numbers = [PHOTO if pin == "photo" else pin for pin in config.pinned_images or first_of_each_class(data.test)]
    images = [_photo(data.test) if number == PHOTO else data.test.select(torch.tensor([number])) for number in numbers]
    chosen = replace(
        data.test, images=torch.cat([i.images for i in images]), labels=torch.cat([i.labels for i in images])
    )
    pixels, labels = chosen.images.permute(0, 2, 3, 1).numpy(), chosen.labels.numpy()
    pinned = Pinned(pixels, np.array(numbers, dtype=np.int64), labels, data.val.labels.numpy())
    if current().is_first:
        _keep(writer.run, pinned)
    return Watched(chosen, data.train.spread(_MEASURED))


def _photo(test: ImageSet) -> ImageSet:
    """The photograph that comes with the project, as a test image of its class."""
    if EXAMPLE_LABEL not in test.class_names:
        raise DataError(
            f"pinned_images: the photo shows a {EXAMPLE_LABEL}, which is no class of this data; name test images only."
        )
    label = test.class_names.index(EXAMPLE_LABEL)
    return replace(test, images=to_batch([example_image()], test.image_size), labels=torch.tensor([label]))


def _keep(run: Run, pinned: Pinned) -> None:
    """Write `pinned` once; on a resume it has to be the same, for the snapshots so far are of it."""
    with contextlib.suppress(RunError):  # not there yet
        known = read_pinned(run)
        if not all(np.array_equal(value, getattr(known, name)) for name, value in vars(pinned).items()):
            raise DataError(
                "The validation or test images have changed since this run began; restore them, or start a new run."
            )
        return
    write_pinned(run, pinned)


def first_of_each_class(images: ImageSet) -> tuple[int, ...]:
    """Positions of one image of each class, of at most MAX_PINNED classes."""
    found = [images.indices_of(name) for name in images.class_names]
    return tuple(int(indices[0]) for indices in found if len(indices))[:MAX_PINNED]


def take_snapshot(
    writer: RunWriter,
    state: TrainingState,
    watched: Watched | None,
    epoch: float,
    result: Evaluation | None = None,
) -> None:
    """Write what the network that is judged looks like now, after `epoch` epochs or a fraction of the first.

    result: of its validation; None where there was none. Where the snapshot can't be written the training goes on
    without: what it needs itself is in the checkpoints.
    """
    if watched is None or not state.peers.is_first:
        return
    model = state.judged
    maps, probabilities = _maps(model, watched.pinned, state.device)
    snapshot = Snapshot(
        epoch=epoch,
        step=state.step,
        filters=model.conv1.weight.detach().float().cpu().contiguous().numpy(),
        pinned_probabilities=probabilities,
        probabilities=None if result is None else result.probabilities,
        layers=measure_layers(state.model, watched.measured, state.precision),
    )
    try:
        write_snapshot(writer.run, snapshot, maps)
    except OSError as error:
        writer.log("event", event="no snapshot", epoch=epoch, reason=str(error.strerror))


@torch.inference_mode()
def _maps(
    model: AlexNet, pinned: ImageSet, device: torch.device
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Each conv layer's maps after the ReLU as bytes, what 255 stands for, and the class probabilities."""
    was_training = model.training
    model.eval()
    maps: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, output in model.activations(normalize(pinned.images.to(device), model.input_spec)):
        layer = name.replace("relu", "conv")
        if name != layer and layer in CONV_LAYERS:
            tops = output.amax((2, 3))
            scaled = (output * (255 / tops.clamp_min(1e-12))[:, :, None, None]).nan_to_num_(0)
            maps[layer] = scaled.round_().byte().contiguous().cpu().numpy(), tops.cpu().numpy()
    model.train(was_training)
    return maps, output.float().softmax(1).cpu().numpy()
