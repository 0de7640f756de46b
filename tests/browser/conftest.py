"""A server started as the README says, and real Chromium tabs that report what they asked for and complained of."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
_START_SECONDS = 60.0
_PATIENCE = 60_000  # milliseconds: training has both cores


class Server:
    """`streamlit run dashboard/app.py` over its own runs and data, on a port that was free."""

    def __init__(self, folder: Path, runs: Path, cwd: Path = ROOT) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"server-{self.port}.log"
        script = os.path.relpath(ROOT / "dashboard" / "app.py", cwd)
        settings = {
            "ALEXNET_RUNS_DIR": str(runs),
            "ALEXNET_DATA_DIR": str(folder / "data"),
            "STREAMLIT_SERVER_PORT": str(self.port),
            "STREAMLIT_SERVER_HEADLESS": "true",
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("streamlit"), "run", script],
                cwd=cwd, env=os.environ | settings, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5) as answer:
                    assert answer.read() == b"ok"
                    return
            except urllib.error.URLError:
                assert self._process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut would: the process gets no chance to say goodbye."""
        self._process.kill()
        self._process.wait()


class Tabs:
    """Opens tabs of one window; remembers every address they asked for and every error they reported."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        context.on("request", lambda request: self._asked(request.url))
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def open(self, url: str) -> Page:
        page = self.context.new_page()
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.goto(url)
        expect(page.get_by_test_id("stHeading").first).to_be_visible()
        return page

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob"):
            self.hosts.add(parts.hostname or url)

    def _heard(self, message: ConsoleMessage) -> None:
        # Below /predict and the like, Streamlit looks for its server there first: two misses by design.
        looking = urlsplit(message.location["url"]).path.endswith(("/_stcore/health", "/_stcore/host-config"))
        if message.type == "error" and not (looking and "404" in message.text):
            self.errors.append(f"{message.text} ({message.location['url']})")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        message = f"no browser found: install one of {', '.join(names)}"
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def window(chromium: Browser) -> Iterator[Callable[..., Tabs]]:
    """window(color_scheme="dark", ...): a window with tabs. In the end none may have complained or called out."""
    opened: list[Tabs] = []
    expect.set_options(timeout=_PATIENCE)

    def open_(**options: object) -> Tabs:
        settings: dict[str, object] = {"viewport": {"width": 1280, "height": 1000}, **options}
        context = chromium.new_context(**settings)
        context.set_default_timeout(_PATIENCE)
        opened.append(Tabs(context))
        return opened[-1]

    yield open_
    for tabs in opened:
        tabs.context.close()
    assert [error for tabs in opened for error in tabs.errors] == []
    assert set().union(*(tabs.hosts for tabs in opened)) <= {"127.0.0.1"}


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """serve(runs, cwd=...): a running server; killed at the end of the test."""
    servers: list[Server] = []

    def start(runs: Path, cwd: Path = ROOT) -> Server:
        servers.append(Server(tmp_path, runs, cwd))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
