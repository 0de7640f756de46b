"""A training's faults in words: what the metrics show, the numbers that show it, and what to do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.diagnosis.record import WINDOW, Record, read_record
from core.evaluation import per_class_accuracy
from core.runs.metrics import MetricsReader
from core.runs.run import Run

_FIRST_WORD = 100  # steps before which a loss says little


@dataclass(frozen=True)
class Finding:
    """One thing that the metrics show. Sentences in plain text; advice is empty where there is nothing to do."""

    name: str
    evidence: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.name}. {self.evidence} {self.advice}".rstrip()


def diagnose(run: Run, reader: MetricsReader) -> list[Finding]:
    """What the metrics of `run` show: its faults, or that it learns.

    Empty in its first hundred steps, and while a rate that warms up shows no effect yet. reader: polled. Raises
    RunError where the run's settings can't be read.
    """
    record = read_record(run, reader)
    return findings(record) if record else []


def findings(record: Record) -> list[Finding]:
    """A network that learns nothing has no other fault worth a word; else there may be several, or none."""
    if record.steps[-1] < _FIRST_WORD:
        return []
    if found := _forgot(record) or _learns_nothing(record):
        return [found]
    if record.is_guessing:  # its rate still warms up
        return []
    rules = (_overfits, _stands_still, _weak_classes, _still_learning)
    faults = [found for rule in rules if (found := rule(record))]
    return faults or [_learns(record)]


def _forgot(record: Record) -> Finding | None:
    """The loss went up by half and more, and stays there."""
    best, now = int(record.means.argmin()), record.means[-1]
    lowest, step = record.means[best], record.steps[best + WINDOW - 1]
    if now < max(1.5 * lowest, lowest + 0.5):
        return None
    return Finding(
        "It lost what it had learnt",
        f"The training loss was {lowest:.2f} around step {step:,.0f} and is {now:.2f} now; guessing gives "
        f"{record.guessing:.2f}.{record.dead_layers()}",
        f"The learning rate is too high. {_lower_rate(record)}",
    )


def _learns_nothing(record: Record) -> Finding | None:
    """The loss is still that of guessing, though the learning rate has had half of its warm-up."""
    now = record.means[-1]
    if not record.is_guessing or record.steps[-1] < 0.5 * record.config.warmup * record.num_steps:
        return None
    worst = record.means.max()
    evidence = (
        f"After {record.steps[-1]:,.0f} steps the training loss is {now:.2f}, and guessing gives {record.guessing:.2f}."
    )
    if worst > 1.3 * record.guessing:
        evidence += f" It had risen to {worst:.4g}.{record.dead_layers()}"
        return Finding("It learns nothing", evidence, f"The learning rate is too high. {_lower_rate(record)}")
    return Finding(
        "It learns nothing yet",
        evidence + record.dead_layers(),
        f"The learning rate may be too low, something may hold it back, or the classes may not fit the images."
        f"{record.unlike_preset()}",
    )


def _overfits(record: Record) -> Finding | None:
    """Training goes on getting better, validation does not."""
    evidence = _rises_again(record) or _falls_behind(record)
    if not evidence:
        return None
    config = record.config
    remedies = {
        "flip": config.flip, "crop padding": config.crop_padding, "dropout": config.dropout >= 0.3,
        "weight decay": config.weight_decay, "label smoothing": config.label_smoothing,
    }  # fmt: skip
    off = [name for name, is_on in remedies.items() if not is_on]
    missing = f" Of what works against it, this run has little or none of: {', '.join(off)}." if off else ""
    return Finding(
        "It learns its images by heart (overfitting)",
        evidence,
        f"More images help most; then another run's weights to begin with, or fewer epochs.{missing} The best "
        "checkpoint is kept, whatever comes.",
    )


def _rises_again(record: Record) -> str:
    """The validation loss had been lower, two epochs ago or more, and the training loss went on falling."""
    if len(record.epochs) < 3:
        return ""
    val, train = record.of_epochs("val_loss"), record.of_epochs("train_loss")
    best = int(val.argmin())
    if best > len(val) - 3 or val[-1] < 1.1 * val[best] or train[-1] > train[best]:
        return ""
    return (
        f"The validation loss was lowest after epoch {record.epochs[best]['epoch']}, {val[best]:.2f}, and is "
        f"{val[-1]:.2f} now, while the training loss fell from {train[best]:.2f} to {train[-1]:.2f}."
    )


def _falls_behind(record: Record) -> str:
    """Far fewer of the validation images are right; told where images are seen and judged alike, else in the end."""
    if len(record.epochs) < 3 or ((record.config.progressive or record.config.average_decay) and not record.is_over):
        return ""
    last = record.epochs[-1]
    train, val, count = last["train_accuracy"], last["val_accuracy"], np.sum(last["val_confusion"])
    if train - val < max(0.15, 3 * math.sqrt(0.25 / count)):  # no chance of so few images either
        return ""
    return f"It is right on {train:.0%} of the images that it trains on, and on {val:.0%} of the others."


def _stands_still(record: Record) -> Finding | None:
    """A constant learning rate, and no better epoch for long."""
    accuracies = record.of_epochs("val_accuracy")
    if record.config.schedule != "constant" or not len(accuracies) or record.is_over:
        return None
    best = int(accuracies.argmax())
    if len(accuracies) - 1 - best < max(5, len(accuracies) // 4):
        return None
    return Finding(
        "It stands still",
        f"No epoch since {record.epochs[best]['epoch']} was better than its {accuracies[best]:.1%}.",
        "Lower the learning rate now: × 0.1. A new run can do so by itself, with the schedule onecycle or cosine.",
    )


def _weak_classes(record: Record) -> Finding | None:
    """Classes that it hardly ever finds, though it finds others; in the second half of the training."""
    if not record.epochs or record.epochs[-1]["epoch"] * 2 < record.config.num_epochs:
        return None
    confusion = np.array(record.epochs[-1]["val_confusion"])
    counts, overall = confusion.sum(1), record.epochs[-1]["val_accuracy"]
    found = per_class_accuracy(confusion)
    weak = [index for index in np.argsort(found) if counts[index] >= 10 and found[index] <= overall / 3]
    if overall < 0.5 or not weak:
        return None
    worst = weak[0]
    listed = ", ".join(record.class_names[index] for index in weak[:5]) + (" and others" if len(weak) > 5 else "")
    evidence = (
        f"It is right on {overall:.0%} of the validation images, but of {record.class_names[worst]} on "
        f"{found[worst]:.0%} of {counts[worst]:,}."
    )
    if counts[worst] < 0.5 * np.median(counts):
        advice = f"The class has fewer images than the others have ({np.median(counts):,.0f}): give it more."
    else:
        advice = "Look at them on the page Mistakes: they may look like another class, or have wrong labels."
    return Finding(f"It hardly ever finds: {listed}", evidence, advice)


def _still_learning(record: Record) -> Finding | None:
    """It ended while it was getting better."""
    if not record.is_over or len(record.epochs) < 2:
        return None
    losses, accuracies = record.of_epochs("val_loss"), record.of_epochs("val_accuracy")
    gained, last = accuracies[-1] - accuracies[-2], record.epochs[-1]
    if losses.argmin() < len(losses) - 1 or gained < 0.01 or last["train_accuracy"] - accuracies[-1] > 0.1:
        return None
    return Finding(
        "It was still learning when it ended",
        f"Its last epoch took the validation accuracy from {accuracies[-2]:.1%} to {accuracies[-1]:.1%}.",
        f"A run of more than {record.config.num_epochs} epochs would probably get further.",
    )


def _learns(record: Record) -> Finding:
    """Nothing is wrong."""
    words = f"The training loss is {record.means[-1]:.2f}, and guessing gives {record.guessing:.2f}."
    if record.epochs:
        last = record.epochs[-1]
        words += (
            f" After epoch {last['epoch']} it was right on {last['val_accuracy']:.1%} of the validation images, and "
            f"during that epoch on {last['train_accuracy']:.1%} of the training images as they were shown to it."
        )
    return Finding("It has learnt" if record.is_over else "It learns", words)


def _lower_rate(record: Record) -> str:
    now = "" if record.is_over else "Lower it at once. Where the loss stays, channels are dead and don't come back: "
    by_hand = f" By hand it is × {record.factor:g} of its schedule now." if record.factor != 1 else ""
    new = "Begin a new run with a third of it, or a longer warm-up."
    return f"{now}{new if record.is_over else new.lower()}{by_hand}{record.unlike_preset()}"
