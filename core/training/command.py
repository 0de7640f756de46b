"""python -m core train."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import types
from typing import Any, Union, get_args, get_origin

from core.arguments import plain_console
from core.config import OPTIONAL, TrainConfig, make_config
from core.errors import ConfigError, CoreError, RunError
from core.follow import follow, summary
from core.paths import data_dir
from core.presets import PRESET_HELP
from core.runs.run import Run, RunState, load_run
from core.training import distributed, jobs

HELP = "Train a network; follow it here or on the dashboard. Ctrl-C saves and stops."


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Its own, and one per field of TrainConfig. Those values stay text: the config itself reads and checks them."""
    parser.set_defaults(run_id=None, resume=False)
    parser.add_argument("--run-id", help="name of the run and its folder (default: preset and time)")
    parser.add_argument("--resume", action="store_true", help="go on with --run-id from its last checkpoint")
    group = parser.add_argument_group("settings", "Each overrides the preset's value.")
    for name, field in TrainConfig.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        text = (field.description or "").replace("%", "%%")
        if name == "preset":
            text += " " + " ".join(f"{preset}: {about}" for preset, about in PRESET_HELP.items())
        if field.annotation is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        else:
            group.add_argument(flag, metavar=_metavar(field.annotation), help=text)


def run(options: argparse.Namespace) -> int:
    given = {name: value for name, value in vars(options).items() if name in TrainConfig.model_fields}
    given = {name: None if name in OPTIONAL and value in ("all", "none") else value for name, value in given.items()}
    if distributed.is_launched():
        distributed.join(on_cpu=_device(options, given) == "cpu")
    if not distributed.current().is_first:
        _leave_signals_to_the_first()
        jobs.assist(options.runs_dir, data_dir=data_dir())
        distributed.leave()
        return 0
    try:
        started = _begin(options, given)
    except CoreError:
        distributed.current().broadcast(None)
        raise
    _stop_on_signals(started)
    follow(started, plain_console(), quiet=options.json)
    jobs.wait()
    state = started.state
    if state in (RunState.FINISHED, RunState.STOPPED):  # else another process may be gone, and never answer
        distributed.leave()
    if options.json:
        print(json.dumps(summary(started)))
    return _exit_code(started, state)


def _device(options: argparse.Namespace, given: dict[str, Any]) -> Any:
    """That of the run which is resumed, else what was given."""
    if options.resume and options.run_id:
        return load_run(options.runs_dir, options.run_id).config.device
    return given.get("device")


def _exit_code(run: Run, state: RunState) -> int:
    """0 for a run that is finished, 130 for one that was stopped, whoever did it; else SystemExit says why not."""
    if state is RunState.FINISHED:
        return 0
    if state is RunState.STOPPED:
        return 130
    if state is RunState.FAILED:
        raise SystemExit(f"Run {run.id} failed: {(run.end or {}).get('reason')}")
    raise SystemExit(
        f"Run {run.id} is {state.value}: its end could not be written to {run.path}. See that there is space and that "
        "you may write there, then go on with --resume."
    )


def _begin(options: argparse.Namespace, given: dict[str, Any]) -> Run:
    """Start or resume the run that the command line asks for."""
    if not options.resume:
        return jobs.start(make_config(**given), runs_dir=options.runs_dir, data_dir=data_dir(), run_id=options.run_id)
    if given or options.run_id is None:
        raise ConfigError("--resume goes with --run-id, and with no setting: a run goes on as it was started.")
    return jobs.resume(load_run(options.runs_dir, options.run_id), data_dir=data_dir())


def _stop_on_signals(run: Run) -> None:
    """Ctrl-C or a polite kill saves and stops the run; a second one ends the process."""

    def stop(number: int, _frame: types.FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        try:
            run.request_stop()
        except RunError as error:
            print(error, file=sys.stderr)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _leave_signals_to_the_first() -> None:
    """Of several processes the first saves and stops; the others go on until it says so."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _metavar(annotation: Any) -> str:
    """What a flag takes: the choices of a Literal, or the name of a type."""
    if get_origin(annotation) in (Union, types.UnionType):
        return _metavar(next(part for part in get_args(annotation) if part is not type(None)))
    if get_origin(annotation) is tuple:
        return "LIST"
    if get_args(annotation) and all(isinstance(choice, str) for choice in get_args(annotation)):
        return "{" + ",".join(get_args(annotation)) + "}"
    base = get_args(annotation)[0] if get_args(annotation) else annotation
    name: str = base.__name__
    return {"int": "N", "float": "X"}.get(name, name.upper())
