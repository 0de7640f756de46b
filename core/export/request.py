"""One thing to take away, the same from a page as from a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image

from core.data.example import example_image
from core.data.images import ImageSet
from core.errors import ExportError
from core.export.activations import export_activations
from core.export.animation import export_animation
from core.export.onnx import export_onnx
from core.export.pictures import export_filters, export_maps
from core.export.report import Subject, export_report
from core.export.settings import command_line
from core.export.tables import Table, export_csv
from core.export.tensorboard import export_tensorboard
from core.export.weights import export_weights
from core.inspection.feature_maps import FeatureMaps, feature_maps, stages_of
from core.inspection.mosaic import Scale, to_levels
from core.inspection.walkthrough import trace
from core.model.alexnet import CONV_LAYERS, AlexNet
from core.progress import OnProgress, no_progress
from core.runs.checkpoints import Checkpoint, Which
from core.runs.run import Run

Kind = Literal["png", "npz", "csv", "weights", "onnx", "tensorboard", "report", "animation"]
#: Which of a request's choices a kind listens to; "image" and "test_image" say which picture.
CHOICES: dict[Kind, tuple[str, ...]] = {
    "png": ("layer", "stage", "scale", "greatest", "filters", "image", "test_image"),
    "npz": ("layer", "stage", "image", "test_image"),
    "csv": ("table",),
    "weights": (),
    "onnx": (),
    "tensorboard": (),
    "report": ("image", "test_image"),
    "animation": ("layer", "pinned"),
}
SUFFIXES: dict[Kind, str] = {
    "png": ".png", "npz": ".npz", "csv": ".csv", "weights": ".safetensors", "onnx": ".onnx", "tensorboard": ".zip",
    "report": ".html", "animation": ".gif",
}  # fmt: skip
OF_WEIGHTS: tuple[Kind, ...] = ("png", "npz", "weights", "onnx", "report")  # these look at a checkpoint


@dataclass(frozen=True)
class Request:
    """What to take away of a run. A choice that is None: the kind's own default.

    checkpoint: None only for what is not OF_WEIGHTS; which: what names it. layer: default conv1, of npz all. stage:
    default relu, of npz all that a layer has. greatest: value at the end of a fixed colour scale. filters: conv1's
    filters instead of feature maps. pinned: one of the run's pinned images, a number or photo. picture: by default the
    photograph that comes with the project; image, its file, or test_image, its number, say where it comes from.
    """

    kind: Kind
    run: Run
    checkpoint: Checkpoint | None = None
    which: Which = "best"
    layer: str | None = None
    stage: str | None = None
    scale: Scale = "channel"
    greatest: float | None = None
    filters: bool = False
    table: Table = "epochs"
    pinned: str | None = None
    image: str | None = None
    test_image: int | None = None
    picture: Image.Image | None = None
    picture_name: str = "the example photograph"

    @property
    def file_name(self) -> str:
        """A name to save it under."""
        parts = [self.run.id]
        if self.checkpoint is not None and self.kind in OF_WEIGHTS:
            parts.append(f"step-{self.checkpoint.step}")
        if self.kind == "png":
            parts += ["conv1-filters"] if self.filters else [self.layer or "conv1", self.stage or "relu"]
        else:
            parts += [{"npz": "activations", "csv": self.table}.get(self.kind, self.kind)]
        return "-".join(parts) + SUFFIXES[self.kind]

    @property
    def choices(self) -> tuple[str, ...]:
        """Those of CHOICES that change the file: another choice can make some of its kind's idle."""
        if self.kind == "png" and self.filters:
            return ("filters",)
        return tuple(name for name in CHOICES[self.kind] if name != "greatest" or self.scale == "fixed")

    def command(self, runs_dir: Path = Path("checkpoints")) -> str:
        """The command line that does the same."""
        words = ["python", "-m", "core", "export", self.kind, "--run-id", self.run.id]
        words += ["--runs-dir", str(runs_dir)] if runs_dir != Path("checkpoints") else []
        words += ["--which", self.which] if self.kind in OF_WEIGHTS and self.which != "best" else []
        for name in self.choices:
            value = getattr(self, name)
            if value is True:
                words.append(f"--{name}")
            elif value != Request.__dataclass_fields__[name].default:
                words += [f"--{name.replace('_', '-')}", str(value)]
        return command_line([*words, "--output", self.file_name])

    def portable_command(self) -> str:
        """The same for others, who need not learn where things lie on this computer: folders and files by name only."""
        image = None if self.image is None else Path(self.image).name
        return replace(self, image=image).command(Path(self.run.path.parent.name))


def fulfil(
    request: Request,
    path: Path,
    *,
    model: Callable[[], AlexNet],
    images: Callable[[], ImageSet],
    progress: OnProgress = no_progress,
) -> None:
    """Write what `request` asks for to `path`; a file that is there is replaced, whole or not at all.

    model: gives the checkpoint's network. images: gives the run's test images. Raises CoreError: ExportError where the
    path can't be used or a library is missing, InspectionError for a layer or stage that isn't there, and others.
    """
    match request.kind:
        case "csv":
            export_csv(request.run, request.table, path)
        case "tensorboard":
            export_tensorboard(request.run, path, progress)
        case "animation":
            layer = request.layer or "conv1"
            export_animation(request.run, path, layer=layer, pinned=request.pinned, progress=progress)
        case _:
            _of_weights(request, path, model(), images, progress)


def _of_weights(
    request: Request, path: Path, model: AlexNet, images: Callable[[], ImageSet], progress: OnProgress
) -> None:
    checkpoint, picture = request.checkpoint, request.picture or example_image()
    if checkpoint is None:
        raise ExportError(f"{request.kind} is made of a checkpoint: choose one.")
    match request.kind:
        case "png" if request.filters:
            export_filters(checkpoint, model.conv1.weight.detach().float().cpu().numpy(), path)
        case "png":
            maps = feature_maps(model, picture, request.layer or "conv1", request.stage or "relu")
            levels = to_levels(maps, request.scale, request.greatest)
            export_maps(checkpoint, maps, levels, request.picture_name, path)
        case "npz":
            export_activations(checkpoint, _all_maps(request, model, picture), request.picture_name, path)
        case "weights":
            export_weights(checkpoint, model, path)
        case "onnx":
            export_onnx(checkpoint, model, path, picture=picture, progress=progress)
        case "report":
            command = request.portable_command()
            export_report(Subject(checkpoint, model, images, picture, request.picture_name, command), path, progress)


def _all_maps(request: Request, model: AlexNet, picture: Image.Image) -> list[FeatureMaps]:
    """Of every layer and stage asked for that there is, from one pass."""
    layers = [request.layer] if request.layer else CONV_LAYERS
    pairs = [(layer, stage) for layer in layers for stage in stages_of(layer)]
    wanted = [(layer, stage) for layer, stage in pairs if request.stage in (None, stage)]
    if not wanted:
        known = ", ".join(stage for _, stage in pairs)
        raise ExportError(f"{request.layer} has no stage {request.stage!r}: choose one of {known}.")
    activations = trace(model, picture)
    return [FeatureMaps(layer, stage, activations[stage + layer.removeprefix("conv")]) for layer, stage in wanted]
