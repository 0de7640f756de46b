"""What the command line understands: a parser with short errors, and the flags that commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn, get_args

from rich.console import Console

from core.config import TrainConfig, make_config
from core.data.cifar10 import is_here
from core.data.images import ImageSet, doubt_about
from core.evaluation import Views
from core.inspection.feature_maps import STAGES
from core.model.alexnet import CONV_LAYERS
from core.runs.run import Run


class Parser(argparse.ArgumentParser):
    """Bad input gets one sentence and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message[0].upper()}{message[1:]}. See: {self.prog} --help\n")


def plain_console() -> Console:
    """Prints to stdout what it is given, as it is: no name is markup or an emoji's code."""
    return Console(highlight=False, markup=False, emoji=False)


def add_run_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run-id", required=True, help="the run")


def add_checkpoint_flags(parser: argparse.ArgumentParser) -> None:
    add_run_flag(parser)
    parser.add_argument("--which", choices=("best", "last"), default="best", help="its checkpoint (default: best)")


def add_images_flag(parser: argparse.ArgumentParser) -> None:
    text = "where to take the images from, if not as the run did: a folder of class folders, or where CIFAR-10 is kept"
    parser.add_argument("--data-dir", type=Path, default=None, help=text)


def with_images(config: TrainConfig, options: argparse.Namespace) -> TrainConfig:
    """`config` on the images that --data-dir names instead, if it does. Raises ConfigError."""
    if options.data_dir is None:
        return config
    source = "cifar10" if config.data_source == "cifar10" and is_here(options.data_dir) else "folder"
    return make_config(**config.to_json() | {"data_source": source, "data_dir": options.data_dir})


def say_doubt(images: ImageSet, run: Run, options: argparse.Namespace) -> None:
    """On stderr, where `images`, which the run itself names, are no longer the test images of its training."""
    doubt = "" if options.data_dir else doubt_about(images.fingerprint(), run.data)
    if doubt:
        print(doubt, file=sys.stderr)


def add_evaluate_flags(parser: argparse.ArgumentParser) -> None:
    add_checkpoint_flags(parser)
    add_images_flag(parser)
    parser.add_argument(
        "--split", choices=("test", "val", "train"), default="test", help="which images (default: test)"
    )
    parser.add_argument(
        "--views", choices=get_args(Views), default="plain",
        help="average over the image and its mirror image (flip), and over small shifts of both (flip-shift)",
    )  # fmt: skip


def add_predict_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", nargs="+", type=Path, help="PNG, JPEG, WebP, BMP or GIF")
    add_checkpoint_flags(parser)


def add_features_flags(parser: argparse.ArgumentParser) -> None:
    add_checkpoint_flags(parser)
    parser.add_argument("--layer", required=True, choices=CONV_LAYERS, help="convolution layer")
    parser.add_argument("--stage", default="conv", choices=tuple(STAGES), help="where to look (default: conv)")
    parser.add_argument("--image", required=True, type=Path, help="the picture")
    parser.add_argument("--output", required=True, type=Path, help="the .npz file to write")
