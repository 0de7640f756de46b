"""A short training on real CIFAR-10 images learns: the one check that the parts make a working whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.config import make_config
from core.runs.metrics import MetricsReader
from core.runs.run import RunState
from core.training import jobs


@pytest.mark.slow
@pytest.mark.skipif("CIFAR10_FOLDER" not in os.environ, reason="CIFAR10_FOLDER names no folder of CIFAR-10 images")
def test_accuracy_on_images_never_seen_is_well_above_chance(
    runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.loop._test", lambda *_: None)  # 10,000 images: half a minute by itself
    config = make_config(
        data_source="folder", data_dir=os.environ["CIFAR10_FOLDER"], train_limit=400, val_limit=200, num_epochs=6,
        batch_size=16, learning_rate=3e-4, dropout=0.2, progressive=True,
    )  # fmt: skip
    run = jobs.start(config, runs_dir=runs_dir, data_dir=tmp_path / "data")
    assert jobs.wait(280)
    assert run.state is RunState.FINISHED, run.end
    reader = MetricsReader(run.path)
    reader.poll()
    accuracy = [record["val_accuracy"] for record in reader.epochs()]
    # ACCURACY
    assert max(accuracy) > 0.17
    assert reader.epochs()[-1]["train_loss"] < reader.epochs()[0]["train_loss"]
