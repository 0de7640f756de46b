"""The command line: python -m core train | evaluate | predict | features | runs | survey | pack | export | bench."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import types
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core import survey
from core.arguments import (
    Parser,
    add_checkpoint_flags,
    add_config_flags,
    add_features_flags,
    add_pack_flags,
    data_dir,
    with_images,
)
from core.bench import command as bench
from core.config import TrainConfig, make_config
from core.data.images import ImageSet
from core.data.sources import load_data
from core.data.uploads import open_image
from core.errors import ConfigError, CoreError, DataError
from core.evaluation import Views, evaluate
from core.export import command as export
from core.follow import before_packing, follow, summary
from core.prediction import predict
from core.runs.checkpoints import load_model
from core.runs.pack import pack
from core.runs.run import Run, RunState, list_runs, load_run
from core.runs.snapshots import snapshot_epochs
from core.training import distributed, jobs
from core.training.device import pick_device

_DATA_DIR = data_dir()
_out = Console(highlight=False, markup=False)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the process's exit code: 0, 1 for a training that failed, 2 for bad input, 130 when stopped."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except CoreError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or 'A file'} can't be used: {error.strerror}.", file=sys.stderr)
        return 2
    return code


def _train(options: argparse.Namespace) -> int:
    given = {name: value for name, value in vars(options).items() if name in TrainConfig.model_fields}
    given = {name: None if value == "all" else value for name, value in given.items()}
    if distributed.is_launched():
        distributed.join()
    if not distributed.current().is_first:
        _leave_signals_to_the_first()
        jobs.assist(options.runs_dir, data_dir=_DATA_DIR)
        distributed.leave()
        return 0
    try:
        run = _begin(options, given)
    except CoreError:
        distributed.current().tell(None)
        raise
    stopped = _stop_on_signals(run)
    follow(run, _out, quiet=options.json)
    jobs.wait()
    if run.state is not RunState.FAILED:  # else another process may be gone, and never answer
        distributed.leave()
    if options.json:
        print(json.dumps(summary(run)))
    if run.state is RunState.FAILED:
        raise SystemExit(f"Run {run.id} failed: {(run.end or {}).get('reason')}")
    return 130 if stopped.is_set() and run.state is RunState.STOPPED else 0


def _begin(options: argparse.Namespace, given: dict[str, Any]) -> Run:
    """Start or resume the run that the command line asks for."""
    if not options.resume:
        return jobs.start(make_config(**given), runs_dir=options.runs_dir, data_dir=_DATA_DIR, run_id=options.run_id)
    if given or options.run_id is None:
        raise ConfigError("--resume goes with --run-id, and with no setting: a run goes on as it was started.")
    return jobs.resume(load_run(options.runs_dir, options.run_id), data_dir=_DATA_DIR)


def _stop_on_signals(run: Run) -> threading.Event:
    """Ctrl-C or a polite kill saves and stops the run; a second one ends the process."""
    stopped = threading.Event()

    def stop(number: int, _frame: types.FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stopped.set()
        run.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped


def _leave_signals_to_the_first() -> None:
    """Of several processes the first saves and stops; the others go on until it says so."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _evaluate(options: argparse.Namespace) -> int:
    run = load_run(options.runs_dir, options.run_id)
    model = load_model(run, options.which, pick_device(run.config))
    data = load_data(with_images(run.config, options), data_dir=_DATA_DIR)
    images: ImageSet = getattr(data, options.split)
    if images.class_names != model.class_names:
        raise DataError(
            f"The data has the classes {', '.join(images.class_names)}, the network {', '.join(model.class_names)}: "
            "restore the images that the run was trained on."
        )
    result = evaluate(model, images, views=options.views)
    record = {"run_id": run.id, "checkpoint": options.which, "split": options.split, "num_images": len(images),
              "views": options.views}  # fmt: skip
    if options.json:
        print(json.dumps(record | result.record()))
        return 0
    table = Table(
        "class", "accuracy", title=f"{run.id}, {options.which} checkpoint, {len(images):,} {options.split} images"
    )
    for name, accuracy in zip(model.class_names, result.per_class_accuracy, strict=True):
        table.add_row(name, "no image" if np.isnan(accuracy) else f"{accuracy:.1%}")
    table.add_section()
    table.add_row("all", f"{result.accuracy:.2%} (loss {result.loss:.4f})")
    _out.print(table)
    return 0


def _predict(options: argparse.Namespace) -> int:
    model = load_model(load_run(options.runs_dir, options.run_id), options.which)
    predictions = predict(model, [open_image(path) for path in options.image])
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


def _pack(options: argparse.Namespace) -> int:
    run = load_run(options.runs_dir, options.run_id)
    packed = pack(run, options.output, rank=options.rank, data_source=options.data_source)
    num_bytes = sum(path.stat().st_size for path in packed.path.rglob("*") if path.is_file())
    if options.json:
        print(json.dumps({"output": str(options.output), "num_bytes": num_bytes}))
    else:
        without = "" if snapshot_epochs(packed) else "; no time machine, for that --pinned-images has to name the photo"
        _out.print(f"Run {run.id} in {options.output}: {num_bytes / 1e6:.1f} MB{without}")
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


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m core", description="Train the 2012 AlexNet, watch it learn, look inside it.")
    commands = parser.add_subparsers(required=True, metavar="command", parser_class=Parser)

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, argument_default=argparse.SUPPRESS)
        sub.set_defaults(command=run, runs_dir=Path("checkpoints"), json=False)
        sub.add_argument("--runs-dir", type=Path, help="folder that holds the runs (default: checkpoints)")
        sub.add_argument("--json", action="store_true", help="print one JSON document, for programs")
        return sub

    train = command("train", _train, "Train a network; follow it here or on the dashboard. Ctrl-C saves and stops.")
    train.set_defaults(run_id=None, resume=False)
    train.add_argument("--run-id", help="name of the run and its folder (default: preset and time)")
    train.add_argument("--resume", action="store_true", help="go on with --run-id from its last checkpoint")
    add_config_flags(train)

    test = command("evaluate", _evaluate, "Accuracy of a checkpoint, over all and per class.")
    add_checkpoint_flags(test)
    test.add_argument("--data-dir", type=Path, default=None, help="a folder of images instead of the run's own")
    test.add_argument("--split", choices=("test", "val", "train"), default="test", help="which images (default: test)")
    test.add_argument(
        "--views", choices=get_args(Views), default="plain",
        help="average over the image and its mirror image (flip), and over small shifts of both (flip-shift)",
    )  # fmt: skip

    classify = command("predict", _predict, "Classify pictures.")
    classify.add_argument("image", nargs="+", type=Path, help="PNG, JPEG, WebP, BMP or GIF")
    add_checkpoint_flags(classify)

    look = command(
        "features", export.features, "Write all feature maps of a layer (values: C x H x W float32) as .npz."
    )
    add_checkpoint_flags(look)
    add_features_flags(look)

    command("runs", _runs, "List the runs, the newest first.")
    survey.add_flags(command("survey", survey.run, survey.HELP))
    add_pack_flags(command("pack", _pack, "Make a finished run small enough to travel: one compact checkpoint."))
    export.add_flags(command("export", export.run, export.HELP))
    bench.add_flags(command("bench", bench.run, bench.HELP))
    return parser


if __name__ == "__main__":
    sys.exit(main())
