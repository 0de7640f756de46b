"""core.runs.deletion: a run that nobody writes goes as a whole, one that trains stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.config import make_config
from core.errors import RunError, RunLockedError
from core.runs.deletion import delete_run
from core.runs.run import Run, create_run, list_runs
from core.runs.writer import RunWriter


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = create_run(tmp_path, make_config(), {}, "old")
    with RunWriter(run):
        (run.path / "checkpoints").mkdir()
        (run.path / "checkpoints" / "step-00000000.safetensors").touch()
    return run


def test_a_run_goes_as_a_whole_and_leaves_its_name(run: Run) -> None:
    delete_run(run)
    assert [*run.path.parent.iterdir()] == []
    create_run(run.path.parent, make_config(), {}, "old")


def test_a_run_that_is_written_stays(run: Run) -> None:
    with RunWriter(run), pytest.raises(RunLockedError, match="Run 'old' is being written; stop it before you delete"):
        delete_run(run)
    assert (run.path / "checkpoints" / "step-00000000.safetensors").exists()
    assert list_runs(run.path.parent) == [run]


def test_what_cannot_be_deleted_is_said_and_is_no_run_any_more(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(RunError, match=r"not be deleted as a whole: .*checkpoints: Permission denied\. Delete what"):
        delete_run(run)
    assert list_runs(run.path.parent) == []
