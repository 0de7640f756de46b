"""A run as seen from a terminal: from its folder alone, as a page would."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from core.diagnosis.finding import Finding
from core.diagnosis.rules import diagnose
from core.runs.checkpoints import best_accuracy
from core.runs.metrics import MetricsReader
from core.runs.progress import Progress
from core.runs.run import Run
from core.wording import duration, stopped_early

_POLL_SECONDS = 0.25


def follow(run: Run, console: Console, *, quiet: bool = False) -> None:
    """Print an epoch a line, and a progress bar in a terminal, until the run ends."""
    reader = MetricsReader(run.path)
    shown = 0
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[pace]}"),
        console=console,
        disable=quiet or not sys.stdout.isatty(),
        transient=True,
    )
    if not quiet:
        console.print(f"Run {run.id} in {run.path}")
    with bar:
        task = bar.add_task("Starting", total=1.0, pace="")
        while True:
            active = run.state.is_active
            reader.poll()
            if not quiet:
                shown = _print_new(reader, console, shown)
            now = run.progress
            bar.update(task, completed=now.fraction, description=now.message or now.phase, pace=_pace(now))
            if not active:
                break
            time.sleep(_POLL_SECONDS)
    if not quiet:
        _print_end(run, console)
        if early := stopped_early(reader.events()):
            console.print(early)
        print_findings(diagnose(run, reader), console)


def print_findings(findings: list[Finding], console: Console) -> None:
    """Each a paragraph."""
    for finding in findings:
        console.print(str(finding))


def summary(run: Run) -> dict[str, Any]:
    """A run in one flat record, for `--json` and for tables; reads small files only.

    val_accuracy: of the best checkpoint, 0..1 or None. test_accuracy: of that checkpoint, None until it is judged.
    Of a packed run both are those before packing.
    """
    progress, config, end = run.progress, run.config, run.end or {}
    return {
        "run_id": run.id,
        "state": run.state.value,
        "reason": end.get("reason", ""),
        "preset": config.preset,
        "data_source": config.data_source,
        "step": progress.step,
        "epoch": progress.epoch,
        "num_epochs": config.num_epochs,
        "seconds": round(progress.seconds, 1),
        "val_accuracy": best_accuracy(run),
        "test_accuracy": end.get("test_accuracy"),
    }


def _print_new(reader: MetricsReader, console: Console, shown: int) -> int:
    """Print the epochs after the first `shown`; how many are shown now."""
    epochs = reader.epochs()
    for record in epochs[shown:]:
        console.print(
            f"Epoch {record['epoch']}: train loss {record['train_loss']:.4f}, accuracy {record['train_accuracy']:.2%}; "
            f"validation loss {record['val_loss']:.4f}, accuracy {record['val_accuracy']:.2%}"
        )
    return len(epochs)


def _pace(progress: Progress) -> str:
    if not progress.images_per_second:
        return ""
    eta = f", {duration(progress.eta_seconds)} left" if progress.eta_seconds else ""
    return f"{progress.images_per_second:,.0f} images/s{eta}"


def _print_end(run: Run, console: Console) -> None:
    record = summary(run)
    words = [f"Run {run.id} {record['state']} after {record['step']:,} steps"]
    if record["val_accuracy"] is not None:
        words.append(f"best validation accuracy {record['val_accuracy']:.2%}")
    if record["test_accuracy"] is not None:
        words.append(f"test accuracy {record['test_accuracy']:.2%}")
    console.print(", ".join(words) + ".")
