"""core.diagnosis: each fault is found from the figures that show it, and a healthy training is left in peace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import make_config
from core.diagnosis.finding import Finding
from core.diagnosis.record import Record, read_record
from core.diagnosis.rules import diagnose, findings
from core.runs.layer_statistics import RELU_LAYERS, SHAPES, LayerStatistics
from core.runs.metrics import MetricsReader, RateChange
from core.runs.run import Run, RunState, create_run
from core.runs.snapshots import Snapshot, write_snapshot
from core.runs.writer import RunWriter

NAMES = ("bird", "cat", "ship", "truck")


def falling(steps: int = 400, *, start: float = 1.4, end: float = 0.4) -> np.ndarray:
    """A training loss as it should be: down, with the noise of small batches."""
    noise = np.random.default_rng(0).normal(0, 0.05, steps)
    return end + (start - end) * np.exp(-np.arange(steps) / 80) + noise


def epoch(
    number: int, *, train: float, val: float, losses: tuple[float, float] = (0.5, 0.5), images: int = 200
) -> dict[str, Any]:
    """An epoch's record: accuracies, and the training and the validation loss. Mistakes spread over all classes."""
    each = images // len(NAMES)
    right = round(each * val)
    confusion = np.full((len(NAMES), len(NAMES)), (each - right) // (len(NAMES) - 1))
    np.fill_diagonal(confusion, right)
    return {
        "epoch": number, "step": number * 100, "train_loss": losses[0], "train_accuracy": train, "val_loss": losses[1],
        "val_accuracy": val, "val_confusion": confusion.tolist(),
    }  # fmt: skip


@pytest.fixture
def healthy(tmp_path: Path) -> Record:
    epochs = [
        epoch(1, train=0.5, val=0.55, losses=(1.1, 1.0)), epoch(2, train=0.7, val=0.68, losses=(0.8, 0.85)),
        epoch(3, train=0.8, val=0.75, losses=(0.5, 0.7)), epoch(4, train=0.84, val=0.755, losses=(0.4, 0.69)),
    ]  # fmt: skip
    losses = falling()
    steps = np.arange(1.0, len(losses) + 1)
    return Record(
        Run(tmp_path), make_config(), RunState.FINISHED, steps, losses, epochs, NAMES, 400, RateChange(0, 1.0)
    )


def only(record: Record) -> Finding:
    (found,) = findings(record)
    return found


def with_losses(record: Record, losses: np.ndarray, **changes: Any) -> Record:
    return replace(record, steps=np.arange(1.0, len(losses) + 1), losses=losses, **changes)


def changed(record: Record, **settings: Any) -> Record:
    return replace(record, config=make_config(**settings))


def running(record: Record) -> Record:
    return replace(record, state=RunState.RUNNING)


def test_a_healthy_training_is_told_so_with_its_numbers(healthy: Record) -> None:
    found = only(healthy)
    assert (found.name, found.advice) == ("It has learnt", "")
    assert "guessing gives 1.39" in found.evidence
    assert "After epoch 4 it was right on 75.5% of the validation images" in found.evidence
    assert only(running(healthy)).name == only(running(replace(healthy, epochs=[]))).name == "It learns"
    assert only(replace(healthy, state=RunState.STOPPED)).name == "It was learning"


def test_before_a_hundred_steps_nothing_is_said(healthy: Record) -> None:
    assert findings(running(with_losses(healthy, falling(99)))) == []
    assert findings(with_losses(healthy, falling(99), epochs=[])) == []
    assert findings(with_losses(healthy, falling(100), epochs=[]))


@pytest.mark.parametrize("steps", [1, 12, 60])
def test_a_run_that_ended_with_few_steps_is_judged_by_its_answers(healthy: Record, steps: int) -> None:
    short = with_losses(healthy, falling(steps))
    learnt = only(short)
    assert (learnt.name, learnt.advice) == ("It has learnt", "")
    assert learnt.evidence.startswith("After epoch 4 it was right on 75.5% of the validation images")
    found = only(replace(short, epochs=[epoch(1, train=0.26, val=0.3)]))
    assert found.name == "It had too few steps to learn much"
    assert found.evidence.startswith(f"It ended after {steps}. After epoch 1 it was right on 30.0%")
    assert found.evidence.endswith("One answer to all would be right on 25.0%.")
    assert found.advice.endswith("give it more steps, and another run's weights to begin with need fewer.")
    lopsided = epoch(1, train=1.0, val=1.0) | {"val_confusion": [[27, 0], [0, 3]]}
    assert only(replace(short, epochs=[lopsided])).name == "It has learnt"
    by_heart = replace(short, epochs=[epoch(number, train=1.0, val=0.5) for number in range(1, 5)])
    assert only(by_heart).name == "It learns its images by heart (overfitting)"


def test_a_loss_that_stays_at_guessing_names_what_is_unlike_the_preset(healthy: Record) -> None:
    flat = np.full(150, 1.39)
    found = only(changed(with_losses(healthy, flat, epochs=[]), learning_rate=1e-7))
    assert found.name == "It learns nothing yet"
    assert "After 150 steps the training loss is 1.39, and guessing gives 1.39." in found.evidence
    assert found.advice.endswith("Unlike the preset smoke: learning rate 1e-07 (there 0.0003).")


def test_while_the_rate_warms_up_a_flat_loss_is_no_fault(healthy: Record) -> None:
    flat = running(with_losses(healthy, np.full(150, np.log(4)), epochs=[]))
    assert findings(changed(replace(flat, num_steps=2_000), warmup=0.2)) == []
    assert only(changed(replace(flat, num_steps=1_000), warmup=0.2)).name == "It learns nothing yet"
    constant = changed(replace(flat, num_steps=2_000), schedule="constant")
    assert only(constant).name == "It learns nothing yet"  # it has no warm-up


def test_a_loss_that_leapt_up_first_has_too_high_a_rate(healthy: Record) -> None:
    leapt = np.concatenate([np.full(10, 1.5), np.full(40, 25.0), np.full(100, np.log(4))])
    found = only(changed(with_losses(healthy, leapt, epochs=[]), learning_rate=0.5))
    assert found.name == "It learns nothing"
    assert "It had risen to 25." in found.evidence
    assert found.advice.startswith("Most often the learning rate is too high. Begin a new run")
    assert "learning rate 0.5 (there 0.0003)" in found.advice


def test_a_loss_that_only_began_high_or_creeps_up_is_told_apart(healthy: Record) -> None:
    began_high = np.concatenate([np.full(20, 12.0), np.linspace(3, 1.4, 130)])
    assert only(with_losses(healthy, began_high, epochs=[])).name == "It learns nothing yet"
    creeps_up = np.linspace(1.4, 1.75, 150)
    assert only(with_losses(healthy, creeps_up, epochs=[])).advice.startswith(
        "Most often the learning rate is too high"
    )


def test_what_was_learnt_and_lost_is_told_with_the_rate_by_hand(healthy: Record) -> None:
    lost = np.concatenate([falling(300), np.full(60, 1.386)])
    found = only(running(with_losses(healthy, lost, change=RateChange(300, 100.0))))
    assert found.name == "It lost what it had learnt"
    assert "is 1.39 now" in found.evidence
    assert "Lower it at once." in found.advice
    assert "By hand it was × 100 of its schedule." in found.advice
    assert "before you resume" in only(with_losses(healthy, lost, state=RunState.STOPPED)).advice


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_a_collapse_to_guessing_is_a_loss_for_any_number_of_classes(healthy: Record, classes: int) -> None:
    guessing = np.log(classes)
    lost = np.concatenate([np.linspace(guessing, 0.7 * guessing, 200), np.full(60, guessing)])
    names = tuple(map(str, range(classes)))
    assert only(with_losses(healthy, lost, class_names=names, epochs=[])).name == "It lost what it had learnt"


def test_a_loss_that_falls_again_needs_no_word(healthy: Record) -> None:
    recovers = np.concatenate([falling(300), np.linspace(1.3, 0.9, 150)])
    assert only(with_losses(healthy, recovers)).name == "It has learnt"
    assert only(with_losses(healthy, recovers[:340])).name == "It lost what it had learnt"


def test_weights_from_elsewhere_may_lose_a_little_while_the_rate_warms_up(healthy: Record) -> None:
    losses = np.concatenate([np.full(40, 0.2), np.full(160, 0.9)])
    assert only(with_losses(healthy, losses, epochs=[])).name == "It lost what it had learnt"
    begun = changed(with_losses(healthy, losses, epochs=[], num_steps=400), pretrained="starter", warmup=0.2)
    assert only(begun).name == "It has learnt"


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_small_batches_alone_raise_no_alarm(healthy: Record, batch_size: int) -> None:
    noise = np.random.default_rng(0).normal(1.0, 1.2 / batch_size**0.5, 20_000)
    record = changed(with_losses(healthy, noise, epochs=[], num_steps=20_000), batch_size=batch_size)
    assert only(record).name == "It has learnt"


def test_a_small_loss_may_double(healthy: Record) -> None:
    assert only(with_losses(healthy, np.concatenate([falling(600, end=0.1), np.full(40, 0.2)]))).name == "It has learnt"


def with_silent(record: Record, **shares: float) -> None:
    """Leave a snapshot in which this share of a layer's channels says nothing; of fc6 and fc7 all."""
    silent = np.array([shares.get(layer, 1.0 if layer.startswith("fc") else 0.0) for layer in RELU_LAYERS], np.float32)
    quantiles, rms, zeros, _, sample = (np.zeros(shape, np.float32) for shape in SHAPES)
    layers = LayerStatistics(quantiles, rms, zeros, silent, sample)
    (record.run.path / "snapshots").mkdir()
    none = np.zeros((8, 4), np.float32)
    write_snapshot(record.run, Snapshot(1, 100, np.zeros((96, 3, 11, 11)), none, none, layers), {})


def test_dead_layers_are_named_where_a_network_stopped_learning(healthy: Record) -> None:
    with_silent(healthy, conv5=0.6)
    found = only(with_losses(healthy, np.full(150, np.log(4)), epochs=[]))
    assert found.evidence.endswith("Channels that are zero everywhere in the latest snapshot: 60% of conv5.")
    assert found.name == "It learns nothing yet"


def test_a_layer_that_is_all_dead_is_told_from_a_rate_that_is_too_low(healthy: Record) -> None:
    with_silent(healthy, conv4=0.7, conv5=1.0)
    found = only(with_losses(healthy, np.full(150, np.log(4)), epochs=[]))
    assert found.name == "It learns nothing, and will not"
    assert found.evidence.endswith(
        "Channels that are zero everywhere in the latest snapshot: 70% of conv4, 100% of conv5."
    )
    assert found.advice.startswith("Most often the learning rate is too high.")


def test_a_validation_loss_that_rises_again_is_overfitting(healthy: Record) -> None:
    epochs = [
        epoch(number, train=train, val=0.7, losses=losses)
        for number, train, losses in (
            (1, 0.6, (0.9, 0.8)),
            (2, 0.7, (0.6, 0.6)),
            (3, 0.8, (0.3, 0.7)),
            (4, 0.8, (0.1, 0.8)),
        )
    ]
    overfits = changed(replace(healthy, epochs=epochs), flip=False, dropout=0, weight_decay=0)
    found = only(overfits)
    assert "by heart" in found.name
    assert "lowest after epoch 2, 0.60, and is 0.80 now" in found.evidence
    assert "little or none of: flip, dropout, weight decay, label smoothing." in found.advice
    still_falls = [{**record, "train_loss": 0.6} for record in epochs]
    assert only(replace(overfits, epochs=still_falls)).name == "It has learnt"
    as_good = [{**record, "train_accuracy": 0.7} for record in epochs]
    assert only(replace(overfits, epochs=as_good)).name == "It has learnt"
    assert "another run's weights" in found.advice
    assert "another run's weights" not in only(changed(overfits, pretrained="starter")).advice
    assert "takes 1,000 of them" in found.advice


def test_a_validation_accuracy_far_behind_is_overfitting_where_both_are_alike(healthy: Record) -> None:
    far = replace(healthy, epochs=[epoch(n, train=0.98, val=0.7, losses=(0.1, 0.9)) for n in (1, 2, 3)])
    assert "right on 98% of the images that it trains on, and on 70% of the others" in only(far).evidence
    smaller_inputs = changed(far, progressive=True)
    assert only(running(smaller_inputs)).name == "It learns"
    assert "by heart" in only(smaller_inputs).name
    of_few = replace(far, epochs=[epoch(n, train=0.95, val=0.75, images=40) for n in (1, 2, 3)])
    assert only(of_few).name == "It has learnt"  # 40 images: chance


def test_a_constant_rate_without_a_better_epoch_stands_still(healthy: Record) -> None:
    epochs = [epoch(1, train=0.7, val=0.7), *(epoch(n, train=0.72, val=0.69) for n in range(2, 8))]
    stands = running(changed(replace(healthy, epochs=epochs), schedule="constant"))
    assert only(stands).evidence == "No epoch since 1 was better than its 70.0%."
    assert only(replace(stands, epochs=epochs[:5])).name == "It learns"
    assert only(replace(stands, change=RateChange(400, 0.1))).name == "It learns"  # lowered a moment ago
    assert only(changed(stands, schedule="cosine")).name == "It learns"  # its rate falls by itself


@pytest.mark.parametrize(("images", "advice"), [(12, "give it more"), (50, "Mistakes")])
def test_a_class_that_is_hardly_ever_found(healthy: Record, images: int, advice: str) -> None:
    last = epoch(4, train=0.8, val=0.8, losses=(0.4, 0.8))
    confusion = np.array(last["val_confusion"])
    confusion[1] = [images, 0, 0, 0]
    late = [epoch(3, train=0.8, val=0.8), {**last, "val_confusion": confusion.tolist()}]
    assert (
        only(changed(replace(healthy, epochs=late), val_limit=None)).name == "It has learnt"
    )  # it came and went before
    epochs = [{**record, "val_confusion": confusion.tolist()} for record in late]
    weak = changed(replace(healthy, epochs=epochs), val_limit=None)
    found = only(weak)
    assert found.name == "It hardly ever finds: cat"
    assert f"but of cat on 0% of {images}" in found.evidence
    assert advice in found.advice
    assert only(running(changed(weak, num_epochs=20))).name == "It learns"
    assert "See that it has as many images" in only(changed(weak, val_limit=200)).advice


def test_of_few_images_a_weak_class_is_chance(healthy: Record) -> None:
    confusion = [[6, 1, 1, 0], [6, 0, 1, 1], [1, 1, 5, 1], [0, 1, 1, 6]]
    last = {**epoch(4, train=0.6, val=0.53, losses=(0.4, 0.8)), "val_confusion": confusion}
    assert only(replace(healthy, epochs=[*healthy.epochs[:3], last])).name == "It has learnt"


def test_one_answer_to_everything(healthy: Record) -> None:
    confusion = [[60, 0, 0, 0], [20, 0, 0, 0], [18, 1, 1, 0], [0, 0, 0, 0]]
    last = {**epoch(4, train=0.6, val=0.61, losses=(0.4, 0.8)), "val_confusion": confusion}
    found = only(replace(healthy, epochs=[*healthy.epochs[:3], last]))
    assert found.name == "It answers bird to nearly everything"
    assert found.evidence == "It said so of 98% of the validation images, and 60% are of that class."


def test_who_knows_only_how_frequent_the_classes_are_has_learnt_nothing(healthy: Record) -> None:
    confusion = [[95, 0], [5, 0]]
    epochs = [{**epoch(1, train=0.95, val=0.95), "val_confusion": confusion}]
    rare = with_losses(healthy, np.full(150, 0.199), class_names=("cat", "dog"), epochs=epochs)
    assert only(changed(rare, val_limit=None)).name == "It learns nothing yet"


def test_a_training_that_ended_too_early(healthy: Record) -> None:
    grew = [*healthy.epochs[:3], epoch(4, train=0.84, val=0.85, losses=(0.4, 0.6))]
    found = only(replace(healthy, epochs=grew))
    assert found.evidence == "Its last epoch took the validation accuracy from 75.0% to 85.0%."
    assert only(running(replace(healthy, epochs=grew))).name == "It learns"
    a_little = [*healthy.epochs[:3], epoch(4, train=0.84, val=0.8, losses=(0.4, 0.6))]
    assert only(replace(healthy, epochs=a_little)).name == "It has learnt"  # of 200 images: chance


@pytest.fixture
def trains(tmp_path: Path) -> Iterator[Callable[..., tuple[Run, MetricsReader]]]:
    """trains(150, epoch): a run that trains, with so many steps and these epochs in its metrics, and their reader."""
    run = create_run(tmp_path, make_config(), {}, "mine")
    with RunWriter(run) as writer:

        def log(steps: int, *epochs: dict[str, Any], is_finished: bool = False) -> tuple[Run, MetricsReader]:
            writer.write_data({"class_names": list(NAMES)})
            for number, loss in enumerate(falling(steps), start=1):
                writer.log("step", step=number, loss=float(loss))
            for record in epochs:
                writer.log("epoch", **record)
            if is_finished:
                writer.end(RunState.FINISHED)
            reader = MetricsReader(run.path)
            return run, reader

        yield log


def test_the_record_comes_from_the_run_folder(trains: Callable[..., tuple[Run, MetricsReader]]) -> None:
    run, reader = trains(32)
    record = read_record(run, reader)
    assert record is not None
    assert record.class_names == NAMES
    assert record.window == 32  # of 16 images each
    assert record.means == pytest.approx([falling(32).mean()])
    assert diagnose(run, reader) == []


def test_a_record_of_few_steps_is_read_once_the_run_has_ended(
    trains: Callable[..., tuple[Run, MetricsReader]],
) -> None:
    (found,) = diagnose(*trains(5, epoch(1, train=0.3, val=0.9), is_finished=True))
    assert found.name == "It has learnt"


def test_a_record_of_an_epoch_that_lacks_a_figure_is_left_out(
    trains: Callable[..., tuple[Run, MetricsReader]],
) -> None:
    (found,) = diagnose(*trains(150, {"epoch": 1, "step": 150, "val_accuracy": 0.5}))
    assert found.name == "It learns"
