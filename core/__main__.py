"""The command line: python -m core train | stop | evaluate | predict | features | export ..., see --help."""

from __future__ import annotations

import argparse
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from core import control, packing, survey
from core.arguments import (
    Parser,
    add_evaluate_flags,
    add_features_flags,
    add_predict_flags,
    add_run_flag,
    plain_console,
    say_doubt,
    with_images,
)
from core.bench import command as bench
from core.config import TrainConfig
from core.data.images import ImageSet, require_classes
from core.data.prepare import to_square
from core.data.sources import load_data, load_test_images
from core.data.uploads import open_picture
from core.diagnosis.rules import diagnose
from core.errors import CoreError
from core.evaluation import evaluate
from core.export import command as export
from core.follow import print_findings, summary
from core.paths import data_dir, runs_dir
from core.prediction import predict
from core.progress import OnProgress, on_terminal
from core.runs.checkpoints import load_model
from core.runs.metrics import MetricsReader
from core.runs.run import RunState, list_runs, load_run
from core.training import command as train
from core.training.device import fastest_device
from core.wording import before_packing

_out = plain_console()


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the process's exit code: 0, 1 for a training that failed, 2 for bad input, 130 when stopped."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a code page may lack a letter of a name
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except CoreError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or 'A file'} can't be used: {error.strerror}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _evaluate(options: argparse.Namespace) -> int:
    run = load_run(options.runs_dir, options.run_id)
    config = with_images(run.config, options)
    model = load_model(run, options.which, fastest_device())
    with on_terminal() as progress:
        images = _images(config, options.split, progress)
        require_classes(images, model.class_names)
        if options.split == "test":
            say_doubt(images, run, options)
        count = len(images)
        result = evaluate(
            model, images, views=options.views,
            on_batch=lambda done: progress(done, count, f"Judged {done:,} of {count:,} images"),
        )  # fmt: skip
    record = {"run_id": run.id, "checkpoint": options.which, "split": options.split, "num_images": count,
              "views": options.views}  # fmt: skip
    if options.json:
        print(json.dumps(record | result.record()))
        return 0
    table = Table("class", "accuracy", title=f"{run.id}, {options.which} checkpoint, {count:,} {options.split} images")
    for name, accuracy in zip(model.class_names, result.per_class_accuracy, strict=True):
        table.add_row(name, "no image" if np.isnan(accuracy) else f"{accuracy:.1%}")
    table.add_section()
    table.add_row("all", f"{result.accuracy:.2%} (loss {result.loss:.4f})")
    _out.print(table)
    return 0


def _images(config: TrainConfig, split: str, progress: OnProgress) -> ImageSet:
    """One of a config's three sets. Raises DataError, DataMissingError where it would have to be downloaded."""
    if split == "test":
        return load_test_images(config, data_dir=data_dir(), progress=progress)
    data = load_data(config, data_dir=data_dir(), progress=progress, download=False)
    return data.val if split == "val" else data.train


def _predict(options: argparse.Namespace) -> int:
    model = load_model(load_run(options.runs_dir, options.run_id), options.which)
    size = model.input_spec.image_size  # all that is kept of a picture: hundreds may be named
    predictions = predict(model, [to_square(open_picture(path), size) for path in options.image])
    if options.json:
        rows = [
            {
                "image": str(path),
                "label": prediction.label,
                "probabilities": dict(zip(model.class_names, prediction.probabilities.tolist(), strict=True)),
            }
            for path, prediction in zip(options.image, predictions, strict=True)
        ]
        print(json.dumps(rows))
        return 0
    table = Table("image", "class", "probability", "next")
    for path, prediction in zip(options.image, predictions, strict=True):
        (label, probability), *others = prediction.top(3)
        table.add_row(Text(str(path)), label, f"{probability:.1%}", ", ".join(f"{name} {p:.1%}" for name, p in others))
    _out.print(table)
    return 0


def _runs(options: argparse.Namespace) -> int:
    runs = list_runs(options.runs_dir)
    for run in runs:
        if not run.is_readable:
            print(f"Run {run.id!r} has no usable config.json; it is left out.", file=sys.stderr)
    found = {run: summary(run) for run in runs if run.is_readable}
    if options.json:
        print(json.dumps([*found.values()]))
        return 0
    if not found:
        _out.print(f"No runs in {options.runs_dir}. Start one: python -m core train --preset smoke")
        return 0
    table = Table("run", "state", "data", "epoch", "best validation accuracy")
    for run, row in found.items():
        accuracy = "" if row["val_accuracy"] is None else f"{row['val_accuracy']:.1%}{before_packing(run)}"
        table.add_row(
            row["run_id"], row["state"], row["data_source"], f"{row['epoch']} of {row['num_epochs']}", accuracy
        )
    _out.print(table)
    return 0


def _diagnose(options: argparse.Namespace) -> int:
    run = load_run(options.runs_dir, options.run_id)
    reader = MetricsReader(run.path)
    found = diagnose(run, reader)
    if options.json:
        print(json.dumps([asdict(finding) for finding in found]))
    elif found:
        print_findings(found, _out)
    else:
        reason = (run.end or {}).get("reason") if run.state is RunState.FAILED else ""
        too_early = f"Of run {run.id} nothing can be said yet: too few steps, or a learning rate that still warms up."
        _out.print(reason or too_early)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m core", description="Train the 2012 AlexNet, watch it learn, look inside it.")
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=Parser)

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, argument_default=argparse.SUPPRESS)
        sub.set_defaults(command=run, runs_dir=runs_dir(), json=False)
        where = "folder that holds the runs (default: ALEXNET_RUNS_DIR, or the project's checkpoints/)"
        sub.add_argument("--runs-dir", type=Path, help=where)
        sub.add_argument("--json", action="store_true", help="print one JSON document, for programs")
        return sub

    train.add_flags(command("train", train.run, train.HELP))
    add_evaluate_flags(command("evaluate", _evaluate, "Accuracy of a checkpoint, over all and per class."))
    add_predict_flags(command("predict", _predict, "Classify pictures."))
    add_features_flags(
        command("features", export.features, "Write all feature maps of a layer (values: C x H x W float32) as .npz.")
    )
    command("runs", _runs, "List the runs, the newest first.")
    add_run_flag(command("diagnose", _diagnose, "Say what the metrics of a run show, and what to do about it."))
    add_run_flag(command("stop", control.stop, control.STOP_HELP))
    control.add_rate_flags(command("rate", control.rate, control.RATE_HELP))
    add_run_flag(command("delete", control.delete, control.DELETE_HELP))
    survey.add_flags(command("survey", survey.run, survey.HELP))
    packing.add_flags(command("pack", packing.run, packing.HELP))
    export.add_flags(command("export", export.run, export.HELP))
    bench.add_flags(command("bench", bench.run, bench.HELP))
    return parser


if __name__ == "__main__":
    sys.exit(main())
