"""Pages under AppTest: opened by their file over a folder of runs, some of them written by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.config import make_config
from core.runs.metrics import encode
from core.runs.run import Run, create_run

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"
_SECONDS = 90.0


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> Callable[..., AppTest]:
    """open_page(runs_dir, "predict", layer="conv3"): that page over those runs, reached by that address."""

    def open_(runs: Path, page: str = "train", **address: str) -> AppTest:
        monkeypatch.setenv("ALEXNET_RUNS_DIR", str(runs))
        monkeypatch.setenv("ALEXNET_DATA_DIR", str(data_dir))
        at = AppTest.from_file(APP, default_timeout=_SECONDS)
        if page != "train":  # the pages are known after the first run only
            at.run().switch_page(f"app_pages/{page}.py")
        for name, value in address.items():
            at.query_params[name] = value
        return at.run()

    return open_


@pytest.fixture
def said() -> Callable[[AppTest], str]:
    """said(at): all sentences on the page, a line each."""

    def words(at: AppTest) -> str:
        return "\n".join(e.value for kind in ("markdown", "caption", "info", "warning", "error") for e in at.get(kind))

    return words


@pytest.fixture
def write_run(runs_dir: Path) -> Callable[..., Run]:
    """write_run("a", end={...}): a run folder made by hand; weights_of lends it another run's checkpoints."""

    def write(
        run_id: str, *, weights_of: Run | None = None, settings: dict[str, Any] | None = None, **files: Any
    ) -> Run:
        run = create_run(runs_dir, make_config(**settings or {}), {"device": "a CPU"}, run_id)
        for name, content in files.items():
            (run.path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        lines = [
            {"kind": "step", "step": step, "epoch": 1, "seconds": step / 2, "loss": 2.3 / step, "accuracy": 0.1,
             "learning_rate": 1e-3, "gradient_norm": 2.0, "images_per_second": 50.0}
            for step in range(1, 6)
        ]  # fmt: skip
        (run.path / "metrics-0001.jsonl").write_bytes(b"".join(encode(line) for line in lines))
        if weights_of is not None:
            (run.path / "checkpoints").symlink_to(weights_of.path / "checkpoints")
            for pointer in ("best.json", "last.json"):
                shutil.copy(weights_of.path / pointer, run.path)
        return run

    return write
