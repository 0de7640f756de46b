"""The network that a run begins with: of random weights, or of those that another run has learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from core.config import TrainConfig
from core.data.images import ImageSet, channel_statistics
from core.errors import CheckpointError, ConfigError, RunError
from core.model.alexnet import AlexNet, InputSpec
from core.runs.checkpoints import Checkpoint, find_checkpoint, open_model
from core.runs.run import load_run
from core.training.whitening import whiten


def find_pretrained(config: TrainConfig, runs_dir: Path) -> Checkpoint | None:
    """The checkpoint that `config.pretrained` names, if it names one. Raises ConfigError where that isn't there."""
    if config.pretrained is None:
        return None
    try:
        return find_checkpoint(load_run(runs_dir, config.pretrained))
    except (RunError, CheckpointError) as error:
        raise ConfigError(f"pretrained: {error} Name a run that has a checkpoint, or leave it empty.") from error


def with_its_input(config: TrainConfig, pretrained: Checkpoint | None) -> TrainConfig:
    """`config` with the input scale and the LRN that the pretrained weights were made for, and conv1 theirs."""
    if pretrained is None:
        return config
    scale = "standard" if any(pretrained.input_spec.mean) else "unit"
    return config.model_copy(update={"normalize": scale, "lrn_alpha": pretrained.lrn_alpha, "whitening": False})


def new_network(config: TrainConfig, images: ImageSet, pretrained: Checkpoint | None = None) -> AlexNet:
    """A network for the training images, initialised from the seed, then conv1 from the images if it is to be whitened,
    or all from the pretrained weights if there are any. Where their classes differ from those of the images, fc8 keeps
    its own.
    """
    names = images.class_names
    spec = replace(pretrained.input_spec, image_size=images.image_size) if pretrained else _input_spec(config, images)
    model = AlexNet(len(names), class_names=names, input_spec=spec, lrn_alpha=config.lrn_alpha)
    model.initialize(torch.Generator().manual_seed(config.seed))
    if pretrained:
        weights = open_model(pretrained).state_dict()
        if pretrained.class_names != names:
            weights = {name: value for name, value in weights.items() if not name.startswith("fc8.")}
        model.load_state_dict(weights, strict=False)
    elif config.whitening:
        whiten(model.conv1, images, spec)
    return model


def _input_spec(config: TrainConfig, images: ImageSet) -> InputSpec:
    if config.normalize == "unit":
        return InputSpec(images.image_size, mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))
    mean, std = (
        (round(red, 2), round(green, 2), round(blue, 2)) for red, green, blue in channel_statistics(images.images)
    )
    return InputSpec(images.image_size, mean, (max(std[0], 1.0), max(std[1], 1.0), max(std[2], 1.0)))
