"""core.training.loop: the same seed is the same training, also across a stop; every failure is told and keeps weights.

Real trainings of the real network, so only as many steps as a property needs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.config import TrainConfig
from core.data.sources import load_data, load_test_images
from core.outcomes import OUTCOMES_FILE, Outcomes, judge
from core.runs.checkpoints import available, find_checkpoint, load_model, load_training_state
from core.runs.metrics import MetricsReader, segment_paths
from core.runs.run import Run, RunState
from core.runs.snapshots import snapshot_epochs
from core.runs.writer import RunWriter
from core.training import jobs, loop
from core.wording import stopped_early

pytestmark = pytest.mark.usefixtures("narrow")
EXACT = ("step", "epoch", "loss", "accuracy", "learning_rate", "gradient_norm")
Train = Callable[..., Run]


@pytest.fixture
def train(runs_dir: Path, data_dir: Path, tiny_config: Callable[..., TrainConfig]) -> Train:
    """train(**settings): a tiny training to its end."""

    def run_to_the_end(**settings: Any) -> Run:
        run = jobs.start(tiny_config(**settings), runs_dir=runs_dir, data_dir=data_dir)
        assert jobs.wait(200)
        return run

    return run_to_the_end


def resume(run: Run, data_dir: Path) -> Run:
    jobs.resume(run, data_dir=data_dir)
    assert jobs.wait(200)
    return run


def metrics(run: Run) -> MetricsReader:
    return MetricsReader(run.path)


def exact(run: Run) -> dict[str, list[float]]:
    steps = metrics(run).steps()
    return {name: steps[name].tolist() for name in EXACT}


def exact_epochs(run: Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in metrics(run).epochs()]


def after_step(monkeypatch: pytest.MonkeyPatch, number: int, action: Callable[[loop.TrainingState], None]) -> None:
    """Let `action` happen right after training step `number`, before anything is made of it."""
    step = loop.training_step

    def wrapped(config: TrainConfig, state: loop.TrainingState, *rest: Any) -> torch.Tensor:
        result = step(config, state, *rest)
        if state.step + 1 == number:
            action(state)
        return result

    monkeypatch.setattr(loop, "training_step", wrapped)


def stopped_at(run_train: Train, monkeypatch: pytest.MonkeyPatch, number: int, **settings: Any) -> Run:
    def stop(_state: loop.TrainingState) -> None:
        run = jobs.active()
        assert run is not None
        run.request_stop()

    with monkeypatch.context() as patch:
        after_step(patch, number, stop)
        run = run_train(**settings)
    assert run.state is RunState.STOPPED, run.end
    return run


def assert_same_training(found: Run, expected: Run) -> None:
    assert exact(found) == exact(expected)
    assert exact_epochs(found) == exact_epochs(expected)
    for read in (lambda run: load_model(run, "last").state_dict(), lambda run: load_training_state(
        find_checkpoint(run, "last"))):  # fmt: skip
        tensors, others = read(found), read(expected)
        assert tensors.keys() == others.keys()
        assert all(torch.equal(tensors[name], others[name]) for name in tensors)


def test_a_run_records_every_step_epoch_and_the_test(narrow_run: Run) -> None:
    reader = metrics(narrow_run)
    assert reader.steps()["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert reader.steps()["epoch"].tolist() == [1, 1, 1, 2, 2, 2]
    assert [(record["epoch"], record["step"]) for record in reader.epochs()] == [(1, 3), (2, 6)]
    for record in reader.epochs():
        assert sum(map(sum, record["val_confusion"])) == 6
        assert 0 <= record["train_accuracy"] <= 1
    assert [event["event"] for event in reader.events()] == ["start", "test", "end"]
    assert reader.events()[1]["num_images"] == 6
    assert narrow_run.data["counts"] == {"train": 12, "val": 6, "test": 6}
    progress = narrow_run.progress
    assert (progress.step, progress.num_steps, progress.epoch, progress.fraction) == (6, 6, 2, 1)


def test_what_the_best_checkpoint_said_of_the_test_images_is_kept(narrow_run: Run, data_dir: Path) -> None:
    test = load_test_images(narrow_run.config, data_dir=data_dir)
    best = find_checkpoint(narrow_run, "best")
    kept, expected = Outcomes.load(best.derived(OUTCOMES_FILE)), judge(load_model(narrow_run, "best"), test)
    assert kept is not None
    assert narrow_run.end is not None
    assert kept.accuracy == narrow_run.end["test_accuracy"]
    assert (kept.images, kept.class_names) == (expected.images, expected.class_names)
    torch.testing.assert_close(kept.probabilities, expected.probabilities, rtol=0, atol=1e-5)


def test_the_epochs_loss_is_the_mean_over_its_images(narrow_run: Run) -> None:
    reader = metrics(narrow_run)
    losses = reader.steps()["loss"]
    assert reader.epochs()[0]["train_loss"] == pytest.approx(losses[:3].mean(), abs=2e-6)
    assert reader.epochs()[1]["train_loss"] == pytest.approx(losses[3:].mean(), abs=2e-6)


def test_best_is_the_first_checkpoint_of_the_highest_accuracy(narrow_run: Run) -> None:
    accuracies = [record["val_accuracy"] for record in metrics(narrow_run).epochs()]
    best = find_checkpoint(narrow_run, "best")
    assert best.val_accuracy == max(accuracies)
    assert best.epoch == accuracies.index(max(accuracies)) + 1
    assert find_checkpoint(narrow_run, "last").step == 6


def test_the_same_seed_twice_is_the_same_training(
    train: Train, narrow_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1234)
    for number in (1, 4):  # whatever else happens in the process draws random numbers too
        after_step(monkeypatch, number, lambda _state: torch.rand(7))
    assert_same_training(train(), narrow_run)


def test_another_seed_is_another_training(train: Train, narrow_run: Run) -> None:
    assert exact(train(seed=1, num_epochs=1))["loss"] != exact(narrow_run)["loss"][:3]


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_stop_ends_at_once_and_a_resume_goes_on_as_if_never_stopped(
    train: Train, data_dir: Path, narrow_run: Run, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    run = stopped_at(train, monkeypatch, number)
    assert exact(run)["step"] == list(range(1, number + 1))
    assert find_checkpoint(run, "last").step == number
    resume(run, data_dir)
    assert run.state is RunState.FINISHED, run.end
    assert_same_training(run, narrow_run)


def test_a_resume_is_exact_with_muon_an_average_growing_inputs_and_another_alpha(
    train: Train, data_dir: Path, monkeypatch: pytest.MonkeyPatch, runs_dir: Path
) -> None:
    settings = {"average_decay": 0.9, "progressive": True, "optimizer": "muon", "val_fraction": 0.2, "batch_size": 3,
                "lrn_alpha": 3.0}  # fmt: skip
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")  # and with Winograd's convolutions
    whole = train(**settings)
    assert whole.state is RunState.FINISHED, whole.end
    run = stopped_at(train, monkeypatch, 6, **settings)
    assert_same_training(resume(run, data_dir), whole)
    assert load_model(run, "last").lrn_alpha == 3.0


def test_an_epoch_need_not_be_saved_but_the_last_is_and_the_best_is_a_saved_one(train: Train) -> None:
    run = train(num_epochs=5, checkpoint_epochs=3)
    assert run.state is RunState.FINISHED, run.end
    epochs = metrics(run).epochs()
    assert len(epochs) == 5
    last, best = find_checkpoint(run, "last"), find_checkpoint(run, "best")
    assert (last.epoch, best.epoch) == (5, max((3, 5), key=lambda epoch: epochs[epoch - 1]["val_accuracy"]))
    assert best.val_accuracy == epochs[best.epoch - 1]["val_accuracy"]


def test_a_training_ends_once_epochs_have_brought_nothing_for_too_long(
    train: Train, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("the power went")

    stands_still = {"num_epochs": 9, "learning_rate": 1e-12, "schedule": "constant", "train_limit": 6, "batch_size": 6}
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_test", crash)
        run = train(**stands_still, patience=2)
    assert run.state is RunState.FAILED
    resume(run, data_dir)
    assert run.state is RunState.FINISHED, run.end
    assert [record["epoch"] for record in metrics(run).epochs()] == [1, 2, 3]
    assert (find_checkpoint(run, "best").epoch, find_checkpoint(run, "last").epoch) == (1, 3)
    said = stopped_early(metrics(run).events())
    assert said == "Ended early, after epoch 3: no higher validation accuracy since epoch 1."
    assert run.end is not None
    assert run.end["test_accuracy"] is not None


def test_patience_looks_at_saved_epochs_only(train: Train) -> None:
    run = train(
        num_epochs=5, learning_rate=1e-12, schedule="constant", train_limit=6, batch_size=6, patience=1,
        checkpoint_epochs=2,
    )  # fmt: skip
    assert [record["epoch"] for record in metrics(run).epochs()] == [1, 2, 3, 4]


def test_a_resume_repeats_epochs_that_were_not_saved_and_leaves_nothing_of_their_first_time(
    train: Train, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(_: loop.TrainingState) -> None:
        raise RuntimeError("the power went")

    with monkeypatch.context() as patch:
        after_step(patch, 8, crash)
        run = train(num_epochs=4, checkpoint_epochs=4, snapshots=True)
    assert run.state is RunState.FAILED
    assert (find_checkpoint(run, "last").step, snapshot_epochs(run)) == (0, (0, 1, 2))
    seen: list[tuple[int, ...]] = []
    after_step(monkeypatch, 1, lambda _: seen.append(snapshot_epochs(run)))
    resume(run, data_dir)
    assert run.state is RunState.FINISHED, run.end
    assert seen == [(0,)]
    assert [record["epoch"] for record in metrics(run).epochs()] == [1, 2, 3, 4]
    assert snapshot_epochs(run) == (0, 1, 2, 3, 4)


def test_an_epoch_that_is_not_due_is_saved_where_the_last_save_is_long_ago(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    after_step(monkeypatch, 3, lambda state: setattr(state, "saved_at", state.saved_at - 1000))
    after_step(monkeypatch, 4, lambda _: saved.append(find_checkpoint(jobs.active(), "last").step))
    run = train(num_epochs=2, checkpoint_epochs=10)
    assert saved == [3]
    assert find_checkpoint(run, "best").epoch == 2, "the clock must not decide which is the best"
    assert len(list((run.path / "checkpoints").glob("*.json"))) >= 2


def test_a_stop_while_loading_ends_before_any_network(
    train: Train, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_config: TrainConfig, *, data_dir: Path, progress: Callable[..., None]) -> None:
        run = jobs.active()
        assert run is not None
        run.request_stop()
        progress(1, 10, "Reading")
        pytest.fail("went on")

    monkeypatch.setattr("core.training.loading.load_data", load)
    run = train()
    assert run.state is RunState.STOPPED
    assert run.end is not None
    assert run.end["reason"] == "Stopped while loading the images."
    assert not available(run)


def test_a_finished_run_is_not_resumed(narrow_run: Run, data_dir: Path) -> None:
    with pytest.raises(jobs.RunError, match="'trained' is finished: only a stopped, failed or interrupted run"):
        jobs.resume(narrow_run, data_dir=data_dir)
    assert narrow_run.state is RunState.FINISHED


def test_changed_training_images_are_refused_and_restored_ones_taken(
    train: Train, data_dir: Path, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(image_tree, tree)

    def begin(*_: Any) -> None:
        raise RuntimeError("halted after loading")

    monkeypatch.setattr(loop, "begin", begin)
    run = train(data_dir=tree)
    assert run.data["fingerprint"]
    assert run.data["val_fingerprint"] == load_data(run.config, data_dir=data_dir).val.fingerprint()
    assert run.data["test_fingerprint"] == load_test_images(run.config, data_dir=data_dir).fingerprint()
    moved = next((tree / "train" / "circle").iterdir())
    moved.rename(tree / "train" / "cross" / moved.name)
    resume(run, data_dir)
    assert run.state is RunState.FAILED
    assert run.end is not None
    assert "The training images have changed since this run began" in run.end["reason"]
    (tree / "train" / "cross" / moved.name).rename(moved)
    before, changed = dict(run.data), next((tree / "test" / "circle").iterdir())
    content = changed.read_bytes()
    changed.write_bytes(moved.read_bytes())
    resume(run, data_dir)
    assert run.end is not None
    assert "The test images have changed since this run began" in run.end["reason"]
    assert run.data == before
    changed.write_bytes(content)
    resume(run, data_dir)
    assert run.end is not None
    assert "halted after loading" in run.end["reason"]


@pytest.mark.parametrize("site", ["load", "begin", "training_step", "_evaluate", "save"])
def test_a_crash_anywhere_ends_as_failed_with_its_traceback(
    train: Train, monkeypatch: pytest.MonkeyPatch, site: str
) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError(f"in {site}")

    monkeypatch.setattr(loop, site, crash)
    run = train(num_epochs=1, batch_size=12)
    assert run.state is RunState.FAILED
    assert run.end is not None
    assert run.end["reason"] == f"ZeroDivisionError: in {site}. The full traceback is in {run.id}/run.log."
    log = (run.path / "run.log").read_text()
    assert "Traceback" in log
    assert log.endswith(f"\nZeroDivisionError: in {site}\n")
    assert jobs.active() is None
    assert ("last" in available(run)) == (site in ("training_step", "_evaluate"))


def weights_are_finite(run: Run) -> bool:
    state = load_training_state(find_checkpoint(run, "last"))
    return all(v.isfinite().all() for v in (*load_model(run, "last").state_dict().values(), *state.values()))


def test_a_gradient_whose_norm_is_beyond_all_numbers_is_recorded_as_unknown(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overflowing(parameters: list[torch.nn.Parameter], clip_norm: float) -> torch.Tensor:
        for parameter in parameters:
            parameter.grad = None
        return torch.tensor(torch.inf)

    monkeypatch.setattr("core.training.step._clipped_norm", overflowing)
    run = train(num_epochs=1)
    assert run.state is RunState.FINISHED, run.end
    lines = segment_paths(run.path)[0].read_text(encoding="utf-8").splitlines()
    steps = [record for record in map(json.loads, lines) if record["kind"] == "step"]
    assert [record["gradient_norm"] for record in steps] == [None] * 3
    assert len(metrics(run).steps()["gradient_norm"]) == 3


def test_a_training_that_diverges_fails_with_a_sentence_and_keeps_its_checkpoint(train: Train) -> None:
    run = train(optimizer="sgd", learning_rate=10, schedule="constant", clip_norm=0, batch_size=2, num_epochs=1)
    assert run.state is RunState.FAILED
    assert run.end is not None
    assert "no longer a number at step" in run.end["reason"]
    assert "Lower the learning rate, also of a resume" in run.end["reason"]
    assert not (run.path / "run.log").exists()
    assert weights_are_finite(run)


def poison(state: loop.TrainingState) -> None:
    """What an update by a gradient that is not a number leaves."""
    with torch.no_grad():
        state.model.fc8.weight[0, 0] = torch.nan


def test_weights_that_are_no_numbers_after_the_last_step_are_told_in_a_sentence(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_step(monkeypatch, 1, poison)
    run = train(num_epochs=1, batch_size=12)
    assert run.state is RunState.FAILED
    assert weights_are_finite(run)
    assert run.end is not None
    assert "no longer a number" in run.end["reason"]


def test_a_validation_loss_that_is_no_number_is_told_in_a_sentence(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = loop.evaluate
    monkeypatch.setattr(loop, "evaluate", lambda *a, **named: replace(evaluate(*a, **named), loss=float("nan")))
    run = train(num_epochs=1, batch_size=12)
    assert run.state is RunState.FAILED
    assert run.end is not None
    assert "no longer a number" in run.end["reason"]
    assert not (run.path / "run.log").exists()


def test_what_it_does_now_is_not_said_in_the_words_of_before(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    said = set()
    report = RunWriter.report

    def listen(writer: RunWriter, **fields: Any) -> None:
        report(writer, **fields)
        said.add((writer.progress.phase, writer.progress.message.partition(":")[0]))

    monkeypatch.setattr(RunWriter, "report", listen)
    train(num_epochs=1, batch_size=12)
    assert {words for phase, words in said if phase == "saving"} == {
        "", "Saving the network before its first step"
    }  # fmt: skip
    assert {words for phase, words in said if phase == "validating"} == {"", "Validating"}
    assert {words for phase, words in said if phase == "testing"} == {"", "Testing"}


def test_the_time_that_the_last_test_takes_is_told(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    left = []
    report = RunWriter.report

    def listen(writer: RunWriter, **fields: Any) -> None:
        report(writer, **fields)
        if writer.progress.message.startswith("Testing"):
            left.append(writer.progress.eta_seconds)

    monkeypatch.setattr(RunWriter, "report", listen)
    monkeypatch.setattr("core.evaluation._BATCH", 2)
    train(num_epochs=1, batch_size=12)
    assert left[0] > 0, "of the first two images"
    assert left[-1] == 0


def test_weights_that_are_no_numbers_are_never_saved(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison_and_stop(state: loop.TrainingState) -> None:
        poison(state)
        run = jobs.active()
        assert run is not None
        run.request_stop()

    after_step(monkeypatch, 1, poison_and_stop)
    assert weights_are_finite(train(num_epochs=1))
