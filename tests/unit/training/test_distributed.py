"""core.training.distributed: two processes learn what one does, and stop together."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from core.__main__ import main
from core.runs.checkpoints import find_checkpoint
from core.runs.metrics import MetricsReader
from core.runs.run import Run, RunState, list_runs, load_run
from core.runs.snapshots import read_snapshot, snapshot_epochs
from core.training.distributed import Peers, current, is_launched
from tests.conftest import Wait
from tests.narrow import FC_UNITS

ROOT = Path(__file__).resolve().parents[3]
#: without chance, so that nothing but the sharing out differs; the last batch has one image: a process goes without
SETTINGS = [
    "--preset", "smoke", "--val-fraction", "0.34", "--batch-size", "11", "--num-epochs", "4",
    "--checkpoint-epochs", "4", "--dropout", "0", "--no-flip", "--crop-padding", "0", "--precision", "float32",
    "--device", "cpu", "--optimizer", "sgd", "--clip-norm", "0", "--learning-rate", "3e-3", "--warmup", "0",
    "--no-snapshots",
]  # fmt: skip
pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture
def settings(image_tree: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """12 images to train on, 6 to validate and 6 to test."""
    monkeypatch.setenv("ALEXNET_DATA_DIR", str(data_dir))
    return [*SETTINGS, "--data-source", "folder", "--data-dir", str(image_tree)]


def launch(
    runs_dir: Path, *arguments: str, program: str = "tests/narrow.py", processes: int = 2
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", program]
    return subprocess.Popen(
        [*command, "train", "--runs-dir", str(runs_dir), *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def metrics(run: Run) -> MetricsReader:
    return MetricsReader(run.path)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(runs_dir: Path, settings: list[str]) -> None:
    settings = [*settings, "--snapshots"]
    together = launch(runs_dir, *settings, "--run-id", "two")
    output, _ = together.communicate(timeout=240)
    assert together.returncode == 0, output
    assert main(["train", "--runs-dir", str(runs_dir), *settings, "--run-id", "one"]) == 0
    one, two = (load_run(runs_dir, name) for name in ("one", "two"))
    assert two.state is RunState.FINISHED
    assert two.environment["processes"] == 2
    steps = [metrics(run).steps() for run in (one, two)]
    assert steps[1]["step"].tolist() == list(range(1, 9))
    for name in ("loss", "gradient_norm"):
        torch.testing.assert_close(*(torch.tensor(columns[name]) for columns in steps), rtol=1e-3, atol=1e-3)
    for alone, shared in zip(metrics(one).epochs(), metrics(two).epochs(), strict=True):
        assert shared["val_loss"] == pytest.approx(alone["val_loss"], rel=1e-3)
        assert sum(map(sum, shared["val_confusion"])) == 6
    assert snapshot_epochs(two) == (0, 1, 2, 3, 4)
    alone, shared = (read_snapshot(run, 4) for run in (one, two))
    np.testing.assert_allclose(shared.probabilities, alone.probabilities, rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(shared.layers.rms, alone.layers.rms, rtol=1e-2)
    assert list(two.path.rglob(".*.tmp")) == []


@pytest.mark.slow
def test_a_stop_saves_once_and_ends_both(runs_dir: Path, settings: list[str], wait_until: Wait) -> None:
    together = launch(runs_dir, *settings, "--num-epochs", "1000", "--run-id", "stopped")
    try:
        wait_until(lambda: any(len(metrics(run).steps()["step"]) for run in list_runs(runs_dir)))
        run = load_run(runs_dir, "stopped")
        run.request_learning_rate_factor(0.5)
        wait_until(lambda: metrics(run).rate_changes())
        run.request_stop()
        output, _ = together.communicate(timeout=120)
    finally:
        together.kill()
        together.communicate()
    assert run.state is RunState.STOPPED, output
    assert [change.factor for change in metrics(run).rate_changes()] == [0.5]
    assert find_checkpoint(run, "last").step == metrics(run).steps()["step"][-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("DataError", "The disk of this machine is gone"),
        (
            "ValueError",
            "ValueError: The disk of this machine is gone. The full traceback is in what it wrote to the terminal.",
        ),
    ],
)
def test_the_run_tells_why_another_process_failed(
    runs_dir: Path, settings: list[str], tmp_path: Path, error: str, reason: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import os, sys
from core.__main__ import main
from core.errors import DataError
from core.model import alexnet
from core.training import loop

def fail(*arguments, **settings):
    raise {error}("The disk of this machine is gone")

if os.environ["RANK"] == "1":
    loop.training_step = fail
alexnet.FC_UNITS = {FC_UNITS}
sys.exit(main(sys.argv[1:]))
""",
        encoding="utf-8",
    )
    together = launch(runs_dir, *settings, "--run-id", "broken", program=str(program), processes=3)
    output, _ = together.communicate(timeout=240)
    assert together.returncode != 0
    run = load_run(runs_dir, "broken")
    assert run.state is RunState.FAILED, output
    assert run.end is not None
    assert run.end["reason"] == f"Another process (rank 1 of 3) failed: {reason}"
    assert run.state.can_resume


def test_shares_are_disjoint_and_whole() -> None:
    indices = torch.arange(11)
    parts = [Peers(rank, 3).share(indices) for rank in range(3)]
    assert sorted(torch.cat(parts).tolist()) == indices.tolist()
    assert [len(part) for part in parts] == [4, 4, 3]


def test_alone_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not is_launched()
    peers, values = current(), torch.ones(2)
    assert peers == Peers(0, 1)
    assert (peers.broadcast_numbers(True, 0.5), peers.broadcast("x")) == ([True, 0.5], "x")
    assert peers.total(values) is values
    assert torch.equal(values, torch.ones(2))
    model = torch.nn.Linear(1, 1)
    assert peers.connect(model, torch.device("cpu")) is model
