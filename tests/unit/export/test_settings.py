"""core.export.settings: what differs comes first, no path of a computer, and the command trains the same again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from core.arguments import Parser
from core.config import TrainConfig, make_config
from core.export.settings import command_line, setting_rows, train_command
from core.training.command import add_flags


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"preset": "laptop", "flip": False, "train_limit": 500, "pinned_images": (3, 17)},
        {"preset": "smoke", "train_limit": None, "learning_rate": 3.3e-05, "optimizer": "sgd"},
        {"preset": "standard", "progressive": True, "snapshots": False},
    ],
)
def test_the_command_makes_the_same_config(changes: dict[str, object]) -> None:
    config = make_config(**changes)
    words = shlex.split(train_command(config))
    assert words[:4] == ["python", "-m", "core", "train"]
    parser = Parser(argument_default="==none==")
    add_flags(parser)
    given = {name: value for name, value in vars(parser.parse_args(words[4:])).items() if value != "==none=="}
    given = {name: value for name, value in given.items() if name in TrainConfig.model_fields}
    given = {name: None if value == "all" else value for name, value in given.items()}
    assert make_config(**given) == config


def test_a_command_is_quoted_for_the_shell_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--image", "my cat.png", "--run-id", "a"]
    with monkeypatch.context() as patch:
        patch.setattr("os.name", "posix")
        assert command_line(words) == "--image 'my cat.png' --run-id a"
        patch.setattr("os.name", "nt")
        assert command_line(words) == '--image "my cat.png" --run-id a'


def test_what_differs_from_the_preset_comes_first() -> None:
    rows = setting_rows(make_config(preset="laptop", dropout=0.75, flip=False))
    assert [row for row in rows if row[2]] == [("dropout", "0.75", True), ("flip", "off", True)]
    assert rows[0][2]
    assert not rows[2][2]
    assert {row[0] for row in rows} == set(TrainConfig.model_fields)


def test_of_a_folder_only_its_name_is_told(tmp_path: Path) -> None:
    config = make_config(data_source="folder", data_dir=tmp_path / "my images")
    assert dict(row[:2] for row in setting_rows(config))["data_dir"] == "my images"
    assert str(tmp_path) not in train_command(config)
    assert "--data-dir 'my images'" in train_command(config)
