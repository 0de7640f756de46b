"""core.variations: every combination of the values to try, named by what tells it apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.config import TrainConfig, make_config
from core.errors import ConfigError
from core.runs.names import check_run_id
from core.variations import VARIED, named, variations

CONFIG = make_config(num_epochs=2)


def test_without_values_there_is_one_run_as_it_was_set(tmp_path: Path) -> None:
    for values in ({}, {"dropout": ""}, {"dropout": " , "}):
        found = variations(CONFIG, values)
        assert found == {"": CONFIG}
        assert named(found, tmp_path, None) == [(None, CONFIG)]
        assert named(found, tmp_path, "mine") == [("mine", CONFIG)]


def test_every_combination_becomes_a_run(tmp_path: Path) -> None:
    found = variations(CONFIG, {"learning_rate": "0.001; 3E-4", "optimizer": "Adam muon"})
    assert [(name, config.learning_rate, config.optimizer) for name, config in found.items()] == [
        ("lr-0.001_optimizer-adam", 0.001, "adam"),
        ("lr-0.001_optimizer-muon", 0.001, "muon"),
        ("lr-0.0003_optimizer-adam", 0.0003, "adam"),
        ("lr-0.0003_optimizer-muon", 0.0003, "muon"),
    ]
    assert {config.num_epochs for config in found.values()} == {2}, "the rest stays as it was set"
    names = [name for name, _ in named(found, tmp_path, "mine")]
    assert names[0] == "mine-lr-0.001_optimizer-adam"
    unnamed = [name or "" for name, _ in named(found, tmp_path, None)]
    assert unnamed[0].startswith("smoke-20")
    assert [check_run_id(name) for name in (*names, *unnamed)]


def test_words_are_understood_as_on_the_command_line() -> None:
    found = variations(CONFIG, {"train_limit": "all,40", "flip": "false true"})
    assert [(config.train_limit, config.flip) for config in found.values()] == [
        (None, False), (None, True), (40, False), (40, True),
    ]  # fmt: skip
    assert next(iter(found)) == "tl-all_flip-false"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"dropout": "0.1, 1.5"}, r"dropout: .*less than 1.*1\.5"),
        ({"optimizer": "adam, sgdm"}, "optimizer: .*sgdm"),
        ({"dropout": "0.1, 0.10"}, "A value stands there twice"),
        ({"seed": "1 2 3 4 5", "dropout": "0 .1 .2 .3 .4"}, "make 25 runs; at most 24 can be started"),
    ],
)
def test_what_cannot_be_tried_is_said(values: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        variations(CONFIG, values)


def test_what_can_be_varied_is_a_setting() -> None:
    assert set(VARIED) <= set(TrainConfig.model_fields)
