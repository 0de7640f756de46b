"""core.export.tensorboard: TensorBoard's own reader finds every figure at its step and its time."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from core.config import make_config
from core.errors import ExportError
from core.export.tensorboard import export_tensorboard
from core.runs.metrics import MetricsReader, encode
from core.runs.run import Run, create_run
from core.runs.snapshots import layers_over_time, snapshot_epochs


@pytest.fixture(scope="module")
def folder(trained_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tensorboard") / "logs"
    export_tensorboard(trained_run, path)
    return path


@pytest.fixture(scope="module")
def logged(trained_run: Run) -> MetricsReader:
    return MetricsReader(trained_run.path)


def read(folder: Path) -> Any:
    return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()


def test_every_step_is_there(folder: Path, trained_run: Run, logged: MetricsReader) -> None:
    events, steps, started = read(folder / "train"), logged.steps(), trained_run.environment["started"]
    for tag in ("loss", "accuracy", "learning_rate", "gradient_norm", "images_per_second"):
        scalars = events.Scalars(tag)
        assert [scalar.step for scalar in scalars] == steps["step"].tolist()
        np.testing.assert_allclose([scalar.value for scalar in scalars], steps[tag], rtol=1e-6)
        np.testing.assert_allclose([scalar.wall_time - started for scalar in scalars], steps["seconds"], atol=1e-5)
    (text,) = events.Tensors("settings/text_summary")
    assert "| batch_size | 4 |" in text.tensor_proto.string_val[0].decode()


def test_every_epoch_is_there_with_its_pictures(folder: Path, trained_run: Run, logged: MetricsReader) -> None:
    events, epochs = read(folder / "val"), logged.epochs()
    for tag, column in (("loss", "val_loss"), ("accuracy", "val_accuracy")):
        assert [scalar.step for scalar in events.Scalars(tag)] == [3, 6]
        np.testing.assert_allclose([s.value for s in events.Scalars(tag)], [e[column] for e in epochs], rtol=1e-6)
    assert [image.step for image in events.Images("confusion")] == [3, 6]
    assert snapshot_epochs(trained_run) == (0, 1, 2)
    moments, found = layers_over_time(trained_run)
    for tag, values in (
        ("gradients_rms/conv1", found.rms[:, 1, 0]), ("outputs_rms/fc8", found.rms[:, 2, 7]),
        ("zeros/conv5", found.zeros[:, 4]), ("silent/fc7", found.silent[:, 6]),
    ):  # fmt: skip
        assert [scalar.step for scalar in events.Scalars(tag)] == [3 * epoch for epoch in moments]
        np.testing.assert_allclose([scalar.value for scalar in events.Scalars(tag)], values, rtol=1e-6)
    filters = events.Images("filters/conv1")
    assert [image.step for image in filters] == [0, 3, 6]
    seconds = [image.wall_time - trained_run.environment["started"] for image in filters]
    np.testing.assert_allclose(seconds, [0, *logged.steps()["seconds"][[2, 5]]], atol=1e-5)
    picture = Image.open(io.BytesIO(filters[0].encoded_image_string))
    assert picture.size == (filters[0].width, filters[0].height)
    assert picture.width >= 440


def test_steps_from_before_gradients_were_recorded_have_no_such_scalar(runs_dir: Path, tmp_path: Path) -> None:
    run = create_run(runs_dir, make_config(), {"started": 1e9}, "older")
    old = {"kind": "step", "epoch": 1, "seconds": 0.5, "loss": 2.0, "accuracy": 0.5, "learning_rate": 0.001,
           "images_per_second": 70.0}  # fmt: skip
    lines = [old | {"step": 1}, old | {"step": 2, "gradient_norm": None}, old | {"step": 3, "gradient_norm": 2.5}]
    (run.path / "metrics-0001.jsonl").write_bytes(b"".join(map(encode, lines)))
    export_tensorboard(run, tmp_path / "logs")
    events = read(tmp_path / "logs" / "train")
    assert [(scalar.step, scalar.value) for scalar in events.Scalars("gradient_norm")] == [(3, 2.5)]
    assert [scalar.step for scalar in events.Scalars("loss")] == [1, 2, 3]


def test_no_file_tells_the_computer_s_name(folder: Path) -> None:
    names = {path.name.split(".", 4)[4] for path in folder.rglob("events*")}
    assert names == {"trained"}


def test_an_archive_holds_the_same(folder: Path, trained_run: Run, tmp_path: Path) -> None:
    export_tensorboard(trained_run, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        names = archive.namelist()
    found = [str(Path("mine") / path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    assert sorted(names) == sorted(found)


def test_a_folder_that_is_there_is_left_alone(trained_run: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with pytest.raises(ExportError, match="logs exists already: give the name of a folder that doesn't"):
        export_tensorboard(trained_run, tmp_path / "logs")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExportError, match="file/logs can't be used"):
        export_tensorboard(trained_run, tmp_path / "file" / "logs")
    assert (tmp_path / "file").read_text() == "mine"
    assert not list((tmp_path / "logs").iterdir())


def test_without_the_library_or_without_a_step_nothing_is_left(
    trained_run: Run, runs_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ExportError, match="Run 'new' has logged no step yet"):
        export_tensorboard(create_run(runs_dir, make_config(), {}, "new"), tmp_path / "logs")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ExportError, match="need the package tensorboard: python -m pip install tensorboard"):
        export_tensorboard(trained_run, tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
