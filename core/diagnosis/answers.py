"""What is wrong with the classes that a network answers: one for nearly all images, or some never."""

from __future__ import annotations

import numpy as np

from core.diagnosis.finding import Finding
from core.diagnosis.record import Record
from core.evaluation import per_class_accuracy

_SURE = 4  # standard errors that are no chance, among many classes


def one_answer(record: Record) -> Finding | None:
    """It calls nearly everything by one name, more than there is of it."""
    confusion = record.confusion
    answers, truths = confusion.sum(0) / max(confusion.sum(), 1), confusion.sum(1) / max(confusion.sum(), 1)
    top = int(answers.argmax())
    if answers[top] < max(0.9, 1.3 * truths[top]):
        return None
    name = record.class_names[top]
    return Finding(
        f"It answers {name} to nearly everything",
        f"It said so of {answers[top]:.0%} of the validation images, and {truths[top]:.0%} are of that class.",
        "Where a class has most of the images, give the others more; else wait for another epoch, or lower the rate.",
    )


def weak_classes(record: Record) -> Finding | None:
    """Classes hardly found in two epochs, though others are; in the last quarter, for before that may come."""
    if record.epochs[-1]["epoch"] < 0.75 * record.config.num_epochs and not record.is_finished:
        return None
    latest = [_hardly_found(np.array(epoch["val_confusion"])) for epoch in record.epochs[-2:]]
    weak = [index for index in latest[-1] if index in latest[0]]
    if not weak:
        return None
    counts, overall = record.confusion.sum(1), record.epochs[-1]["val_accuracy"]
    found = per_class_accuracy(record.confusion)
    worst, usual = weak[0], np.median(counts)
    listed = ", ".join(record.class_names[index] for index in weak[:5]) + (" and others" if len(weak) > 5 else "")
    is_small = record.config.val_limit is None and counts[worst] < 0.5 * usual
    return Finding(
        f"It hardly ever finds: {listed}",
        f"It is right on {overall:.0%} of the validation images, but of {record.class_names[worst]} on "
        f"{found[worst]:.0%} of {counts[worst]:,}.",
        f"The class has fewer images than the others have ({usual:,.0f}): give it more." if is_small else
        "See that it has as many images as the others, and look at them on the page Mistakes: they may look like "
        "another class, or have wrong labels.",
    )  # fmt: skip


def _hardly_found(confusion: np.ndarray) -> list[int]:
    """Classes that are right a third as often as all are, or less, and by more than chance; the worst first."""
    counts, found = confusion.sum(1), per_class_accuracy(confusion)
    overall = confusion.trace() / max(confusion.sum(), 1)
    chance = _SURE * np.sqrt(overall * (1 - overall) / np.maximum(counts, 1))
    return [int(index) for index in np.argsort(found) if found[index] <= min(overall / 3, overall - chance[index])]
