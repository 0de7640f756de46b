"""checkpoints/starter, the trained network that comes with the project: whole, small, with no path in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.data.example import EXAMPLE_LABEL, example_image
from core.data.images import CIFAR10_CLASSES
from core.follow import summary
from core.prediction import predict
from core.runs.checkpoints import load_model
from core.runs.metrics import MetricsReader
from core.runs.run import Run, RunState

FOLDER = Path(__file__).resolve().parents[3] / "checkpoints" / "starter"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="this checkout has no starter")


def test_it_is_a_packed_run_with_a_card_and_curves() -> None:
    run = Run(FOLDER)
    assert run.is_packed
    assert run.state is RunState.FINISHED
    assert run.config.data_source == "cifar10"
    assert (FOLDER / "README.md").is_file()
    record = summary(run)
    assert record["val_accuracy"] > 0.5
    assert record["test_accuracy"] > 0.5
    reader = MetricsReader(FOLDER)
    assert reader.damaged == 0
    assert len(reader.epochs()) == run.config.num_epochs
    steps = reader.steps()["step"]
    assert 1000 < len(steps) <= 3000
    assert steps[-1] > 0.99 * record["step"]


def test_it_is_small_and_names_no_path() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 16_000_000
    assert not {path.name for path in files} & {"run.lock", "writer.json", "run.log", "control.json"}
    for path in files:
        if path.suffix in (".json", ".jsonl", ".md"):
            assert not re.search(r"""["'\s=(]/(?:tmp|home|root|work|Users|mnt|opt)/""", path.read_text("utf-8")), path


def test_it_knows_a_cat() -> None:
    model = load_model(Run(FOLDER))
    assert model.class_names == CIFAR10_CLASSES
    (prediction,) = predict(model, [example_image()])
    assert EXAMPLE_LABEL in dict(prediction.top(2))
