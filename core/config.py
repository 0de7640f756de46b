"""The settings of a run: fields, limits and help stated once, for the form, the command line and `config.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.errors import ConfigError
from core.presets import PRESETS, Preset, preset_values

DataSource = Literal["cifar10", "folder", "shapes"]
Optimizer = Literal["adam", "adamw", "muon", "sgd"]
Schedule = Literal["constant", "onecycle", "cosine"]
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16"]
OPTIONAL = ("pretrained", "train_limit", "val_limit")  # fields whose None a command line says as none, or all


class TrainConfig(BaseModel):
    """Everything that decides a training run. Frozen; every limit is checked on construction."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    preset: Preset = Field("smoke", description="Named set of defaults that the other fields start from.")
    data_source: DataSource = Field(
        "shapes",
        description="cifar10: the original archive (downloaded once, 170 MB); folder: your own tree of "
        "class folders; shapes: a synthetic set drawn on the spot.",
    )
    data_dir: Path | None = Field(
        None,
        description="Where the images are (folder), or where CIFAR-10 is kept (cifar10; else in ALEXNET_DATA_DIR or "
        "data/).",
    )
    pretrained: Annotated[str, Len(1, 64)] | None = Field(
        None,
        description="A run whose best checkpoint gives the weights to begin with, such as starter; empty (or the word "
        "none): random ones. Its input scale and LRN come with them; where the classes differ, fc8 begins anew. Images "
        "that it was trained on, and that validate here, look easier than they are.",
    )
    train_limit: Annotated[int, Ge(2)] | None = Field(
        None, description="Train on this many images, balanced over the classes; empty (or the word all) takes all."
    )
    val_limit: Annotated[int, Ge(2)] | None = Field(
        None, description="Validate on this many images, balanced over classes; empty (or the word all) takes all."
    )
    val_fraction: Annotated[float, Gt(0), Lt(0.9)] = Field(
        0.1, description="Share of the training images set aside for validation (0.1 = 5,000 of CIFAR-10's 50,000)."
    )
    num_epochs: Annotated[int, Ge(1), Le(10_000)] = Field(4, description="Passes over the training images.")
    patience: Annotated[int, Ge(0)] = Field(
        0,
        description="End the training once this many epochs have brought no higher validation accuracy; 0 = never. It "
        "looks at the epochs that are saved. The schedule is laid out over all epochs, so a constant one fits best.",
    )
    batch_size: Annotated[int, Ge(1), Le(8192)] = Field(64, description="Images in one step.")
    optimizer: Optimizer = Field(
        "adamw",
        description="How weights follow the gradient. muon: as adamw, but the convolutions' kernels follow their "
        "momentum made orthogonal, which learns in fewer steps.",
    )
    learning_rate: Annotated[float, Gt(0), Le(10)] = Field(3e-4, description="Peak learning rate.")
    schedule: Schedule = Field(
        "onecycle",
        description="Learning rate over time: constant; onecycle: linear warm-up, then linear to 0; "
        "cosine: linear warm-up, then cosine to 0.",
    )
    warmup: Annotated[float, Ge(0), Lt(1)] = Field(0.2, description="Share of all steps that warm up the rate.")
    weight_decay: Annotated[float, Ge(0), Le(10)] = Field(
        0.05, description="Pull of the weights towards 0; on weight matrices and kernels only, never on biases."
    )
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = Field(0.0, description="Share of the target spread evenly.")
    clip_norm: Annotated[float, Ge(0)] = Field(1.0, description="Largest gradient norm; 0 = no clipping.")
    dropout: Annotated[float, Ge(0), Lt(1)] = Field(0.5, description="Share of fc6's and fc7's inputs dropped.")
    flip: bool = Field(True, description="Mirror each training image left-right with probability 1/2.")
    crop_padding: Annotated[int, Ge(0), Le(64)] = Field(
        4, description="Pad by reflection and crop at random, in pixels of the stored image; 0 = off."
    )
    cutout: Annotated[int, Ge(0), Le(256)] = Field(
        0, description="Side of a square, in pixels of the stored image, that each training image loses; 0 = off."
    )
    cutmix: Annotated[float, Ge(0), Le(1)] = Field(
        0.0,
        description="Probability that a rectangle of a training image, and of its label, is another image's; 0 = off. "
        "Never in the last tenth of the steps.",
    )
    progressive: bool = Field(
        False,
        description="Train on smaller inputs first, which is faster: 131 pixels for 70 % of the steps, 179 for 20 %, "
        "then 227; and 227 in every 20th step from the start, since validation sees 227 all the time.",
    )
    average_decay: Annotated[float, Ge(0), Lt(1)] = Field(
        0.0, description="Judge and save a running average of the weights that keeps this share a step; 0 = off."
    )
    normalize: Literal["unit", "standard"] = Field(
        "standard",
        description="Input scale. unit: pixels in 0..1 as the original did; standard: zero mean, unit deviation.",
    )
    lrn_alpha: Annotated[float, Gt(0), Le(100)] = Field(
        1e-4,
        description="How much loud neighbours quieten a channel in LRN. 0.0001 is the paper's, for pixels of 0..255: "
        "next to nothing at the input scales here. About 3 makes them count.",
    )
    whitening: bool = Field(
        False,
        description="Begin conv1 with the patterns that patches of the training images are made of (their principal "
        "components, whitened) instead of at random: more is learnt from few images or in few epochs, but one doesn't "
        "see its filters emerge from noise. Without effect where the weights to begin with are a run's.",
    )
    seed: Annotated[int, Ge(0), Lt(2**31)] = Field(0, description="Decides the split, the weights and the order.")
    device: Device = Field("auto", description="auto takes a CUDA GPU where there is one, else the CPU.")
    precision: Precision = Field(
        "auto", description="auto computes in bfloat16 where the hardware has it and agrees with float32, else float32."
    )
    num_threads: Annotated[int, Ge(0), Le(256)] = Field(0, description="CPU threads for training; 0 = all cores.")
    checkpoint_epochs: Annotated[int, Ge(1)] = Field(
        1, description="Save the weights at the end of every so many epochs, and of the last; the best is one of those."
    )
    checkpoint_seconds: Annotated[float, Ge(1)] = Field(
        120.0, description="Also save the latest weights whenever this many seconds have passed since the last save."
    )

    snapshots: bool = Field(
        True,
        description="After each epoch (a run of more than 40 keeps 26 to 41), and four times in a first one of at "
        "least 16 steps, keep filters, predictions and the maps of the pinned images, about 5 MB, for the time "
        "machine.",
    )
    pinned_images: Annotated[tuple[Annotated[int, Ge(0)] | Literal["photo"], ...], Len(0, 8)] = Field(
        (),
        description="Numbers of up to 8 test images whose feature maps snapshots keep, such as 3, 17, 42; photo stands "
        "for the project's photograph of a cat; where empty, one image of each of the first eight classes.",
    )

    @field_validator("pinned_images", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        """A form and a command line give text."""
        pins = value.replace(",", " ").split() if isinstance(value, str) else value
        for pin in pins if isinstance(pins, list) else []:
            if isinstance(pin, str) and pin != "photo" and not pin.isdecimal():
                raise ValueError(f"should be numbers of test images, or photo; {pin!r} is neither")
        return pins

    @field_validator("pinned_images")
    @classmethod
    def _all_different(cls, value: tuple[int | str, ...]) -> tuple[int | str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("names an image twice")
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        """A run is resumed and inspected from other working directories than the one it was started in."""
        try:
            return None if value is None else value.expanduser().absolute()
        except RuntimeError as error:  # ~name of nobody
            raise ValueError("names a home folder that does not exist") from error

    @model_validator(mode="after")
    def _folder_has_a_directory(self) -> TrainConfig:
        if self.data_source == "folder" and self.data_dir is None:
            raise ValueError("data_source 'folder' needs data_dir: the folder that holds one folder per class")
        return self

    @property
    def data_name(self) -> str:
        """The data as a person would say it; synthetic images are always called so."""
        if self.data_source == "folder" and self.data_dir is not None:
            return self.data_dir.name
        return "CIFAR-10" if self.data_source == "cifar10" else "synthetic shapes"

    @property
    def data_key(self) -> str:
        """Names the data set, with the seed where that may decide which test image has which number."""
        return "cifar10" if self.data_source == "cifar10" else f"{self.data_dir or self.data_source} {self.seed}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; `make_config(**config.to_json())` gives the same config back."""
        return self.model_dump(mode="json")


def read_config(record: dict[str, Any]) -> TrainConfig:
    """The config that `to_json` wrote. A field that is younger than the record has its own default, not the preset's:
    a run goes on as it was started. Raises ConfigError as make_config does.
    """
    try:
        return TrainConfig(**record)
    except ValidationError as error:
        raise ConfigError(_sentence(error)) from error


def make_config(**values: Any) -> TrainConfig:
    """A TrainConfig from a preset's defaults and the given fields.

    Raises ConfigError, one sentence for the first bad field: its name, the value given and the limit.
    """
    preset = values.get("preset", "smoke")
    if preset not in PRESETS:
        raise ConfigError(f"preset: {preset!r} is not one of {', '.join(PRESETS)}.")
    return read_config({**preset_values(preset), **values})


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if isinstance(part, str) and part in TrainConfig.model_fields)
    message = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return f"{message}."
    field = field or ".".join(str(part) for part in first["loc"])
    return f"{field}: {message[0].lower()}{message[1:]}, got {first['input']!r}."


def field_help(name: str) -> str:
    """What a field means, for a form or a help page."""
    return TrainConfig.model_fields[name].description or ""
