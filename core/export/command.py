"""python -m core export."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from PIL import Image

from core.arguments import add_checkpoint_flags, plain_console
from core.data.images import ImageSet
from core.data.sources import load_test_images
from core.data.uploads import open_picture
from core.errors import ExportError
from core.export.activations import write_arrays
from core.export.request import CHOICES, OF_WEIGHTS, Kind, Request, fulfil
from core.export.tables import Table
from core.files import num_bytes
from core.inspection.feature_maps import STAGES, feature_maps
from core.inspection.mosaic import Scale
from core.model.alexnet import CONV_LAYERS
from core.paths import data_dir
from core.progress import on_terminal
from core.runs.checkpoints import find_checkpoint, load_model
from core.runs.run import load_run
from core.wording import file_size

HELP = "Take it away: pictures, activations, metrics, weights, ONNX, TensorBoard event files, a report, an animation."
_out = plain_console()
_KINDS: dict[Kind, str] = {
    "png": "a mosaic with a caption",
    "npz": "raw activations",
    "csv": "metrics",
    "weights": "safetensors",
    "onnx": "the network for any runtime, checked with onnxruntime",
    "tensorboard": "event files, in a new folder or a .zip",
    "report": "one HTML file that opens offline",
    "animation": "the run's snapshots as .gif or .webp",
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    about = "; ".join(f"{kind}: {words}" for kind, words in _KINDS.items())
    parser.add_argument("kind", choices=get_args(Kind), metavar="KIND", help=about)
    add_checkpoint_flags(parser)
    parser.add_argument("--output", required=True, type=Path, help="the file to write; one that is there is replaced")

    def choice(name: str, text: str, **settings: Any) -> None:
        kinds = ", ".join(kind for kind, names in CHOICES.items() if name in names)
        parser.add_argument(f"--{name.replace('_', '-')}", help=f"{kinds}: {text}", **settings)

    choice("layer", "convolution layer (default: conv1; of npz all)", choices=CONV_LAYERS)
    choice("stage", "where to look (default: relu; of npz all)", choices=tuple(STAGES))
    choice(
        "scale", "colour scale: per channel, per layer, or up to --greatest (default: channel)", choices=get_args(Scale)
    )
    choice("greatest", "value at the end of a fixed colour scale", type=float, metavar="X")
    choice("filters", "conv1's filters instead of feature maps", action="store_true")
    choice("image", "a picture (default: a photograph that comes with the project)", metavar="FILE")
    choice("test_image", "the number of a test image instead", type=int, metavar="N")
    choice("table", "a row per epoch or per step (default: epochs)", choices=get_args(Table))
    choice("pinned", "one of the run's pinned images, a number or photo (default: the first)", metavar="IMAGE")


def run(options: argparse.Namespace) -> int:
    kind: Kind = options.kind
    given = {name: vars(options)[name] for names in CHOICES.values() for name in names if name in vars(options)}
    taken = load_run(options.runs_dir, options.run_id)
    checkpoint = find_checkpoint(taken, options.which) if kind in OF_WEIGHTS else None
    request = Request(kind, taken, checkpoint, options.which, **given)
    _refuse_idle_flags(request, given)
    with on_terminal() as progress:
        images = partial(load_test_images, taken.config, data_dir=data_dir(), progress=progress)
        fulfil(
            _with_picture(request, images), options.output, images=images, progress=progress,
            model=lambda: load_model(taken, options.which),
        )  # fmt: skip
    size = num_bytes(options.output)
    if options.json:
        print(json.dumps({"output": str(options.output), "num_bytes": size}))
    else:
        _out.print(f"{kind} of run {taken.id} in {options.output}: {file_size(size)}")
    return 0


def features(options: argparse.Namespace) -> int:
    """python -m core features: one layer's maps, as nothing but the array "values"."""
    model = load_model(load_run(options.runs_dir, options.run_id), options.which)
    maps = feature_maps(model, open_picture(options.image), options.layer, options.stage)
    write_arrays(options.output, {"values": maps.values})
    channels, height, width = maps.values.shape
    if options.json:
        print(json.dumps({"output": str(options.output), "shape": [channels, height, width]}))
    else:
        _out.print(
            f"{channels} channels of {height} × {width} ({maps.layer}, {STAGES[maps.stage]}) in {options.output}"
        )
    return 0


def _refuse_idle_flags(request: Request, given: dict[str, Any]) -> None:
    """Raises ExportError for a flag that would change nothing."""
    if request.which != "best" and request.kind not in OF_WEIGHTS:
        raise ExportError(f"--which says nothing about {request.kind}; leave it out.")
    for name in given:
        flag = f"--{name.replace('_', '-')}"
        if name not in CHOICES[request.kind]:
            raise ExportError(f"{flag} says nothing about {request.kind}; leave it out.")
        if name not in request.choices and request.filters:
            raise ExportError(f"{flag} says nothing about conv1's filters; leave it out, or --filters.")
        if name not in request.choices:
            raise ExportError(f"{flag} is the end of a fixed colour scale: give --scale fixed too, or leave it out.")


def _with_picture(request: Request, images: Callable[[], ImageSet]) -> Request:
    """`request` with the picture that its flags name, if they do."""
    number = request.test_image
    if request.image is not None and number is not None:
        raise ExportError("--image and --test-image both name a picture: give one of them.")
    if request.image is not None:
        path = Path(request.image)
        return replace(request, picture=open_picture(path), picture_name=path.name)
    if number is None:
        return request
    found = images()
    if not 0 <= number < len(found):
        raise ExportError(f"There is no test image {number}: the test set has 0 to {len(found) - 1:,}.")
    name = f"{'synthetic ' if found.synthetic else ''}test image {number:,}"
    return replace(request, picture=Image.fromarray(found.image(number)), picture_name=name)
