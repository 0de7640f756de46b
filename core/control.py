"""python -m core stop | rate | delete: what can be done with a run that this or another process has started."""

from __future__ import annotations

import argparse
import json

from core.arguments import add_run_flag
from core.errors import RunError
from core.runs.deletion import delete_run
from core.runs.run import LEARNING_RATE_FACTORS, Run, load_run

STOP_HELP = "Let a run that trains save its weights and stop, in whichever process it is."
RATE_HELP = "Let a run learn faster or slower from its next step on."
DELETE_HELP = "Delete a run for good, weights and all."


def add_rate_flags(parser: argparse.ArgumentParser) -> None:
    add_run_flag(parser)
    least, greatest = LEARNING_RATE_FACTORS
    text = f"what to multiply the schedule's learning rate by, {least:g} to {greatest:g}; 1 is the schedule itself"
    parser.add_argument("--factor", required=True, type=float, help=text)


def stop(options: argparse.Namespace) -> int:
    run = _run(options)
    if not run.state.is_active:
        raise RunError(f"Run {run.id!r} is {run.state.value}: there is nothing to stop.")
    run.request_stop()
    return _say(options, run, f"Run {run.id} was asked to save and stop.")


def rate(options: argparse.Namespace) -> int:
    run = _run(options)
    if not (run.state.is_active or run.state.can_resume):
        raise RunError(f"Run {run.id!r} is {run.state.value}: it learns no more.")
    run.request_learning_rate_factor(options.factor)
    return _say(
        options, run, f"From its next step on run {run.id} learns at {options.factor:g} times its schedule's rate."
    )


def delete(options: argparse.Namespace) -> int:
    run = _run(options)
    delete_run(run)
    return _say(options, run, f"Run {run.id} is deleted.")


def _say(options: argparse.Namespace, run: Run, text: str) -> int:
    print(json.dumps({"run_id": run.id}) if options.json else text)
    return 0


def _run(options: argparse.Namespace) -> Run:
    return load_run(options.runs_dir, options.run_id)
