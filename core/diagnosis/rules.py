"""A training's faults in words: what the metrics show, the numbers that show it, and what to do about it."""

from __future__ import annotations

import math

import numpy as np

from core.diagnosis.answers import one_answer, weak_classes
from core.diagnosis.finding import Finding
from core.diagnosis.record import Record, read_record
from core.runs.metrics import MetricsReader
from core.runs.run import Run

_FIRST_WORD = 100  # steps before which a loss says little


def diagnose(run: Run, reader: MetricsReader) -> list[Finding]:
    """What the metrics of `run` show: its faults, or that it learns.

    Empty in its first hundred steps, unless it ends with fewer, and while a rate that warms up shows no effect yet.
    reader: polled. Raises RunError where the run's settings can't be read.
    """
    record = read_record(run, reader)
    return findings(record) if record else []


def findings(record: Record) -> list[Finding]:
    """A network that learns nothing has no other fault worth a word; else there may be several, or none."""
    if record.steps[-1] < max(_FIRST_WORD, 2 * record.window) or len(record.losses) < record.window:
        return _of_few_steps(record) if record.is_finished and record.epochs else []
    if collapse := _forgot(record) or _learns_nothing(record):
        return [collapse]
    if record.is_guessing:  # its rate still warms up
        return []
    if not record.epochs:
        return [_learns(record)]
    wrong_answers = one_answer(record) or weak_classes(record)
    found = [_overfits(record), _stands_still(record), wrong_answers, _still_learning(record)]
    faults = [fault for fault in found if fault]
    return faults or [_learns(record)]


def _of_few_steps(record: Record) -> list[Finding]:
    """Where the losses are too few to say anything, its answers to the validation images may."""
    counts = record.confusion.sum(1)
    one_for_all = counts.max() / max(counts.sum(), 1)
    chance = math.sqrt(one_for_all * (1 - one_for_all) / max(counts.sum(), 1))
    if record.epochs[-1]["val_accuracy"] < one_for_all + min(2 * chance, (1 - one_for_all) / 2):
        smaller = " or smaller batches" if record.config.batch_size > 1 else ""
        weights = "" if record.config.pretrained else ", and another run's weights to begin with need fewer"
        return [
            Finding(
                "It had too few steps to learn much",
                f"It ended after {record.steps[-1]:,.0f}.{_after_last_epoch(record)} One answer to all would be right "
                f"on {one_for_all:.1%}.",
                f"More epochs{smaller} give it more steps{weights}.",
            )
        ]
    found = [_overfits(record), weak_classes(record), _still_learning(record)]
    return [fault for fault in found if fault] or [Finding("It has learnt", _after_last_epoch(record).lstrip())]


def _forgot(record: Record) -> Finding | None:
    """The loss went up by half and more, or back to guessing, and stays there.

    Weights from elsewhere may lose some of what they know while the rate warms up; the training has to beat that.
    """
    own = record.steps[record.window - 1 :] > (record.warmup_steps if record.config.pretrained else 0)
    if not own.any():
        return None
    best = int(np.where(own, record.means, np.inf).argmin())
    lowest, now, step = record.means[best], record.means[-1], record.steps[best + record.window - 1]
    is_lost = record.is_guessing and lowest < 0.9 * record.guessing
    if not is_lost and (record.is_falling or now < max(1.5 * lowest, lowest + 0.5)):
        return None
    return Finding(
        "It lost what it had learnt",
        f"The training loss was {lowest:.2f} around step {step:,.0f} and is {now:.2f} now; guessing gives "
        f"{record.guessing:.2f}.{record.dead_layers()}",
        _lower_rate(record),
    )


def _learns_nothing(record: Record) -> Finding | None:
    """The loss is still that of guessing, though the learning rate has had half of its warm-up."""
    now, worst = record.means[-1], record.means.max()
    if not record.is_guessing or record.steps[-1] < 0.5 * record.warmup_steps:
        return None
    evidence = (
        f"After {record.steps[-1]:,.0f} steps the training loss is {now:.2f}, and guessing gives {record.guessing:.2f}."
    )
    has_risen = worst > 1.3 * max(record.guessing, record.losses[:3].mean()) or now > 1.15 * record.means.min()
    evidence += f" It had risen to {worst:.4g}." if has_risen else ""
    evidence += record.dead_layers()
    if has_risen or record.is_dead:
        return Finding(f"It learns nothing{', and will not' if record.is_dead else ''}", evidence, _lower_rate(record))
    return Finding(
        "It learns nothing yet",
        evidence,
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
        "flip": config.flip, "crop padding": config.crop_padding, "dropout": config.dropout >= 0.2,
        "weight decay": config.weight_decay, "label smoothing": config.label_smoothing,
    }  # fmt: skip
    off = [name for name, is_on in remedies.items() if not is_on]
    limit = f" (the setting train limit takes {config.train_limit:,} of them)" if config.train_limit else ""
    weights = "" if config.pretrained else " another run's weights to begin with, or"
    missing = f" Of what works against it, this run has little or none of: {', '.join(off)}." if off else ""
    return Finding(
        "It learns its images by heart (overfitting)",
        evidence,
        f"More images help most{limit}; then{weights} fewer epochs.{missing} The best checkpoint is kept, whatever "
        "comes.",
    )


def _rises_again(record: Record) -> str:
    """The validation loss had been lower, two epochs ago or more, and the training loss went on falling."""
    val, train, last = record.of_epochs("val_loss"), record.of_epochs("train_loss"), record.epochs[-1]
    best = int(val.argmin())
    if best > len(val) - 3 or val[-2:].mean() < 1.1 * val[best] or train[-1] > 0.97 * train[best]:
        return ""
    if last["train_accuracy"] - last["val_accuracy"] < 0.05:
        return ""
    return (
        f"The validation loss was lowest after epoch {record.epochs[best]['epoch']}, {val[best]:.2f}, and is "
        f"{val[-1]:.2f} now, while the training loss fell from {train[best]:.2f} to {train[-1]:.2f}."
    )


def _falls_behind(record: Record) -> str:
    """Far fewer of the validation images are right; told where images are seen and judged alike, else in the end."""
    if (record.config.progressive or record.config.average_decay) and not record.is_finished:
        return ""
    train, val = record.epochs[-1]["train_accuracy"], record.epochs[-1]["val_accuracy"]
    if train - val < max(0.15, 3 * record.accuracy_error):
        return ""
    return f"It is right on {train:.0%} of the images that it trains on, and on {val:.0%} of the others."


def _stands_still(record: Record) -> Finding | None:
    """A constant learning rate, and no better epoch for long, though nobody has just changed the rate."""
    if record.config.schedule != "constant" or record.is_finished:
        return None
    accuracies = record.of_epochs("val_accuracy")
    best = int(accuracies.argmax())
    waited = min(len(accuracies) - 1 - best, int((record.of_epochs("step") > record.change.step).sum()))
    if waited < max(5, len(accuracies) // 4):
        return None
    return Finding(
        "It stands still",
        f"No epoch since {record.epochs[best]['epoch']} was better than its {accuracies[best]:.1%}.",
        "Lower the learning rate: × 0.1. A new run can do so by itself, with the schedule onecycle or cosine.",
    )


def _still_learning(record: Record) -> Finding | None:
    """It ended while it was getting better, by more than chance."""
    if not record.is_finished or len(record.epochs) < 2:
        return None
    losses, accuracies = record.of_epochs("val_loss"), record.of_epochs("val_accuracy")
    is_best = losses.argmin() == len(losses) - 1
    if not is_best or accuracies[-1] - accuracies[-2] < max(0.01, 2 * record.accuracy_error):
        return None
    return Finding(
        "It was still learning when it ended",
        f"Its last epoch took the validation accuracy from {accuracies[-2]:.1%} to {accuracies[-1]:.1%}.",
        f"A run of more than {record.config.num_epochs} epochs would probably get further.",
    )


def _learns(record: Record) -> Finding:
    """Nothing is wrong."""
    words = f"The training loss is {record.means[-1]:.2f}, and guessing gives {record.guessing:.2f}."
    words += _after_last_epoch(record) if record.epochs else ""
    is_over = not record.state.is_active
    return Finding("It has learnt" if record.is_finished else "It was learning" if is_over else "It learns", words)


def _after_last_epoch(record: Record) -> str:
    """What it was right on; a sentence after others."""
    last = record.epochs[-1]
    return (
        f" After epoch {last['epoch']} it was right on {last['val_accuracy']:.1%} of the validation images, and "
        f"during that epoch on {last['train_accuracy']:.1%} of the training images as they were shown to it."
    )


def _lower_rate(record: Record) -> str:
    new = "a new run with a third of it, or a longer warm-up"
    by_hand = f" By hand it was × {record.change.factor:g} of its schedule." if record.change.factor != 1 else ""
    if record.is_finished or record.is_dead:
        advice = f"Begin {new}."
    else:
        when = "at once" if record.state.is_active else "before you resume"
        advice = f"Lower it {when}. Where the loss stays, channels are dead and don't come back: begin {new}."
    return f"Most often the learning rate is too high. {advice}{by_hand}{record.unlike_preset()}"
