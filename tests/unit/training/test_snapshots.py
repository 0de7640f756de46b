"""What a training leaves behind after each epoch is what the network did at that moment."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.config import TrainConfig
from core.data.example import example_image
from core.data.sources import load_data
from core.errors import ConfigError
from core.evaluation import evaluate
from core.inspection.feature_maps import feature_maps
from core.prediction import predict
from core.runs.checkpoints import find_checkpoint, load_model, load_training_state
from core.runs.metrics import MetricsReader
from core.runs.run import Run, RunState
from core.runs.snapshots import (
    layers_over_time,
    read_pinned,
    read_snapshot,
    read_snapshot_maps,
    snapshot_epochs,
    snapshot_file,
    write_pinned,
)
from core.training import jobs, loop
from core.training.layer_statistics import measure_layers
from core.training.state import TrainingState
from core.training.step import training_step

pytestmark = pytest.mark.usefixtures("narrow")

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5")


@pytest.fixture
def config_with(tiny_config: Callable[..., TrainConfig]) -> Callable[..., TrainConfig]:
    """config_with(**changes): tiny_config with snapshots."""
    return partial(tiny_config, snapshots=True)


def test_every_epoch_has_one_and_so_has_the_untrained_network(narrow_run: Run) -> None:
    assert snapshot_epochs(narrow_run) == (0, 1, 2)
    assert [read_snapshot(narrow_run, epoch).step for epoch in (0, 1, 2)] == [0, 3, 6]
    assert read_snapshot(narrow_run, 0).probabilities is None
    first, last = (read_snapshot(narrow_run, epoch).filters for epoch in (0, 2))
    assert np.abs(first - last).max() > 0


def test_the_last_one_shows_the_last_checkpoint(narrow_run: Run, data_dir: Path) -> None:
    model = load_model(narrow_run, "last")
    data = load_data(narrow_run.config, data_dir=data_dir)
    found, pinned = read_snapshot(narrow_run, 2), read_pinned(narrow_run)
    np.testing.assert_allclose(found.filters, model.conv1.weight.numpy(), atol=1e-3)
    np.testing.assert_array_equal(pinned.val_labels, data.val.labels)
    np.testing.assert_allclose(found.probabilities, evaluate(model, data.val).probabilities, atol=1e-3)
    assert len(pinned.numbers) == 3, "one of each class"
    for i, number in enumerate(pinned.numbers.tolist()):
        np.testing.assert_array_equal(pinned.images[i], data.test.image(number))
        assert pinned.labels[i] == data.test.labels[number]
        picture = Image.fromarray(pinned.images[i])
        np.testing.assert_allclose(found.pinned_probabilities[i], predict(model, [picture])[0].probabilities, atol=1e-5)
        for layer in LAYERS:
            exact = feature_maps(model, picture, layer, "relu").values
            kept = read_snapshot_maps(narrow_run, 2, layer, i)
            step = exact.reshape(len(exact), -1).max(1) / 510
            assert (np.abs(exact - kept) <= step[:, None, None] + 1e-4).all(), layer


def test_layers_are_measured_on_training_images_from_the_first_to_the_last(narrow_run: Run, data_dir: Path) -> None:
    train = load_data(narrow_run.config, data_dir=data_dir).train
    images = train.select(torch.arange(12))  # all, where there are no more
    expected = measure_layers(load_model(narrow_run, "last").requires_grad_(True), images, torch.float32)
    found = read_snapshot(narrow_run, 2).layers
    for name, value in vars(expected).items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=1e-3, atol=1e-5, err_msg=name)
    assert (layers_over_time(narrow_run)[1].moved[1:] > 0).all()


def test_what_was_validated_is_what_the_curves_say(narrow_run: Run) -> None:
    reader = MetricsReader(narrow_run.path)
    labels = read_pinned(narrow_run).val_labels
    for record in reader.epochs():
        said = read_snapshot(narrow_run, record["epoch"]).probabilities.argmax(1)
        assert (said == labels).mean() == pytest.approx(record["val_accuracy"])


def test_the_user_chooses_the_images(runs_dir: Path, data_dir: Path, config_with) -> None:
    run = jobs.start(config_with(pinned_images="4, 1", num_epochs=1), runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(60)
    assert read_pinned(run).numbers.tolist() == [4, 1]
    assert run.config.pinned_images == (4, 1)


def test_the_photograph_of_the_project_is_pinned_like_a_test_image_of_its_class(
    runs_dir: Path, data_dir: Path, config_with, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.snapshots.EXAMPLE_LABEL", "star")
    run = jobs.start(config_with(pinned_images="4 photo", num_epochs=1), runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(60)
    pinned = read_pinned(run)
    assert pinned.names == ("4", "photo")
    assert [pinned.about(position) for position in (0, 1)] == ["test image 4", "the photo"]
    assert run.data["class_names"][pinned.labels[1]] == "star"
    model = load_model(run, "last")
    (expected,) = predict(model, [example_image()])
    np.testing.assert_allclose(read_snapshot(run, 1).pinned_probabilities[1], expected.probabilities, atol=1e-5)
    exact = feature_maps(model, example_image(), "conv3", "relu").values
    step = exact.reshape(len(exact), -1).max(1) / 510
    assert (np.abs(exact - read_snapshot_maps(run, 1, "conv3", 1)) <= step[:, None, None] + 1e-4).all()


def test_the_photograph_needs_data_with_its_class(runs_dir: Path, data_dir: Path, config_with) -> None:
    run = jobs.start(config_with(pinned_images="photo"), runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(60)
    assert run.state is RunState.FAILED
    assert run.end["reason"].startswith("pinned_images: the photo shows a cat, which is no class of this data")


def test_a_number_beyond_the_test_set_is_said(runs_dir: Path, data_dir: Path, config_with) -> None:
    run = jobs.start(config_with(pinned_images=(0, 99)), runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(60)
    assert run.state is RunState.FAILED
    assert run.end["reason"] == "pinned_images: there is no test image 99; the test set has 0 to 5."


@pytest.mark.parametrize("bad", ["1, x", "-3", "-1", "photo photo", "1 2 3 4 5 6 7 8 9"])
def test_what_is_no_list_of_numbers_is_refused(config_with, bad: str) -> None:
    with pytest.raises(ConfigError, match="pinned_images"):
        config_with(pinned_images=bad)


def test_an_image_that_is_named_twice_is_refused(config_with) -> None:
    with pytest.raises(ConfigError, match="pinned_images: names an image twice"):
        config_with(pinned_images="3, 3")


def test_it_shows_the_averaged_weights_where_those_are_judged(runs_dir: Path, data_dir: Path, config_with) -> None:
    run = jobs.start(config_with(average_decay=0.99, learning_rate=1e-2), runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(60)
    shown = load_model(run, "last").conv1.weight.numpy()
    np.testing.assert_allclose(read_snapshot(run, 2).filters, shown, atol=1e-3)
    trained = load_training_state(find_checkpoint(run, "last"))["live/conv1.weight"].numpy()
    assert np.abs(trained - shown).max() > 2e-3, "else the two could not be told apart"
    learns = read_snapshot(run, 2).layers.sample[0]
    assert np.isin(learns, trained).all(), "layers are measured on the network that learns"


def test_a_resumed_run_goes_on_where_it_was(runs_dir: Path, data_dir: Path, config_with, wait_until) -> None:
    run = jobs.start(config_with(num_epochs=40), runs_dir=runs_dir, data_dir=data_dir)
    wait_until(lambda: snapshot_epochs(run)[-1:] >= (1,))
    run.request_stop()
    assert jobs.wait(60)
    before = snapshot_epochs(run)
    kept = (run.path / "snapshots" / "pinned.npz").read_bytes()
    jobs.resume(run, data_dir=data_dir)
    wait_until(lambda: len(snapshot_epochs(run)) > len(before))
    run.request_stop()
    assert jobs.wait(60)
    assert snapshot_epochs(run) == tuple(range(len(snapshot_epochs(run))))
    assert (run.path / "snapshots" / "pinned.npz").read_bytes() == kept

    pinned = read_pinned(run)
    write_pinned(run, replace(pinned, val_labels=pinned.val_labels[::-1].copy() + 1))
    jobs.resume(run, data_dir=data_dir)
    assert jobs.wait(60)
    assert run.state is RunState.FAILED
    assert "validation or test images have changed" in run.end["reason"]


def test_the_first_epoch_leaves_some_on_the_way_each_once_though_it_is_interrupted(
    runs_dir: Path, data_dir: Path, config_with, wait_until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.runs.snapshots._FEWEST_STEPS", 12)
    run = jobs.start(config_with(batch_size=1, num_epochs=1), runs_dir=runs_dir, data_dir=data_dir)
    wait_until(lambda: 0.25 in snapshot_epochs(run))
    run.request_stop()
    assert jobs.wait(60)
    written = snapshot_file(run, 0.25).stat().st_mtime_ns
    if run.state is RunState.STOPPED:
        jobs.resume(run, data_dir=data_dir)
        assert jobs.wait(120)
    steps = run.progress.num_steps
    found = {epoch: read_snapshot(run, epoch).step for epoch in snapshot_epochs(run)}
    assert found == {part: round(part * steps) for part in (0, 0.0625, 0.125, 0.25, 0.5, 1)}
    assert snapshot_file(run, 0.25).stat().st_mtime_ns == written
    assert read_snapshot(run, 0.5).probabilities is None
    moved = [np.abs(read_snapshot(run, e).filters - read_snapshot(run, 0).filters).max() for e in (0.0625, 0.5, 1)]
    assert 0 < moved[0] < moved[1] < moved[2]


def test_a_network_that_diverged_leaves_none(
    runs_dir: Path, data_dir: Path, config_with, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(config: TrainConfig, state: TrainingState, *arguments: object) -> torch.Tensor:
        result = training_step(config, state, *arguments)
        state.model.conv1.weight.data[0, 0, 0, 0] = torch.nan
        return result

    monkeypatch.setattr("core.runs.snapshots._FEWEST_STEPS", 12)
    monkeypatch.setattr(loop, "training_step", spoil)
    run = jobs.start(config_with(batch_size=1, num_epochs=1), runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(60)
    assert run.state is RunState.FAILED
    assert "training diverged" in run.end["reason"]
    assert snapshot_epochs(run) == (0,)


def test_a_disk_that_takes_no_snapshot_does_not_end_the_training(
    runs_dir: Path, data_dir: Path, config_with, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.training.snapshots.write_snapshot", full)
    run = jobs.start(config_with(num_epochs=1), runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(60)
    assert run.state is RunState.FINISHED
    reader = MetricsReader(run.path)
    missing = [event for event in reader.events() if event["event"] == "no snapshot"]
    assert [event["epoch"] for event in missing] == [0, 1]
    assert missing[0]["reason"] == "No space left on device"


def test_they_can_be_switched_off(runs_dir: Path, data_dir: Path, config_with) -> None:
    run = jobs.start(config_with(snapshots=False, num_epochs=1), runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(60)
    assert run.state is RunState.FINISHED
    assert not (run.path / "snapshots").exists()
