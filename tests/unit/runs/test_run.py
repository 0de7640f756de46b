"""core.runs.run: the state is derived from what is on disk, and no name or content of a folder breaks a reader."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.config import make_config
from core.errors import CoreError, RunError
from core.follow import summary
from core.runs.checkpoints import available, find_checkpoint
from core.runs.metrics import MetricsReader
from core.runs.names import new_run_id
from core.runs.run import STALLED_AFTER_SECONDS, Run, RunState, create_run, list_runs, load_run
from core.runs.writer import RunWriter


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(tmp_path / "runs", make_config(seed=5), {"device": "CPU"}, "first")


def test_a_run_keeps_what_it_was_started_with(run: Run) -> None:
    again = load_run(run.path.parent, "first")
    assert again.config == make_config(seed=5)
    assert again.environment == {"device": "CPU"}
    assert (again.data, again.end, again.writer) == ({}, None, {})
    assert not again.stop_requested


def test_a_run_nobody_writes_is_interrupted(run: Run) -> None:
    assert run.state is RunState.INTERRUPTED
    assert run.state.can_resume
    assert not run.state.is_active


def test_a_run_that_ends_between_two_looks_at_it_is_not_called_interrupted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RunWriter(run)

    def ends(_run: Run, _silence: float) -> bool:
        with writer:
            writer.end(RunState.FINISHED, "")
        return False

    monkeypatch.setattr(Run, "_is_locked", ends)
    assert run.state is RunState.FINISHED


def test_a_run_is_running_while_its_writer_is_open_and_interrupted_after(run: Run) -> None:
    with RunWriter(run):
        assert run.state is RunState.RUNNING
        assert run.state.is_active
        assert not run.state.can_resume
    assert run.state is RunState.INTERRUPTED


def test_another_process_that_writes_is_seen_and_its_death_too(run: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from core.runs.run import Run; from core.runs.writer import RunWriter\n"
        "writer = RunWriter(Run(Path(sys.argv[1]))); print('open', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(run.path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        assert run.state is RunState.RUNNING
        assert run.writer["pid"] == process.pid
        process.kill()
        process.wait()
        assert run.state is RunState.INTERRUPTED


@pytest.mark.parametrize("state", [RunState.FINISHED, RunState.STOPPED, RunState.FAILED])
def test_an_end_is_remembered(run: Run, state: RunState) -> None:
    with RunWriter(run) as writer:
        writer.end(state, "because")
    assert run.state is state
    assert run.state.can_resume == (state is not RunState.FINISHED)
    assert run.end is not None
    assert run.end["reason"] == "because"


def test_a_writer_without_a_heartbeat_is_stalled_and_recovers(run: Run) -> None:
    with RunWriter(run) as writer:
        path = run.path / "progress.json"
        late = json.loads(path.read_text()) | {"heartbeat": time.time() - STALLED_AFTER_SECONDS - 5}
        path.write_text(json.dumps(late))
        assert run.state is RunState.STALLED
        assert run.state.is_active
        writer.report(force=True)
        assert run.state is RunState.RUNNING


def test_a_writer_that_reports_is_known_at_one_look(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunWriter(run) as writer:
        writer.report(force=True)
        monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("a page would wait"))
        assert run.state is RunState.RUNNING


def test_somebody_who_looks_is_no_writer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = run.lock()
    with lock.acquire():
        monkeypatch.setattr(time, "sleep", lambda seconds: lock.release())
        assert run.state is RunState.INTERRUPTED


def test_looking_changes_nothing(run: Run) -> None:
    with RunWriter(run) as writer:
        writer.log("event", event="start", step=0)

    def content() -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_ino) for path in run.path.iterdir()}

    before = content()
    assert "run.lock" in before
    assert run.state is RunState.INTERRUPTED
    summary(run)
    assert [found.id for found in list_runs(run.path.parent)] == ["first"]
    assert content() == before


def test_the_lock_file_outlives_its_writers(run: Run) -> None:
    """Were it deleted and made anew, two writers could each hold one."""
    with RunWriter(run):
        first = (run.path / "run.lock").stat().st_ino
    with RunWriter(run):
        assert (run.path / "run.lock").stat().st_ino == first


BAD_IDS = [
    "", ".", "..", "../x", "a/b", "a\\b", "/etc", "-rf", "_x", ".hidden", "Upper", "with space", "ünï", "x" * 65,
    "a\n", "a\0", "ａ", "run\u202e",
]  # fmt: skip


@pytest.mark.parametrize("run_id", BAD_IDS)
def test_a_name_that_is_no_plain_folder_name_is_refused(tmp_path: Path, run_id: str) -> None:
    for call in (lambda: load_run(tmp_path, run_id), lambda: create_run(tmp_path, make_config(), {}, run_id)):
        with pytest.raises(RunError, match="can't name a run"):
            call()
    assert not list(tmp_path.iterdir())


def test_a_name_of_a_windows_device_is_refused_for_that(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="'con' can't name a run: on Windows it stands for a device"):
        create_run(tmp_path, make_config(), {}, "con")


@pytest.mark.parametrize("run_id", ["a", "0", "x" * 64, "laptop-2026-03-01-1407", "a.b_c-d"])
def test_a_plain_name_is_taken(tmp_path: Path, run_id: str) -> None:
    create_run(tmp_path, make_config(), {}, run_id)
    assert load_run(tmp_path, run_id).id == run_id


def test_a_taken_name_is_refused_and_left_alone(run: Run) -> None:
    before = (run.path / "config.json").read_bytes()
    with pytest.raises(RunError, match="'first' exists already"):
        create_run(run.path.parent, make_config(seed=6), {}, "first")
    assert (run.path / "config.json").read_bytes() == before


def test_a_run_that_could_not_be_written_leaves_its_name_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("core.runs.run.write_json", full)
        with pytest.raises(RunError, match=r"'first' can't be written in .*: No space left on device\."):
            create_run(tmp_path, make_config(), {}, "first")
    assert list(tmp_path.iterdir()) == []
    assert load_run(tmp_path, create_run(tmp_path, make_config(), {}, "first").id).config == make_config()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="can't be written in"):
        create_run(tmp_path / "file" / "runs", make_config(), {}, "first")


def test_a_missing_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no run 'nobody' in"):
        load_run(tmp_path, "nobody")


def test_new_names_tell_the_preset_and_never_repeat(tmp_path: Path) -> None:
    config = make_config(preset="laptop")
    names = []
    for _ in range(3):
        names.append(new_run_id(tmp_path, config))
        create_run(tmp_path, config, {}, names[-1])
    assert len(set(names)) == 3
    assert all(name.startswith("laptop-2") for name in names)


def test_list_holds_runs_alone_the_newest_first(tmp_path: Path) -> None:
    for age, name in enumerate(["newest", "middle", "oldest"]):
        run = create_run(tmp_path, make_config(), {}, name)
        os.utime(run.path / "config.json", (1e9 - age, 1e9 - age))
    (tmp_path / "README.md").write_text("not a run")
    (tmp_path / "no-config").mkdir()
    (tmp_path / "config-is-a-folder" / "config.json").mkdir(parents=True)
    (tmp_path / "Bad Name").mkdir()
    (tmp_path / "Bad Name" / "config.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "newest")
    assert [run.id for run in list_runs(tmp_path)] == ["newest", "middle", "oldest"]
    assert list_runs(tmp_path / "nowhere") == []


def test_a_folder_that_is_closed_to_this_user_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine", "theirs"):
        create_run(tmp_path, make_config(), {}, name)
    is_file = Path.is_file

    def guarded(path: Path) -> bool:
        if path.parent.name == "theirs":
            raise PermissionError
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", guarded)
    assert [run.id for run in list_runs(tmp_path)] == ["mine"]
    with pytest.raises(RunError, match="There is no run 'theirs'"):
        load_run(tmp_path, "theirs")


def test_a_link_is_no_run(tmp_path: Path) -> None:
    create_run(tmp_path / "elsewhere", make_config(), {}, "secret")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "elsewhere" / "secret")
    with pytest.raises(RunError, match="There is no run 'link'"):
        load_run(tmp_path / "runs", "link")


FILES = ["config.json", "progress.json", "end.json", "data.json", "writer.json", "best.json", "last.json",
         "control.json", "checkpoints/step-00000001.json", "metrics-0001.jsonl"]  # fmt: skip
CONTENTS = {
    "empty": b"",
    "list": b"[]",
    "object": b"{}",
    "binary": b"\xff\xfe\x00",
    "numbers": b'{"state": 5, "config": 5, "environment": 5, "manifest": {}, "heartbeat": null, "seconds": null}',
    "texts": b'{"step": "x", "num_steps": "x", "seconds": "x", "heartbeat": "x", "config": {"preset": 1}, "reason": 1,'
    b'"environment": "x", "manifest": "../../step-00000001.json"}',
    "folder": None,
}
READERS: dict[str, Callable[[Run], Any]] = {
    "state": lambda run: run.state,
    "progress": lambda run: run.progress.fraction,
    "end": lambda run: run.end,
    "data": lambda run: run.data,
    "writer": lambda run: run.writer.get("pid"),
    "environment": lambda run: run.environment.get("device"),
    "config": lambda run: run.config,
    "metrics": lambda run: MetricsReader(run.path).poll(),
    "available": available,
    "checkpoint": lambda run: find_checkpoint(run, "best"),
    "summary": summary,
}


def spoil(run: Run, file: str, content: bytes | None) -> None:
    """Put `content` in the place of a run's file, a folder where None."""
    (run.path / "checkpoints").mkdir()
    for pointer in ("best", "last"):
        (run.path / f"{pointer}.json").write_text('{"manifest": "step-00000001.json"}')
    (run.path / "checkpoints" / "step-00000001.json").write_text('{"step": 1}')
    path = run.path / file
    path.unlink(missing_ok=True)
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)


@pytest.mark.parametrize("lock", ["free", "locked"])
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("file", FILES)
def test_whatever_a_file_of_a_run_holds_readers_get_an_answer_or_a_sentence(
    run: Run, file: str, content: str, lock: str
) -> None:
    spoil(run, file, CONTENTS[content])
    failed = {}
    with run.lock() if lock == "locked" else contextlib.nullcontext():
        for name, reader in READERS.items():
            try:
                reader(run)
            except CoreError:
                pass
            except Exception as error:
                failed[name] = repr(error)[:120]
    assert not failed
    assert len(list_runs(run.path.parent)) <= 1
