"""python -m core export: every kind from a terminal, and a sentence for what can't be done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.__main__ import main
from core.data.example import example_image
from core.export.request import Kind, Request
from core.inspection.feature_maps import feature_maps, stages_of
from core.model.alexnet import CONV_LAYERS
from core.runs.checkpoints import find_checkpoint, load_model
from core.runs.run import Run

Export = Callable[..., int]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALEXNET_DATA_DIR", str(data_dir))


@pytest.fixture
def export(trained_run: Run) -> Export:
    """export("csv", "--table", "steps", output="a.csv"): the exit code."""

    def run(kind: str, *flags: str, output: str) -> int:
        where = ["--runs-dir", str(trained_run.path.parent), "--run-id", trained_run.id]
        try:
            return main(["export", kind, *where, *flags, "--output", output])
        except SystemExit as end:
            return int(end.code or 0)

    return run


CASES: dict[Kind, tuple[list[str], bytes]] = {
    "png": (["--layer", "conv3", "--stage", "conv", "--scale", "layer"], b"\x89PNG"),
    "npz": (["--layer", "conv5", "--test-image", "2"], b"PK"),
    "csv": (["--table", "steps"], b"step,epoch"),
    "report": ([], b"<!doctype html>"),
    "animation": (["--layer", "conv4"], b"GIF89a"),
    "tensorboard": ([], b"PK"),
}


@pytest.mark.parametrize("kind", CASES)
def test_every_kind_is_written_and_described(export: Export, capsys: pytest.CaptureFixture[str], kind: Kind) -> None:
    flags, beginning = CASES[kind]
    name = {"tensorboard": "out.zip", "animation": "out.gif"}.get(kind, "out")
    assert export(kind, *flags, "--json", output=name) == 0
    assert Path(name).read_bytes().startswith(beginning)
    assert json.loads(capsys.readouterr().out) == {"output": name, "num_bytes": Path(name).stat().st_size}
    assert [path.name for path in Path().iterdir()] == [name]


@pytest.mark.parametrize(
    ("kind", "flags", "output", "sentence"),
    [
        ("csv", ["--layer", "conv1"], "x", "--layer says nothing about csv; leave it out."),
        ("weights", ["--test-image", "1"], "x", "--test-image says nothing about weights"),
        ("csv", ["--which", "last"], "x", "--which says nothing about csv; leave it out."),
        ("png", ["--layer", "conv3", "--stage", "lrn"], "x", "conv3 has no stage 'lrn'"),
        ("npz", ["--layer", "conv3", "--stage", "lrn"], "x", "conv3 has no stage 'lrn': choose one of conv, relu."),
        ("png", ["--filters", "--layer", "conv3"], "x", "--layer says nothing about conv1's filters"),
        ("png", ["--filters", "--test-image", "1"], "x", "--test-image says nothing about conv1's filters"),
        ("png", ["--greatest", "2"], "x", "--greatest is the end of a fixed colour scale: give --scale fixed too"),
        ("png", ["--scale", "fixed"], "x", "A fixed colour scale needs its greatest value"),
        ("png", ["--image", "a.png", "--test-image", "1"], "x", "--image and --test-image both name a picture"),
        ("png", ["--image", "missing.png"], "x", "missing.png does not exist"),
        ("npz", ["--test-image", "6"], "x", "There is no test image 6: the test set has 0 to 5."),
        ("npz", ["--test-image", "-1"], "x", "There is no test image -1"),
        ("animation", [], "x.mp4", "x.mp4 is neither a .gif nor a .webp"),
        ("animation", ["--pinned", "99"], "x.gif", "pinned, not '99'."),
        ("csv", [], ".", ". is a folder: give the name of a file in it."),
        ("csv", [], "nowhere/x.csv", "nowhere/x.csv can't be used: No such file or directory."),
        ("csv", [], "x" * 300, "can't be used: File name too long."),
        ("csv", ["--which", "first"], "x", "invalid choice: 'first'"),
        ("pdf", [], "x", "invalid choice: 'pdf'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(
    export: Export, capsys: pytest.CaptureFixture[str], kind: str, flags: list[str], output: str, sentence: str
) -> None:
    assert export(kind, *flags, output=output) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert list(Path().iterdir()) == []


def test_a_picture_of_the_user_is_what_the_maps_are_of(export: Export, tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save("mine.png")
    for name, flags in {"mine": ["--image", "mine.png"], "example": []}.items():
        assert export("npz", "--layer", "conv1", "--stage", "relu", *flags, output=f"{name}.npz") == 0
    with np.load("mine.npz") as mine, np.load("example.npz") as example:
        assert str(mine["image"]) == "mine.png"
        assert str(example["image"]) == "the example photograph"
        assert not np.array_equal(mine["conv1_relu"], example["conv1_relu"])


@pytest.mark.parametrize("stage", [None, "lrn", "pool"])
def test_activations_are_of_every_layer_that_has_the_stage(export: Export, trained_run: Run, stage: str | None) -> None:
    assert export("npz", *(["--stage", stage] if stage else []), output="maps.npz") == 0
    wanted = [(layer, found) for layer in CONV_LAYERS for found in stages_of(layer) if stage in (None, found)]
    model = load_model(trained_run)
    with np.load("maps.npz") as file:
        assert list(zip(file["layers"], file["stages"], strict=True)) == wanted
        for layer, found in wanted:
            exact = feature_maps(model, example_image(), layer, found).values
            assert file[f"{layer}_{found}"].tobytes() == exact.tobytes(), (layer, found)


def test_a_report_says_how_to_make_it_again_and_no_path(export: Export, trained_run: Run, tmp_path: Path) -> None:
    example_image().save("mine.png")
    assert export("report", "--which", "last", "--image", str(tmp_path / "mine.png"), output="report.html") == 0
    html = Path("report.html").read_text(encoding="utf-8")
    step = find_checkpoint(trained_run, "last").step
    assert (
        f"python -m core export report --run-id trained --runs-dir {trained_run.path.parent.name} --which last "
        f"--image mine.png --output trained-step-{step}-report.html"
    ) in html
    assert str(tmp_path) not in html
    assert str(trained_run.path.parent) not in html


@pytest.mark.parametrize(
    "choices",
    [
        {"kind": "png", "layer": "conv2", "stage": "pool", "scale": "fixed", "greatest": 2.5, "test_image": 3},
        {"kind": "png", "filters": True, "layer": "conv3", "stage": "lrn", "scale": "fixed", "greatest": 2.0},
        {"kind": "png", "greatest": 2.0},
        {"kind": "csv", "table": "steps"},
        {"kind": "npz", "layer": "conv4"},
        {"kind": "animation", "layer": "conv4"},
    ],
    ids=lambda choices: "-".join(map(str, choices.values())),
)
def test_the_command_that_a_page_shows_makes_what_it_names(trained_run: Run, choices: dict[str, Any]) -> None:
    request = Request(run=trained_run, checkpoint=find_checkpoint(trained_run), **choices)
    words = request.command(trained_run.path.parent).split()
    assert words[:3] == ["python", "-m", "core"]
    assert main(words[3:]) == 0
    assert [path.name for path in Path().iterdir()] == [request.file_name]


def test_the_command_asks_for_the_last_checkpoint_where_that_was_chosen(trained_run: Run) -> None:
    request = Request("onnx", trained_run, find_checkpoint(trained_run, "last"), "last")
    assert " --which last " in request.command()
    assert "--runs-dir" not in request.command()
    assert "--which" not in replace(request, which="best").command()
    assert "--which" not in replace(request, kind="csv").command()
