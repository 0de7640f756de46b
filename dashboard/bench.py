"""What watching costs a training on this computer, and what a training costs the pages: python -m dashboard.bench

Chromium (or Chrome) and requirements-dev.txt are needed. Takes about six minutes; the training is on drawn shapes.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import Page, sync_playwright
from streamlit.testing.v1 import AppTest

from core.config import make_config
from core.runs.metrics import MetricsReader
from core.runs.run import list_runs
from core.training import jobs
from dashboard.paths import ROOT

_PAIRS = 3  # of a window without and one with a page that watches
_WINDOW_SECONDS = 25.0
_SETTLE_SECONDS = 4.0
_SCRIPT_RUNS = 100
_BATCH = 128


def main() -> None:
    """Print both measurements as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        watched = _watched_training(Path(folder) / "watched")
        pages = _pages_beside_training(Path(folder) / "beside")
    print(json.dumps({"training": watched, "pages": pages}, indent=2))


def _watched_training(folder: Path) -> dict[str, object]:
    """Images/s of a training in a Streamlit server, without and with a browser that shows it live; in turns."""
    away: list[float] = []
    watched: list[float] = []
    with _server(folder) as url, sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome")
        path = next(filter(None, map(shutil.which, names)))
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        _start(page, url)
        for pair in range(_PAIRS):
            for address, rates in (("about:blank", away), (url, watched))[:: -1 if pair % 2 else 1]:
                page.goto(address)
                time.sleep(_SETTLE_SECONDS)
                rates.append(_rate(folder))
        browser.close()
    slower = median(1 - b / a for a, b in zip(away, watched, strict=True))
    return {"images_per_second_away": away, "images_per_second_watched": watched, "slower_by": slower}


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "ALEXNET_RUNS_DIR": str(folder),
        "STREAMLIT_SERVER_PORT": str(port),
        "STREAMLIT_SERVER_HEADLESS": "true",
    }
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboard" / "app.py")]
    process = subprocess.Popen(command, env=os.environ | settings, cwd=ROOT, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=5).close()
                break
            except urllib.error.URLError:
                assert process.poll() is None, "the server ended by itself"
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


def _start(page: Page, url: str) -> None:
    """Start a long training by the form, and wait for its first steps."""
    page.goto(url)
    page.get_by_text("All settings").click()
    for name, value in {"batch_size": _BATCH, "num_epochs": 1000}.items():
        field = page.locator(f".st-key-new_{name}_smoke input")
        field.fill(str(value))
        field.press("Enter")
    page.locator(".st-key-start").get_by_role("button").click()
    page.locator(".st-key-curves .js-plotly-plot").first.wait_for(timeout=120_000)


def _rate(folder: Path) -> float:
    """Images/s of the median step of the next seconds: saving and validating don't count."""
    (run,) = list_runs(folder)
    reader = MetricsReader(run.path)
    reader.poll()
    before = len(reader.steps()["step"])
    time.sleep(_WINDOW_SECONDS)
    reader.poll()
    return float(np.median(reader.steps()["images_per_second"][before:]))


def _pages_beside_training(folder: Path) -> dict[str, object]:
    """Milliseconds of a run of the Train page's script, idle and while a thread of this process trains on all cores."""
    os.environ["ALEXNET_RUNS_DIR"] = str(folder)
    config = make_config(preset="smoke", batch_size=_BATCH, num_epochs=1000)
    run = jobs.start(config, runs_dir=folder, data_dir=folder)
    while run.progress.step < 3:
        time.sleep(0.2)
    busy = _script_milliseconds()
    run.request_stop()
    jobs.wait()
    idle = _script_milliseconds()
    found = {name: {"p50": float(np.median(ms)), "p99": float(np.percentile(ms, 99))} for name, ms in
             (("idle", idle), ("training", busy))}  # fmt: skip
    return {**found, "p99_longer_by": found["training"]["p99"] - found["idle"]["p99"]}


def _script_milliseconds() -> list[float]:
    at = AppTest.from_file(ROOT / "dashboard" / "app.py", default_timeout=60).run()
    found = []
    for _ in range(_SCRIPT_RUNS):
        began = time.perf_counter()
        at.run()
        found.append((time.perf_counter() - began) * 1000)
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    main()
