"""python -m core bench."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from rich.console import Console

from core.arguments import plain_console
from core.bench import suite
from core.bench.report import make_table
from core.runs.checkpoints import load_model
from core.runs.run import load_run

HELP = "Measure this machine: our training against the original loop, and against what the hardware can do; minutes."


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(device="auto", repeats=3, run_id=None)
    parser.add_argument("--device", metavar="{auto,cpu,cuda}", help="what to measure (default: a GPU if there is one)")
    parser.add_argument("--repeats", type=int, metavar="N", help="rounds, the fastest of which counts (default: 3)")
    parser.add_argument("--run-id", help="look at pictures with this run's best network (default: an untrained one)")


def run(options: argparse.Namespace) -> int:
    plan = suite.make_plan(options.device, options.repeats)
    model = load_model(load_run(options.runs_dir, options.run_id)) if options.run_id else None
    with Console(stderr=True).status("Starting") as status:  # shown on a terminal only
        result = suite.run(plan, lambda text: status.update(text), model)
    if options.json:
        print(json.dumps(asdict(result)))
    else:
        plain_console().print(make_table(result))
    return 0
