"""python -m core pack: a finished run small enough to travel, its factors trained a little where that is asked for."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import get_args

from core.arguments import plain_console, with_images
from core.config import DataSource
from core.data.sources import load_data
from core.files import num_bytes
from core.model.alexnet import AlexNet
from core.paths import data_dir
from core.progress import on_terminal
from core.runs.checkpoints import Tensors
from core.runs.pack import DEFAULT_RANK, pack
from core.runs.run import load_run
from core.runs.snapshots import snapshot_epochs
from core.training.refit import refit
from core.wording import file_size

HELP = "Make a finished run small enough to travel: one compact checkpoint."
_out = plain_console()


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(rank=DEFAULT_RANK, data_source=None, refit=False, data_dir=None)
    sources = [source for source in get_args(DataSource) if source != "folder"]
    parser.add_argument("--run-id", required=True, help="the finished run")
    parser.add_argument("--output", required=True, type=Path, help="the folder to make, such as checkpoints/starter")
    parser.add_argument(
        "--rank", type=int, metavar="N",
        help=f"of the factors that stand for fc6 and fc7; 43 kB each (default: {DEFAULT_RANK})",
    )  # fmt: skip
    parser.add_argument(
        "--data-source", choices=sources,
        help="where others get the images; needed where the run was trained on a folder (default: as trained)",
    )  # fmt: skip
    parser.add_argument(
        "--refit", action="store_true",
        help="train the factors for one pass over the run's training images, which makes up for what they leave out; "
        "minutes on a CPU",
    )  # fmt: skip
    parser.add_argument("--data-dir", type=Path, help="for --refit: a folder to take for the run's data")


def run(options: argparse.Namespace) -> int:
    taken = load_run(options.runs_dir, options.run_id)

    def refitted(model: AlexNet, weights: Tensors) -> Tensors:
        config = with_images(taken.config, options)
        with on_terminal() as progress:
            images = load_data(config, data_dir=data_dir(), progress=progress, download=False).train
            return refit(model, weights, images, taken.config, progress)

    packed = pack(
        taken, options.output, rank=options.rank, data_source=options.data_source,
        refit=refitted if options.refit else None,
    )  # fmt: skip
    size = num_bytes(packed.path)
    if options.json:
        print(json.dumps({"output": str(options.output), "num_bytes": size}))
    else:
        without = "" if snapshot_epochs(packed) else "; no time machine, for that --pinned-images has to name the photo"
        _out.print(f"Run {taken.id} in {options.output}: {file_size(size)}{without}")
    return 0
