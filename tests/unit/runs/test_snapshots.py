"""What an epoch leaves behind: written small, read back in parts, and never trusted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import make_config
from core.errors import RunError
from core.model import AlexNet
from core.runs.layer_statistics import SHAPES, LayerStatistics
from core.runs.run import Run, create_run
from core.runs.snapshots import (
    Pinned,
    Snapshot,
    forget_snapshots_after,
    is_kept,
    layers_over_time,
    part_of_first_epoch,
    read_pinned,
    read_snapshot,
    read_snapshot_maps,
    snapshot_epochs,
    snapshot_file,
    tells_of_layers,
    validated_epochs,
    write_pinned,
    write_snapshot,
)


@pytest.fixture
def run(runs_dir: Path) -> Run:
    return create_run(runs_dir, make_config(), {}, "a")


def a_snapshot(epoch: float, *, judged: bool = True) -> Snapshot:
    filters = np.random.default_rng(round(epoch)).normal(size=(96, 3, 11, 11)).astype(np.float32)
    said = np.full((2, 10), 0.1, dtype=np.float32)
    return Snapshot(epoch, round(epoch * 8), filters, said, np.full((5, 10), 0.1, dtype=np.float32) if judged else None)


@pytest.mark.parametrize("compress", [False, True])
def test_what_was_written_is_read(run: Run, compress: bool) -> None:
    values = np.random.default_rng(0).integers(0, 256, (2, 384, 13, 13), dtype=np.uint8)
    tops = np.random.default_rng(1).uniform(0, 9, (2, 384)).astype(np.float32)
    written = a_snapshot(3)
    write_snapshot(run, written, {"conv3": (values, tops)}, compress=compress)
    write_snapshot(run, a_snapshot(0, judged=False), {}, compress=compress)
    assert snapshot_epochs(run) == (0, 3)
    found = read_snapshot(run, 3)
    assert (found.epoch, found.step) == (3, 24)
    np.testing.assert_allclose(found.filters, written.filters, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.probabilities, written.probabilities, rtol=1e-3)
    assert read_snapshot(run, 0).probabilities is None
    expected = values[1].astype(np.float32) / 255 * tops[1][:, None, None]
    np.testing.assert_allclose(read_snapshot_maps(run, 3, "conv3", 1), expected, rtol=1e-5)


def statistics(seed: int) -> LayerStatistics:
    values = np.random.default_rng(seed)
    return LayerStatistics(*(values.random(shape, dtype=np.float32) for shape in SHAPES))


def test_what_the_layers_are_like_is_kept_over_time(run: Run) -> None:
    for epoch in (0, 0.5, 1, 2):
        layers = None if epoch == 1 else statistics(round(2 * epoch))  # one of an earlier version
        write_snapshot(run, replace(a_snapshot(epoch), layers=layers), {})
        assert tells_of_layers(run) is (epoch != 1)
    assert read_snapshot(run, 1).layers is None
    epochs, found = layers_over_time(run)
    assert epochs.tolist() == [0, 0.5, 2]
    for name, value in vars(found).items():
        np.testing.assert_array_equal(value, [getattr(statistics(seed), name) for seed in (0, 1, 4)])


def test_statistics_of_another_form_are_none(run: Run) -> None:
    with pytest.raises(RunError, match="say nothing of its layers"):
        layers_over_time(run)
    write_snapshot(run, replace(a_snapshot(0), layers=replace(statistics(0), silent=np.zeros(3))), {})
    assert read_snapshot(run, 0).layers is None
    with pytest.raises(RunError, match="say nothing of its layers"):
        layers_over_time(run)


def test_the_pinned_images_are_kept_as_they_are(run: Run) -> None:
    pinned = Pinned(
        np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8),
        np.array([3, 17]), np.array([1, 2]), np.array([0, 1, 2]),
    )  # fmt: skip
    write_pinned(run, pinned)
    for name, value in vars(read_pinned(run)).items():
        np.testing.assert_array_equal(value, getattr(pinned, name))


def test_what_is_missing_or_damaged_is_said(run: Run) -> None:
    assert snapshot_epochs(run) == ()
    with pytest.raises(RunError, match=r"pinned\.npz of run 'a' is missing or damaged"):
        read_pinned(run)
    write_snapshot(run, a_snapshot(1), {})
    with pytest.raises(RunError, match="choose another epoch"):
        read_snapshot(run, 2)
    with pytest.raises(RunError, match="missing or damaged"):
        read_snapshot_maps(run, 1, "conv1", 0)
    file = run.path / "snapshots" / "epoch-0001.npz"
    whole = file.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", whole[:4000] + b"\0" * 2000 + whole[6000:]):
        file.write_bytes(broken)
        with pytest.raises(RunError, match=r"epoch-0001\.npz of run 'a' is missing or damaged"):
            read_snapshot(run, 1)
    (run.path / "snapshots" / ".epoch-0009.npz.tmp").write_bytes(b"half")
    (run.path / "snapshots" / "epoch-x.npz").write_bytes(b"")
    assert snapshot_epochs(run) == (1,)


def test_a_snapshot_of_ten_classes_stays_below_six_megabytes(run: Run) -> None:
    model = AlexNet().eval()
    with torch.inference_mode():
        shapes = {
            name.replace("relu", "conv"): output.shape[1:]
            for name, output in model.activations(torch.zeros(1, 3, 227, 227))
            if name in ("relu1", "relu2", "relu3", "relu4", "relu5")
        }
    rng = np.random.default_rng(0)
    maps = {
        layer: (rng.integers(0, 256, (8, *shape), dtype=np.uint8), rng.random((8, shape[0])))
        for layer, shape in shapes.items()
    }
    snapshot = Snapshot(1, 1, rng.random((96, 3, 11, 11)), rng.random((8, 10)), rng.random((5_000, 10)))
    write_snapshot(run, snapshot, maps)
    assert (run.path / "snapshots" / "epoch-0001.npz").stat().st_size < 6e6


@pytest.mark.parametrize(
    ("num_epochs", "kept"),
    [
        (1, [0, 1]),
        (8, list(range(9))),
        (40, list(range(41))),
        (240, [*range(11), *range(16, 241, 8)]),
        (205, [*range(11), *range(14, 204, 7), 205]),
    ],
)
def test_of_a_long_training_about_forty_are_kept(num_epochs: int, kept: list[int]) -> None:
    assert [epoch for epoch in range(num_epochs + 1) if is_kept(epoch, num_epochs)] == kept


def test_those_of_later_epochs_can_be_forgotten(run: Run) -> None:
    for epoch in (0, 0.25, 0.5, 1, 2, 5):
        write_snapshot(run, a_snapshot(epoch), {})
    for step, left in ((9, (0, 0.25, 0.5, 1)), (8, (0, 0.25, 0.5, 1)), (3, (0, 0.25)), (2, (0, 0.25)), (0, (0,))):
        forget_snapshots_after(run, step)
        assert snapshot_epochs(run) == left
    snapshot_file(run, 7).write_bytes(b"damaged")
    forget_snapshots_after(run, 3)
    assert snapshot_epochs(run) == (0,)


def test_parts_of_the_first_epoch_come_between_whole_ones(run: Run) -> None:
    for epoch in (0, 0.0625, 0.5, 1, 12):
        write_snapshot(run, a_snapshot(epoch, judged=epoch >= 1), {})
    assert [str(epoch) for epoch in snapshot_epochs(run)] == ["0", "0.0625", "0.5", "1", "12"]
    assert snapshot_file(run, 0.0625).name == "epoch-0000.0625.npz"
    assert read_snapshot(run, 0.5).step == 4
    assert validated_epochs(run) == (1, 12)


@pytest.mark.parametrize(
    ("steps_per_epoch", "parts"),
    [(15, {}), (16, {1: 0.0625, 2: 0.125, 4: 0.25, 8: 0.5}), (375, {23: 0.0625, 47: 0.125, 94: 0.25, 188: 0.5})],
)
def test_an_epoch_of_enough_steps_is_looked_at_on_the_way(steps_per_epoch: int, parts: dict[int, float]) -> None:
    found = {step: part_of_first_epoch(step, steps_per_epoch) for step in range(3 * steps_per_epoch)}
    assert {step: part for step, part in found.items() if part is not None} == parts
