"""What watching costs a training on this computer, what a training costs the pages, and how long a click on the Feature
maps page takes: python -m dashboard.bench [training] [pages] [clicks]

Chromium (or Chrome) and requirements-dev.txt are needed. Takes about seven minutes. The training is on drawn shapes,
the clicks are on a network of a few steps or on the first of the runs in $ALEXNET_RUNS_DIR.
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
from core.data.sources import load_test_images
from core.inspection.atlas import ATLAS_FILE, compute_atlas
from core.paths import ROOT
from core.runs.checkpoints import find_checkpoint, open_model
from core.runs.metrics import MetricsReader
from core.runs.run import list_runs
from core.training import jobs

_PAIRS = 3  # of a window without and one with a page that watches
_WINDOW_SECONDS = 25.0
_SETTLE_SECONDS = 4.0
_SCRIPT_RUNS = 100
_BATCH = 128
_CLICKS = 30


def main() -> None:
    """Print the measurements, all or those named, as JSON."""
    measures = {"training": _watched_training, "pages": _pages_beside_training, "clicks": _clicks}
    with tempfile.TemporaryDirectory() as folder:
        found = {name: measures[name](Path(folder) / name) for name in sys.argv[1:] or measures}
    print(json.dumps(found, indent=2))


def _watched_training(folder: Path) -> dict[str, object]:
    """Images/s of a training in a Streamlit server, without and with a browser that shows it live; in turns."""
    away: list[float] = []
    watched: list[float] = []
    with server(folder) as url, _browser() as page:
        _start(page, url)
        for pair in range(_PAIRS):
            for address, rates in (("about:blank", away), (url, watched))[:: -1 if pair % 2 else 1]:
                page.goto(address)
                time.sleep(_SETTLE_SECONDS)
                rates.append(_rate(folder))
    slower = median(1 - b / a for a, b in zip(away, watched, strict=True))
    return {"images_per_second_away": away, "images_per_second_watched": watched, "slower_by": slower}


@contextmanager
def _browser() -> Iterator[Page]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page(viewport={"width": 1280, "height": 1000})
        browser.close()


@contextmanager
def server(folder: Path) -> Iterator[str]:
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


# In the page: milliseconds from a click to the first frame after the one in which `painted` is true.
_TIME = """([click, painted]) => new Promise((done) => {
  const canvas = (key) => {
    const host = [...document.querySelectorAll(`.st-key-${key} *`)].find((element) => element.shadowRoot)
    return host.shadowRoot.querySelector(key === "unit" ? ".map canvas" : "canvas")
  }
  const [act, isPainted] = [click, painted].map((body) => new Function("canvas", body))
  const next = () => requestAnimationFrame(() => (isPainted(canvas) ? requestAnimationFrame(end) : next()))
  const end = () => done(performance.now() - began)
  const began = performance.now()
  act(canvas)
  next()
})"""
_RANDOM = "document.querySelector('.st-key-random_image button').click()"
_LAYER = "[...document.querySelectorAll('.st-key-layer button')].find((b) => b.innerText.trim() === '{}').click()"
_SHOWS = "return (canvas('mosaic').dataset.painted ?? '').includes('{}')"
_OTHER = "return canvas('mosaic').dataset.painted !== {}"
_TILE = """const tiles = canvas("mosaic"), {{ left, top }} = tiles.getBoundingClientRect()
tiles.dispatchEvent(new MouseEvent("click", {{ clientX: left + {}, clientY: top + {}, bubbles: true }}))"""
_ENLARGED = "return Number(canvas('unit').dataset.channel) !== {}"


def _clicks(folder: Path) -> dict[str, dict[str, float]]:
    """Milliseconds, on the Feature maps page, until the browser shows what a click asked for."""
    runs = Path(os.environ.get("ALEXNET_RUNS_DIR") or short_run(folder))
    layer: list[float] = []
    channel: list[float] = []
    with server(runs) as url, _browser() as page:
        page.goto(f"{url}/feature_maps?layer=conv3")
        tiles, enlarged = page.locator(".st-key-mosaic canvas"), page.locator(".st-key-unit .map canvas")
        for click in range(_CLICKS):
            page.locator(".st-key-unit .map canvas[data-channel]").wait_for(timeout=120_000)
            page.evaluate(_TIME, [_LAYER.format("conv1"), _SHOWS.format("conv1")])
            painted = tiles.get_attribute("data-painted")
            page.evaluate(_TIME, [_RANDOM, _OTHER.format(json.dumps(painted))])  # maps that nobody has asked for yet
            time.sleep(0.5)
            layer.append(page.evaluate(_TIME, [_LAYER.format("conv3"), _SHOWS.format("384 feature maps of conv3")]))
            time.sleep(0.5)
            tile = _TILE.format(20 + 49 * (click % 8), 20 + 60 * (1 + click // 8))
            shown = enlarged.get_attribute("data-channel")
            channel.append(page.evaluate(_TIME, [tile, _ENLARGED.format(shown)]))
    return {
        name: {"median": float(np.median(ms)), "p95": float(np.percentile(ms, 95))}
        for name, ms in (("layer_of_384_channels", layer), ("enlarged_channel", channel))
    }


def short_run(folder: Path) -> Path:
    """A folder with one run of a few steps and the atlas of its channels."""
    run = jobs.start(make_config(preset="smoke", train_limit=100, num_epochs=1), runs_dir=folder, data_dir=folder)
    jobs.wait()
    checkpoint = find_checkpoint(run, "last")
    images = load_test_images(run.config, data_dir=folder)
    compute_atlas(open_model(checkpoint), images).save(checkpoint.derived(ATLAS_FILE))
    return folder


if __name__ == "__main__":
    main()
