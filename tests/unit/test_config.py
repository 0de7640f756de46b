"""core.config: every limit refuses with a sentence, and JSON gives the same config back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from core.config import TrainConfig, field_help, make_config
from core.errors import ConfigError
from core.presets import PRESET_HELP, PRESETS, preset_values


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("data_source", "mnist"),
        ("train_limit", 1),
        ("val_limit", 0),
        ("val_fraction", 0),
        ("val_fraction", 0.9),
        ("num_epochs", 0),
        ("num_epochs", 10_001),
        ("num_epochs", 1.5),
        ("batch_size", 0),
        ("batch_size", 8193),
        ("batch_size", "many"),
        ("optimizer", "lion"),
        ("learning_rate", 0),
        ("learning_rate", -1e-3),
        ("learning_rate", 10.1),
        ("learning_rate", math.nan),
        ("schedule", "step"),
        ("warmup", -0.1),
        ("warmup", 1),
        ("weight_decay", -1),
        ("label_smoothing", 1),
        ("clip_norm", -1),
        ("clip_norm", math.nan),
        ("dropout", 1),
        ("flip", "perhaps"),
        ("crop_padding", 65),
        ("cutout", -1),
        ("cutmix", 1.1),
        ("average_decay", 1),
        ("checkpoint_epochs", 0),
        ("normalize", "imagenet"),
        ("lrn_alpha", 0),
        ("lrn_alpha", 101),
        ("seed", -1),
        ("seed", 2**31),
        ("device", "tpu"),
        ("precision", "float16"),
        ("num_threads", 257),
        ("checkpoint_seconds", 0.5),
    ],
)
def test_a_value_out_of_limits_is_refused_by_name_and_value(field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as refusal:
        make_config(**{field: value})
    sentence = str(refusal.value)
    assert sentence.startswith(f"{field}: ")
    assert repr(value) in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


@pytest.mark.parametrize("field", ["clip_norm", "checkpoint_seconds"])
def test_infinity_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        make_config(**{field: math.inf})


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_epochs", 10_000), ("batch_size", 8192), ("learning_rate", 10), ("seed", 2**31 - 1), ("train_limit", 2),
     ("clip_norm", 0), ("warmup", 0), ("crop_padding", 64), ("checkpoint_seconds", 1)],
)  # fmt: skip
def test_a_value_at_its_limit_is_taken(field: str, value: float) -> None:
    assert getattr(make_config(**{field: value}), field) == value


def test_text_from_a_command_line_is_read() -> None:
    config = make_config(num_epochs="7", learning_rate="1e-3", train_limit="50", data_dir="pictures")
    assert (config.num_epochs, config.learning_rate, config.train_limit) == (7, 1e-3, 50)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match="momentum"):
        make_config(momentum=0.9)


def test_an_unknown_preset_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match=r"'fast' is not one of smoke, laptop, standard, seed-2021\."):
        make_config(preset="fast")


def test_a_folder_source_needs_its_folder() -> None:
    with pytest.raises(ConfigError, match="needs data_dir"):
        make_config(data_source="folder")


def test_data_dir_does_not_depend_on_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert make_config(data_dir=Path("pictures")).data_dir == tmp_path / "pictures"
    assert make_config(data_dir="~/pictures").data_dir == tmp_path / "home" / "pictures"


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_valid_explained_and_overridden_by_given_fields(preset: str) -> None:
    config = make_config(preset=preset)
    assert config.preset == preset
    assert {name: getattr(config, name) for name in preset_values(config.preset)} == preset_values(config.preset)
    assert make_config(preset=preset, num_epochs=3, seed=9) == config.model_copy(update={"num_epochs": 3, "seed": 9})
    assert PRESET_HELP[config.preset].endswith(".")


def test_seed_2021_is_the_original() -> None:
    config = make_config(preset="seed-2021")
    found = config.optimizer, config.learning_rate, config.batch_size, config.num_epochs, config.schedule
    assert found == ("adam", 1e-4, 100, 40, "constant")
    assert not config.flip
    assert not config.crop_padding
    assert not config.weight_decay


@pytest.mark.parametrize("preset", PRESETS)
def test_json_gives_the_same_config_back(preset: str, tmp_path: Path) -> None:
    config = make_config(preset=preset, data_source="folder", data_dir=tmp_path, learning_rate=0.1 + 0.2, seed=3)
    text = json.dumps(config.to_json(), allow_nan=False)
    assert make_config(**json.loads(text)) == config


def test_a_config_is_frozen() -> None:
    config = make_config()
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize("field", TrainConfig.model_fields)
def test_every_field_is_explained(field: str) -> None:
    assert field_help(field)[-1] in ".)"


def test_the_seed_is_part_of_a_data_sets_name_where_it_numbers_the_test_images(tmp_path: Path) -> None:
    for settings, is_part in (
        ({"data_source": "cifar10"}, False),
        ({"data_source": "shapes"}, True),
        ({"data_source": "folder", "data_dir": tmp_path}, True),
    ):
        names = {make_config(**settings, seed=seed).data_key for seed in (0, 1)}
        assert len(names) == 1 + is_part
