"""core.runs.pack: small, nearly the same network, nothing of the machine in it, whole or not at all."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from core.config import make_config
from core.errors import CheckpointError, ConfigError, RunError
from core.files import write_json
from core.follow import summary
from core.model import CONV_LAYERS, AlexNet, InputSpec
from core.runs.checkpoints import available, find_checkpoint, load_model, load_training_state, save_checkpoint
from core.runs.compact import compact, expand
from core.runs.metrics import MetricsReader, encode
from core.runs.pack import _some, pack
from core.runs.run import Run, RunState, create_run, list_runs
from core.runs.snapshots import read_pinned, read_snapshot, read_snapshot_maps, snapshot_epochs
from core.runs.writer import RunWriter
from core.training import jobs
from core.training.cost import known_speed


class Small(torch.nn.Module):
    """What save_checkpoint and pack ask of a network, at a few bytes."""

    class_names = ("a", "b")
    input_spec = InputSpec()
    lrn_alpha = 1e-4

    def __init__(self) -> None:
        super().__init__()
        self.fc6 = torch.nn.Linear(6, 5)


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished run of a tiny network, which pack takes for an AlexNet."""
    run = create_run(tmp_path / "runs", make_config(), {}, "done")
    with RunWriter(run) as writer:
        save_checkpoint(
            writer, Small(), {}, step=1, epoch=1, seconds=1.0, val_accuracy=0.5, epoch_sums=[0.0, 0.0, 0.0],
            pointers=("best", "last"),
        )  # fmt: skip
        writer.end(RunState.FINISHED)
    monkeypatch.setattr("core.runs.pack.open_model", lambda _: Small())
    return run


TOLERANCE = 0.01  # of the spread of the logits; measured: 0.002, from float16


def logits(model: AlexNet) -> torch.Tensor:
    pixels = torch.randn(16, 3, 227, 227, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return model(pixels)


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_the_factors_are_nearly_the_best_of_their_rank() -> None:
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(300, 400, generator=generator)  # a trained matrix: a few strong directions in much noise
    weight = noise + 30 * torch.randn(300, 3, generator=generator) @ torch.randn(3, 400, generator=generator)
    before = torch.get_rng_state()
    small = compact({"fc6.weight": weight, "fc6.bias": weight[0]}, rank=10)
    assert torch.equal(torch.get_rng_state(), before)
    assert {name: tuple(value.shape) for name, value in small.items()} == {
        "fc6.weight.left": (300, 10), "fc6.weight.right": (10, 400), "fc6.bias": (400,)
    }  # fmt: skip
    assert {value.dtype for value in small.values()} == {torch.float16}
    u, s, v = torch.linalg.svd(weight.double(), full_matrices=False)
    best = (weight - (u[:, :10] * s[:10]) @ v[:10]).norm()
    assert (weight - expand(small)["fc6.weight"]).norm() < 1.003 * best
    again = compact({"fc6.weight": weight}, rank=10)
    assert torch.equal(small["fc6.weight.left"], again["fc6.weight.left"])


def test_full_rank_gives_the_matrix_back() -> None:
    weight = torch.randn(20, 30, generator=torch.Generator().manual_seed(0))
    found = expand(compact({"fc7.weight": weight}, rank=20))["fc7.weight"]
    torch.testing.assert_close(found, weight, atol=5e-3, rtol=0)


def test_a_packed_network_has_the_weights_of_the_full_one(packed_run: Run, trained_run: Run) -> None:
    full, small = load_model(trained_run), load_model(packed_run)
    assert (small.class_names, small.input_spec) == (full.class_names, full.input_spec)
    found = small.state_dict()
    scale = found["fc8.weight"].norm() / full.fc8.weight.norm()
    assert scale >= 0.999  # the answers have to be as sure as they were
    for name, value in full.state_dict().items():
        if name in ("fc6.weight", "fc7.weight"):  # hardly trained, so no low rank comes near; what is kept is its part
            kept = found[name].flatten()
            assert kept @ value.flatten() / kept.square().sum() == pytest.approx(1, abs=0.01), name
        else:
            expected = value * scale if name.startswith("fc8") else value
            torch.testing.assert_close(found[name], expected, atol=1e-3, rtol=1e-3, msg=name)


def test_a_network_of_that_rank_gives_the_same_answers(packed_run: Run, tmp_path: Path) -> None:
    again = pack(packed_run, tmp_path / "again", rank=8)
    expected, found = logits(load_model(packed_run)), logits(load_model(again))
    assert (found - expected).square().mean().sqrt() < TOLERANCE * expected.std()
    assert again.is_packed
    assert again.state is RunState.FINISHED


@pytest.mark.parametrize(("shrunk", "kept"), [(0.5, 1), (0.9, 1), (3, 3), (-1, -1)])
def test_answers_stay_as_sure_as_they_were(
    packed_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shrunk: float, kept: float
) -> None:
    """Logits that the factors made smaller are scaled back; others, which have nothing to do with it, stay."""

    def shrinking(weights: dict[str, torch.Tensor], rank: int) -> dict[str, torch.Tensor]:
        small = compact(weights, rank)
        return small | {name: small[name] * shrunk for name in ("fc8.weight", "fc8.bias")}

    monkeypatch.setattr("core.runs.pack.compact", shrinking)
    again = pack(packed_run, tmp_path / "again", rank=8)
    expected, found = kept * logits(load_model(packed_run)), logits(load_model(again))
    assert (found - expected).square().mean().sqrt() < TOLERANCE * expected.std()


def test_it_is_small_and_holds_no_pickle(packed_run: Run) -> None:
    files = {path.relative_to(packed_run.path).as_posix(): path for path in packed_run.path.rglob("*.*")}
    name = find_checkpoint(packed_run).name
    assert set(files) == {
        "config.json", "data.json", "metrics-0001.jsonl", "progress.json", "end.json", "best.json", "last.json",
        f"checkpoints/{name}.json", f"checkpoints/{name}.safetensors", "snapshots/pinned.npz",
        "snapshots/epoch-0000.npz", "snapshots/epoch-0001.npz", "snapshots/epoch-0002.npz",
    }  # fmt: skip
    assert sum(path.stat().st_size for path in files.values()) < 9_500_000


def test_no_path_of_the_machine_is_in_any_file(packed_run: Run, trained_run: Run, image_tree: Path) -> None:
    assert str(image_tree) in (trained_run.path / "config.json").read_text()
    for path in packed_run.path.rglob("*.*"):
        content = path.read_bytes()
        for folder in (image_tree, trained_run.path.parent, Path.home(), Path.cwd()):
            assert str(folder).encode() not in content, path


def test_its_record_is_that_of_the_training(packed_run: Run, trained_run: Run) -> None:
    changed = {"data_source": "cifar10", "data_dir": None, "device": "auto", "num_threads": 0}
    assert packed_run.config == trained_run.config.model_copy(update=changed)
    assert packed_run.environment == trained_run.environment
    known = {name: value for name, value in trained_run.data.items() if "_fingerprint" not in name}
    assert packed_run.data == known | {"notes": []}, "others may have another copy of the test images"
    assert summary(packed_run) == summary(trained_run) | {"run_id": "shipped", "data_source": "cifar10"}
    assert packed_run.progress == replace(trained_run.progress.without_pace(), message="")
    before, after = MetricsReader(trained_run.path), MetricsReader(packed_run.path)
    np.testing.assert_equal(after.steps(), before.steps())
    assert len(after.steps()["step"]) == 6
    assert after.epochs() == before.epochs()
    assert after.damaged == 0


def test_every_epoch_is_kept_with_the_maps_of_the_photograph_alone(packed_run: Run, trained_run: Run) -> None:
    assert snapshot_epochs(packed_run) == snapshot_epochs(trained_run) == (0, 1, 2)
    pinned, whole = read_pinned(packed_run), read_pinned(trained_run)
    assert (pinned.names, len(pinned.images), len(whole.images)) == (("photo",), 1, 3)
    np.testing.assert_array_equal(pinned.images, whole.images[:1])
    np.testing.assert_array_equal(pinned.val_labels, whole.val_labels)
    for epoch in (0, 2):
        for name, value in vars(read_snapshot(packed_run, epoch)).items():
            expected = getattr(read_snapshot(trained_run, epoch), name)
            if name == "layers":
                value, expected = ([*vars(layers).values()] for layers in (value, expected))
                assert all(map(np.array_equal, value, expected))
                continue
            np.testing.assert_array_equal(value, expected[:1] if name == "pinned_probabilities" else expected)
        for layer in CONV_LAYERS:
            values = read_snapshot_maps(packed_run, epoch, layer, 0)
            np.testing.assert_array_equal(values, read_snapshot_maps(trained_run, epoch, layer, 0))
    with pytest.raises(RunError):
        read_snapshot_maps(packed_run, 2, "conv1", 1)


def test_no_image_of_the_data_travels_along(trained_run: Run, tmp_path: Path) -> None:
    assert "photo" not in read_pinned(trained_run).names
    packed = pack(trained_run, tmp_path / "packed", rank=8, data_source="cifar10")
    assert not (packed.path / "snapshots").exists()


def test_one_checkpoint_is_both_best_and_last(packed_run: Run, trained_run: Run) -> None:
    assert available(packed_run) == ("best", "last")
    best, source = find_checkpoint(packed_run, "best"), find_checkpoint(trained_run, "best")
    assert best == find_checkpoint(packed_run, "last")
    assert best == replace(source, run=packed_run, files=best.files)
    assert best.fingerprint != source.fingerprint
    with pytest.raises(CheckpointError, match="is missing"):
        load_training_state(best)


def test_it_is_finished_and_reading_it_writes_nothing(packed_run: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in packed_run.path.rglob("*")}
    assert packed_run.state is RunState.FINISHED
    assert packed_run.is_packed
    with pytest.raises(RunError, match="'shipped' is finished: only a stopped"):
        jobs.resume(packed_run, data_dir=packed_run.path)
    assert {path: path.stat().st_mtime_ns for path in packed_run.path.rglob("*")} == before


def test_its_pace_is_not_taken_for_this_machines(packed_run: Run, trained_run: Run) -> None:
    config = trained_run.config
    assert known_speed(config, [trained_run]) is not None
    assert known_speed(config, [packed_run]) is None
    assert known_speed(config, [packed_run, trained_run]) == known_speed(config, [trained_run])


def test_it_comes_after_the_users_own_runs(tmp_path: Path) -> None:
    for run_id in ("mine", "newer", "given"):
        create_run(tmp_path, make_config(), {}, run_id)
    record = read(tmp_path / "given" / "config.json") | {"packed": {"run_id": "theirs", "rank": 8, "refit": False}}
    (tmp_path / "given" / "config.json").write_text(json.dumps(record))
    assert [(run.id, run.is_packed) for run in list_runs(tmp_path)] == [
        ("newer", False), ("mine", False), ("given", True)
    ]  # fmt: skip


def test_attempts_become_one_segment_without_ends_and_damage(finished: Run, tmp_path: Path) -> None:
    def step(number: int, loss: float) -> bytes:
        return encode({"kind": "step", "step": number, "loss": loss})

    start = encode({"kind": "event", "event": "start", "step": 2})
    end = encode({"kind": "event", "event": "end", "state": "failed", "reason": "The disk of /secret is full."})
    (finished.path / "metrics-0001.jsonl").write_bytes(step(1, 4) + step(2, 3) + step(3, 9) + end + b'{"kind":"st')
    (finished.path / "metrics-0002.jsonl").write_bytes(start + b"not a line\n" + step(3, 2) + step(4, 1))
    packed = pack(finished, tmp_path / "out", rank=1)
    assert [path.name for path in packed.path.glob("metrics*")] == ["metrics-0001.jsonl"]
    assert b"secret" not in (packed.path / "metrics-0001.jsonl").read_bytes()
    reader = MetricsReader(packed.path)
    assert reader.damaged == 0
    assert reader.steps()["loss"].tolist() == [4, 3, 2, 1]


@pytest.mark.parametrize(("num_steps", "every"), [(0, 1), (2, 1), (3000, 1), (3001, 2), (18_330, 7)])
def test_of_many_steps_every_other_is_kept_and_of_all_epochs_each(
    finished: Run, tmp_path: Path, num_steps: int, every: int
) -> None:
    steps = [encode({"kind": "step", "step": step, "loss": 1.0}) for step in range(1, num_steps + 1)]
    epochs = [encode({"kind": "epoch", "epoch": epoch, "step": 100 * epoch}) for epoch in range(1, 200)]
    (finished.path / "metrics-0001.jsonl").write_bytes(b"".join([*steps, *epochs]))
    reader = MetricsReader(pack(finished, tmp_path / "packed", data_source="shapes").path)
    assert len(reader.epochs()) == 199
    expected = list(range(1, num_steps + 1, every))
    assert reader.steps()["step"].tolist() == expected + [num_steps] * (num_steps not in (0, *expected[-1:]))


@pytest.mark.parametrize(
    ("taken", "kept"),
    [
        (range(10), list(range(10))),
        ([*range(11), *range(14, 190, 7), 195], [0, 1, 2, 4, 7, 14, 28, 49, 98, 195]),
        (range(3, 40), [3, 4, 5, 7, 9, 12, 17, 22, 29, 39]),
        ([0, 0.0625, 0.125, 0.25, 0.5, *range(1, 10)], list(range(10))),
    ],
)
def test_of_many_snapshots_a_few_at_wider_and_wider_distances_are_kept(taken: Any, kept: list[int]) -> None:
    assert _some(tuple(taken)) == kept


def test_refitted_weights_travel_instead_and_it_is_said(finished: Run, tmp_path: Path) -> None:
    def refit(model: Small, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        assert set(weights) == {"fc6.weight.left", "fc6.weight.right", "fc6.bias"}
        return weights | {"fc6.bias": torch.arange(5.0).half()}

    packed = pack(finished, tmp_path / "out", rank=1, refit=refit)
    found = load_file(packed.path / "checkpoints" / f"{find_checkpoint(packed, 'best').name}.safetensors")
    assert found["fc6.bias"].tolist() == [0, 1, 2, 3, 4]
    assert read(packed.path / "config.json")["packed"] == {
        "run_id": "done", "data_source": "shapes", "rank": 1, "refit": True,
    }  # fmt: skip


@pytest.mark.parametrize("rank", [0, -1, 2049])
def test_a_bad_rank_is_refused(finished: Run, tmp_path: Path, rank: int) -> None:
    with pytest.raises(ConfigError, match=rf"^rank: should be from 1 to 2,048, got {rank}\.$"):
        pack(finished, tmp_path / "out", rank=rank)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_already_is_not_touched(finished: Run, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    out.mkdir() if kind == "folder" else out.write_text("mine")
    with pytest.raises(RunError, match="out exists already: name a new folder, or delete that one first"):
        pack(finished, out)
    assert list(out.iterdir()) == [] if kind == "folder" else out.read_text() == "mine"


@pytest.mark.parametrize("state", ["stopped", "failed", "interrupted", "running"])
def test_only_a_finished_run_is_packed(tmp_path: Path, state: str) -> None:
    run = create_run(tmp_path, make_config(), {}, "early")
    with RunWriter(run) as writer:
        if state != "interrupted":
            writer.end(RunState(state))
        with pytest.raises(RunError, match=r"^Run 'early' is \w+: only a finished run can be packed\.$"):
            pack(run, tmp_path / "out")


def test_a_run_without_weights_is_refused(tmp_path: Path) -> None:
    run = create_run(tmp_path, make_config(), {}, "bare")
    with RunWriter(run) as writer:
        writer.end(RunState.FINISHED)
    with pytest.raises(CheckpointError, match="'bare' has no best checkpoint"):
        pack(run, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]


def test_a_folder_of_images_has_to_be_given_another_name(trained_run: Run, tmp_path: Path) -> None:
    for source in (None, "folder"):
        with pytest.raises(ConfigError, match="'trained' was trained on a folder, which stays on this machine; name a"):
            pack(trained_run, tmp_path / "out", data_source=source)  # type: ignore[arg-type]


def test_a_name_that_no_run_can_have_is_refused(finished: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'Out Put' can't name a run"):
        pack(finished, tmp_path / "Out Put")


@pytest.mark.parametrize("place", ["core.runs.checkpoints.save_file", "core.runs.pack.write_json"])
def test_a_disk_that_is_full_half_way_leaves_nothing(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    calls = []

    def full(*arguments: object) -> None:
        calls.append(arguments)
        if place.endswith("save_file"):
            raise SafetensorError("Error while serializing: No space left on device")
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_json(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(place, full)
    with pytest.raises(RunError, match=r"out can't be written: .*No space left on device\. Free some space or name"):
        pack(finished, tmp_path / "deep" / "out")
    assert list((tmp_path / "deep").iterdir()) == []
    monkeypatch.undo()


def test_a_place_that_is_no_folder_is_said(finished: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"can't be written: (Not a directory|File exists)\."):
        pack(finished, tmp_path / "file" / "out")


def test_a_packed_folder_is_as_open_as_any_other(finished: Run, tmp_path: Path) -> None:
    packed = pack(finished, tmp_path / "out", rank=1)
    (tmp_path / "plain").mkdir()
    assert packed.path.stat().st_mode == (tmp_path / "plain").stat().st_mode
