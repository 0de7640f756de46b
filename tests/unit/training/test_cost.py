"""core.training.cost: what a run will take, before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.config import make_config
from core.errors import ConfigError
from core.runs.run import Run, create_run
from core.runs.writer import RunWriter
from core.training.cost import Speed, estimate, known_speed, measure_speed
from core.training.device import device_lock, device_name

CPU = torch.device("cpu")
SPEED = Speed("CPU", "float32", 100.0)
COUNTS = {"train": 3000, "val": 600, "test": 900}


def run_with_pace(folder: Path, name: str, pace: float, *, device: str, precision: str) -> Run:
    run = create_run(folder, make_config(), {"device": device, "precision": precision}, name)
    with RunWriter(run) as writer:
        writer.report(full_size_images_per_second=pace, device=device, precision=precision, force=True)
    return run


def test_time_counts_training_validation_and_test() -> None:
    cost = estimate(make_config(num_epochs=4), SPEED, COUNTS)
    assert cost.seconds == pytest.approx((4 * (3000 + 600 / 3) + 900 / 3) / 100)


def test_time_goes_with_epochs_and_speed() -> None:
    one, two = (estimate(make_config(num_epochs=n), SPEED, COUNTS).seconds for n in (1, 2))
    assert two - one == pytest.approx(32)
    twice = estimate(make_config(num_epochs=1), Speed("CPU", "float32", 200.0), COUNTS)
    assert twice.seconds == pytest.approx(one / 2)
    assert estimate(make_config(), None, COUNTS).seconds is None


def test_smaller_inputs_first_take_less_time() -> None:
    plain, progressive = (estimate(make_config(progressive=p), SPEED, COUNTS).seconds for p in (False, True))
    assert 0.4 * plain < progressive < 0.7 * plain


def test_parameters_memory_and_disk_are_of_the_right_order() -> None:
    config = make_config(batch_size=64, device="cpu", precision="float32")
    cost, without = (estimate(config.model_copy(update={"snapshots": kept}), SPEED, COUNTS) for kept in (True, False))
    assert cost.parameters == 58_322_314
    assert 3.3e9 < cost.memory_bytes < 4.5e9  # 128 took 4.5, and 16 in bfloat16 3.3: measured
    assert without.disk_bytes == 58_322_314 * 32  # while saving: four times the weights, twice two moments
    kept = config.num_epochs + 1 + 4  # of the untrained network too, and four in the first epoch
    assert cost.disk_bytes - without.disk_bytes == 5_400_000 * kept


def test_disk_for_a_long_training_is_that_of_the_snapshots_it_keeps_and_of_both_weights() -> None:
    plain = make_config(num_epochs=200, snapshots=False, device="cpu", precision="float32")
    long, averaged = (plain.model_copy(update=update) for update in ({"snapshots": True}, {"average_decay": 0.9}))
    bare, with_snapshots, with_average = (estimate(c, SPEED, COUNTS).disk_bytes for c in (plain, long, averaged))
    # epochs 0 to 10, every seventh from 14 to 196, 200, and four times in the first
    assert with_snapshots - bare == 5_400_000 * (39 + 4)
    assert with_average - bare == 58_322_314 * 8  # in the last checkpoint and in the one that replaces it


def test_memory_grows_with_the_batch_and_the_precision() -> None:
    small, large, half = (
        estimate(make_config(batch_size=size, device="cpu", precision=precision), SPEED, COUNTS).memory_bytes
        for size, precision in ((16, "float32"), (256, "float32"), (256, "bfloat16"))
    )
    image = (large - small) / 240
    assert 7e6 < image < 2e7
    assert large - half == pytest.approx(128 * image, rel=1e-6)


def test_averaged_weights_take_memory_as_well() -> None:
    plain, averaged = (
        estimate(make_config(device="cpu", average_decay=decay), SPEED, COUNTS).memory_bytes for decay in (0, 0.9)
    )
    assert averaged - plain == 58_322_314 * 12


def test_of_a_gpu_only_its_own_memory_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.cost.pick_device", lambda _: torch.device("cuda"))
    plain, averaged, large = (
        estimate(make_config(precision="bfloat16", **settings), SPEED, COUNTS).memory_bytes
        for settings in ({}, {"average_decay": 0.9}, {"batch_size": 512})
    )
    assert averaged - plain == 58_322_314 * 4  # the average alone: what a save copies lies in the machine's memory
    assert 58_322_314 * 16 < plain < 58_322_314 * 16 + 1e9
    assert 3e6 < (large - plain) / (512 - make_config().batch_size) < 2e7


def test_a_known_pace_is_that_of_the_first_run_on_this_device_at_this_precision(tmp_path: Path) -> None:
    here = device_name(CPU)
    runs = [
        run_with_pace(tmp_path, "other-device", 1, device="a GPU", precision="float32"),
        run_with_pace(tmp_path, "other-precision", 2, device=here, precision="bfloat16"),
        run_with_pace(tmp_path, "no-pace-yet", 0, device=here, precision="float32"),
        run_with_pace(tmp_path, "right", 70, device=here, precision="float32"),
        run_with_pace(tmp_path, "later", 80, device=here, precision="float32"),
    ]
    config = make_config(device="cpu", precision="float32")
    assert known_speed(config, runs) == Speed(here, "float32", 70)
    assert known_speed(config, runs[:3]) is None


def test_a_pace_is_known_for_its_own_batch_size(tmp_path: Path) -> None:
    run = run_with_pace(tmp_path, "small", 30, device=device_name(CPU), precision="float32")
    same = make_config(device="cpu", precision="float32")
    assert known_speed(same, [run])
    assert known_speed(same.model_copy(update={"batch_size": 128}), [run]) is None


def test_a_pace_is_known_for_its_own_number_of_threads(tmp_path: Path) -> None:
    one, all_ = (make_config(device="cpu", precision="float32", num_threads=n) for n in (1, 0))
    run = run_with_pace(tmp_path, "one", 30, device=device_name(CPU, 1), precision="float32")
    assert known_speed(one, [run]) == Speed("CPU, 1 thread", "float32", 30)
    if device_name(CPU) != device_name(CPU, 1):
        assert known_speed(all_, [run]) is None


def test_a_measurement_computes_with_as_many_threads_as_the_run_will(monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = torch.get_num_threads(), []

    def step(*_: object) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return torch.zeros(4)

    monkeypatch.setattr("core.training.cost.training_step", step)
    speed = measure_speed(make_config(device="cpu", precision="float32", num_threads=before + 1))
    assert speed is not None
    assert speed.device == f"CPU, {before + 1} threads"
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


def test_a_damaged_run_does_not_hide_the_pace_of_the_others(tmp_path: Path) -> None:
    damaged = create_run(tmp_path, make_config(), {}, "damaged")
    (damaged.path / "config.json").write_text("")
    right = run_with_pace(tmp_path, "right", 70, device=device_name(CPU), precision="float32")
    assert known_speed(make_config(device="cpu", precision="float32"), [damaged, right])


def test_a_measurement_trains_for_real_and_says_on_what() -> None:
    speed = measure_speed(make_config(device="cpu", precision="float32"))
    assert speed is not None
    assert (speed.device, speed.precision) == (device_name(CPU), "float32")
    assert 1 < speed.images_per_second < 10_000


def test_nothing_is_timed_beside_a_training() -> None:
    assert device_lock.acquire(timeout=10)
    try:
        assert measure_speed(make_config(device="cpu", precision="float32")) is None
    finally:
        device_lock.release()


def test_a_step_that_does_not_fit_into_the_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA")

    monkeypatch.setattr("core.training.cost.training_step", fail)
    with pytest.raises(ConfigError, match="Out of GPU memory at batch_size 16; try 8"):
        measure_speed(make_config(device="cpu", precision="float32"))
    assert not device_lock.locked()
