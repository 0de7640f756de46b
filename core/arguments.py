"""What the command line understands: a parser with short errors, and the flags that commands share."""

from __future__ import annotations

import argparse
import os
import types
from pathlib import Path
from typing import Any, NoReturn, Union, get_args, get_origin

from core.config import PRESET_HELP, TrainConfig, make_config
from core.inspection.feature_maps import STAGES
from core.model.alexnet import CONV_LAYERS


class Parser(argparse.ArgumentParser):
    """Bad input gets one sentence and exit code 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message[0].upper()}{message[1:]}. See: {self.prog} --help\n")


def add_checkpoint_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run-id", required=True, help="the run")
    parser.add_argument("--which", choices=("best", "last"), default="best", help="its checkpoint (default: best)")


def data_dir() -> Path:
    """Where data sets and caches are kept: ALEXNET_DATA_DIR, or data/."""
    return Path(os.environ.get("ALEXNET_DATA_DIR", "data"))


def with_images(config: TrainConfig, options: argparse.Namespace) -> TrainConfig:
    """`config` on the images that the command names instead, if it does. Raises ConfigError."""
    other = {"data_source": "folder", "data_dir": options.data_dir} if options.data_dir else {}
    return make_config(**config.to_json() | other)


def add_features_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--layer", required=True, choices=CONV_LAYERS, help="convolution layer")
    parser.add_argument("--stage", default="conv", choices=tuple(STAGES), help="where to look (default: conv)")
    parser.add_argument("--image", required=True, type=Path, help="the picture")
    parser.add_argument("--output", required=True, type=Path, help="the .npz file to write")


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """A flag per field of TrainConfig. Values stay text: the config itself reads and checks them."""
    group = parser.add_argument_group("settings", "Each overrides the preset's value.")
    for name, field in TrainConfig.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        text = (field.description or "").replace("%", "%%")
        if name == "preset":
            text += " " + " ".join(f"{preset}: {about}" for preset, about in PRESET_HELP.items())
        if field.annotation is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        else:
            group.add_argument(flag, metavar=_metavar(field.annotation), help=text)


def _metavar(annotation: Any) -> str:
    """What a flag takes: the choices of a Literal, or the name of a type."""
    if get_origin(annotation) in (Union, types.UnionType):
        return _metavar(next(part for part in get_args(annotation) if part is not type(None)))
    if get_origin(annotation) is tuple:
        return "LIST"
    if get_args(annotation) and all(isinstance(choice, str) for choice in get_args(annotation)):
        return "{" + ",".join(get_args(annotation)) + "}"
    base = get_args(annotation)[0] if get_args(annotation) else annotation
    name: str = base.__name__
    return {"int": "N", "float": "X"}.get(name, name.upper())
