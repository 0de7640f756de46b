"""A trainer is killed, politely or not: nothing acknowledged is lost, and the run goes on from its checkpoint."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from torch import nn

from core.config import make_config
from core.files import TEMPORARY_SUFFIX
from core.model import InputSpec
from core.runs.checkpoints import available, find_checkpoint, load_model, load_training_state, save_checkpoint
from core.runs.metrics import MetricsReader
from core.runs.run import Run, RunState, create_run
from core.runs.snapshots import snapshot_epochs
from core.runs.writer import RunWriter
from core.training import jobs
from tests.narrow import FC_UNITS

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("narrow")
can_fork = pytest.mark.skipif(sys.platform != "linux", reason="forks a process that has loaded torch")
Trainer = Callable[..., tuple["subprocess.Popen[str]", Run]]


@pytest.fixture
def trainer(tmp_path: Path, runs_dir: Path, image_tree: Path) -> Iterator[Trainer]:
    """trainer("--seed", "1"): `python -m core train` of a narrow network on 12 images, in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str) -> tuple[subprocess.Popen[str], Run]:
        process = subprocess.Popen(
            [
                sys.executable, str(ROOT / "tests" / "narrow.py"), "train", "--runs-dir", str(runs_dir), "--run-id",
                "victim", "--json", "--data-source", "folder", "--data-dir", str(image_tree), "--val-fraction", "0.34",
                "--train-limit", "all", "--val-limit", "all", "--batch-size", "2",
                "--device", "cpu", "--precision", "float32", "--optimizer", "sgd", *flags,
            ],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "ALEXNET_DATA_DIR": str(tmp_path)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process, Run(runs_dir / "victim")

    yield start
    for process in started:
        process.kill()
        process.communicate()


def steps_of(run: Run) -> list[float]:
    reader = MetricsReader(run.path)
    assert reader.damaged == 0
    return reader.steps()["step"].tolist()


@pytest.mark.slow
def test_a_killed_training_is_interrupted_at_once_and_resumes_from_its_checkpoint(
    trainer: Trainer, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    process, run = trainer("--num-epochs", "2")
    wait_until(lambda: process.poll() is not None or len(steps_of(run)) >= 8)  # past the first epoch's checkpoint
    assert process.poll() is None, process.communicate()
    assert run.state is RunState.RUNNING
    process.kill()
    process.wait()
    assert run.state is RunState.INTERRUPTED
    done = steps_of(run)
    checkpoint = find_checkpoint(run, "last")
    assert 6 <= checkpoint.step <= done[-1]
    assert load_model(run, "last").num_classes == 3
    assert load_training_state(checkpoint)
    assert len(checkpoint.epoch_sums) == 3
    jobs.resume(run, data_dir=tmp_path)
    assert jobs.wait(200)
    assert run.state is RunState.FINISHED, run.end
    assert steps_of(run) == list(range(1, 13))
    reader = MetricsReader(run.path)
    assert [record["epoch"] for record in reader.epochs()] == [1, 2]
    assert snapshot_epochs(run) == (0, 1, 2)
    assert not list(run.path.rglob(f".*{TEMPORARY_SUFFIX}"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_polite_signal_saves_and_stops(
    trainer: Trainer, wait_until: Callable[..., None], number: signal.Signals
) -> None:
    process, run = trainer("--num-epochs", "1000")
    wait_until(lambda: process.poll() is not None or len(steps_of(run)) >= 2)
    process.send_signal(number)
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert run.state is RunState.STOPPED
    done = steps_of(run)
    assert find_checkpoint(run, "last").step == done[-1]
    assert json.loads(output)["state"] == "stopped"
    assert json.loads(output)["step"] == done[-1]
    assert load_model(run, "last").num_classes == 3


class Small(nn.Module):
    """Carries what save_checkpoint asks of a network, at a few kilobytes."""

    class_names = ("a", "b")
    input_spec = InputSpec()
    lrn_alpha = 1e-4

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((5000,), float(value)))


def killed_child(work: Callable[[], Any], ready: Callable[[], bool], delay: float) -> None:
    """Do `work` in a forked process and kill it `delay` seconds after `ready`."""
    child = os.fork()
    if child == 0:
        forked(work)
    try:
        deadline = time.monotonic() + 30
        while not ready():
            assert time.monotonic() < deadline
        time.sleep(delay)  # the moment of death, drawn at random: this is no waiting for a fact
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def forked(work: Callable[[], Any]) -> NoReturn:
    try:
        work()
    finally:
        os._exit(1)  # never back into the test runner


@can_fork
def test_kills_while_saving_leave_a_whole_checkpoint_and_few_leftovers(tmp_path: Path) -> None:
    chance = random.Random(0)
    run = create_run(tmp_path, make_config(), {}, "victim")
    newest = acknowledged = 0

    def save_for_ever() -> None:
        writer = RunWriter(run)
        for step in range(newest + 1, newest + 100_000):
            save_checkpoint(
                writer, Small(step), {"moment": torch.full((5000,), float(step))},
                step=step, epoch=0, seconds=0.0, val_accuracy=0.5, epoch_sums=[0.0] * 3, pointers=("best", "last"),
            )  # fmt: skip

    def moved_on() -> bool:
        return (run.path / "last.json").exists() and max(saved_steps(), default=0) > newest

    def saved_steps() -> list[int]:
        return [int(path.stem[5:]) for path in (run.path / "checkpoints").glob("step-*.json")]

    for _ in range(25):
        killed_child(save_for_ever, moved_on, chance.uniform(0, 0.03))
        assert run.state is RunState.INTERRUPTED
        assert available(run) == ("best", "last")
        last = find_checkpoint(run, "last")
        assert load_training_state(last)["moment"].unique().tolist() == [last.step]
        assert last.step >= acknowledged  # a manifest may be there without the pointer that was to name it
        acknowledged = last.step
        assert len(list(run.path.rglob(f".*{TEMPORARY_SUFFIX}"))) <= 1
        newest = max(saved_steps())
        RunWriter(run).close()  # opening clears up
        assert not list(run.path.rglob(f".*{TEMPORARY_SUFFIX}"))


@can_fork
def test_kills_while_logging_lose_nothing_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(1)
    run = create_run(tmp_path, make_config(), {}, "victim")
    acknowledged = tmp_path / "acknowledged"
    done = 0
    for _ in range(25):
        acknowledged.write_bytes(b"")

        def log_for_ever(begin: int = done) -> None:
            writer = RunWriter(run)
            writer.log("event", event="start", step=begin)
            file = os.open(acknowledged, os.O_WRONLY | os.O_APPEND)
            for step in range(begin + 1, begin + 10_000_000):
                writer.log("step", step=step, loss=step / 8)
                os.write(file, b"x")

        killed_child(log_for_ever, lambda: acknowledged.stat().st_size > 0, chance.uniform(0, 0.02))
        reader = MetricsReader(run.path)
        steps = reader.steps()
        assert len(steps["step"]) >= done + acknowledged.stat().st_size
        np.testing.assert_array_equal(steps["step"], np.arange(1, len(steps["step"]) + 1))
        np.testing.assert_array_equal(steps["loss"], steps["step"] / 8)
        assert reader.damaged == 0
        done = len(steps["step"])


def test_a_server_that_ends_saves_its_run_first(tmp_path: Path, runs_dir: Path) -> None:
    """The main thread returns while the background thread trains, as when a dashboard is stopped with Ctrl-C."""
    code = f"""
import time
from pathlib import Path
from core.config import make_config
from core.model import alexnet
from core.training import jobs
alexnet.FC_UNITS = {FC_UNITS}
config = make_config(train_limit=200, val_limit=4, batch_size=4, num_epochs=1000, device="cpu", num_threads=2)
run = jobs.start(config, runs_dir=Path({str(runs_dir)!r}), data_dir=Path({str(tmp_path)!r}), run_id="served")
while run.progress.step < 2:
    time.sleep(0.01)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )
    run = Run(runs_dir / "served")
    assert run.state is RunState.STOPPED, (run.end, done.stderr)
    assert find_checkpoint(run, "last").step == int(steps_of(run)[-1])
