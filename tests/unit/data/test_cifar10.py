"""core.data.cifar10 against a local server that misbehaves. Run: pytest tests/unit/data/test_cifar10.py"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from core.data import cifar10
from core.data.cifar10 import load_cifar10
from core.data.images import CIFAR10_CLASSES
from core.errors import DataError, DataMissingError, StopRequested
from core.progress import no_progress

ARCHIVE = "cifar-10-python.tar.gz"
TRAIN_FILES = [f"data_batch_{number}" for number in range(1, 6)]


def fake_files() -> dict[str, bytes]:
    """The archive's members in the real format, with 20 images a batch."""
    rng = np.random.default_rng(0)
    files = {"batches.meta": pickle.dumps({"label_names": list(CIFAR10_CLASSES)})}
    for name in [*TRAIN_FILES, "test_batch"]:
        pixels = rng.integers(0, 256, (20, 3072), dtype=np.uint8)
        files[name] = pickle.dumps({"data": pixels, "labels": [index % 10 for index in range(20)]})
    return files


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        behaviour, body = self.server.behaviour, self.server.body
        if behaviour == "missing":
            return self.send_error(404)
        targets = {"redirect": "ftp://127.0.0.1/cifar.tar.gz", "loop": self.path}
        self.send_response(302 if behaviour in targets else 200)
        if behaviour in targets:
            self.send_header("Location", targets[behaviour])
        if behaviour != "no length":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half])
        if behaviour == "stalled":
            self.server.released.wait(10)
        if behaviour != "truncated":
            self.wfile.write(body[half:])
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Silence: pytest shows what matters."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    behaviour = "well"
    requests = 0
    body = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves a small archive that torchvision takes for CIFAR-10."""
    files = fake_files()
    with Server() as server:
        server.body = tar_of(files)
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/{ARCHIVE}")
        monkeypatch.setattr(CIFAR10, "tgz_md5", md5(server.body))
        monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(files[name])] for name in TRAIN_FILES])
        monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(files["test_batch"])]])
        monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(files["batches.meta"])})
        monkeypatch.setattr(cifar10, "ALLOWED_SCHEMES", ("http", "https"))
        monkeypatch.setattr(cifar10, "NETWORK_TIMEOUT", 0.3)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.released.set()
        server.shutdown()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {f"{ARCHIVE}.lock"}


@pytest.mark.parametrize("behaviour", ["well", "no length"])
def test_download_unpack_and_read(server: Server, tmp_path: Path, behaviour: str) -> None:
    server.behaviour = behaviour
    calls: list[tuple[int, int, str]] = []
    train, test = load_cifar10(tmp_path / "new" / "data", lambda *call: calls.append(call))
    assert train.images.shape == (100, 3, 32, 32)
    assert train.images.is_contiguous()
    assert test.labels.tolist() == [index % 10 for index in range(20)]
    assert train.class_names == CIFAR10_CLASSES
    stored = pickle.loads(fake_files()["data_batch_1"])["data"][3].reshape(3, 32, 32)
    assert np.array_equal(train.images[3], stored)
    assert any(message.startswith("Downloading CIFAR-10: 0 ") and "MB/s" in message for *_, message in calls)
    assert names_in(tmp_path / "new" / "data") == {ARCHIVE, "cifar-10-batches-py"}


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("missing", "the server answered 404"),
        ("truncated", "the connection ended after"),
        ("stalled", "the server sent nothing for 0.3 seconds"),
        ("html", "md5 sum is wrong"),
        ("endless", "more than the archive holds"),
        ("one byte", "md5 sum is wrong"),
        ("loop", "the server answered 302"),
        ("redirect", "ftp://127.0.0.1/cifar.tar.gz is not an https address"),
        ("down", "refused"),
    ],
)
def test_failed_download_is_one_sentence_and_leaves_nothing(
    server: Server, tmp_path: Path, behaviour: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = server.body
    server.behaviour = behaviour
    if behaviour == "html":
        server.body = b"<html>Please log in to the hotel network</html>"
    if behaviour == "one byte":
        server.body = good[:-1] + bytes([good[-1] ^ 1])
    with monkeypatch.context() as patch:
        if behaviour == "endless":
            patch.setattr(cifar10, "MAX_BYTES", len(good) // 2)
        if behaviour == "down":
            patch.setattr(CIFAR10, "url", f"http://127.0.0.1:1/{ARCHIVE}")
        start = time.monotonic()
        with pytest.raises(DataError, match=reason) as caught:
            load_cifar10(tmp_path, no_progress)
        assert time.monotonic() - start < 5
        for part in (CIFAR10.url, ARCHIVE, str(tmp_path), "'folder'", "'shapes'"):
            assert part in str(caught.value)
    assert names_in(tmp_path) == set()
    server.behaviour, server.body = "well", good
    assert len(load_cifar10(tmp_path, no_progress)[0]) == 100  # the next start succeeds


def test_plain_http_is_refused(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "ALLOWED_SCHEMES", ("https",))
    with pytest.raises(DataError, match="is not an https address"):
        load_cifar10(tmp_path, no_progress)
    assert server.requests == 0


def test_what_is_synced_may_be_written(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to sync a file that was opened for reading only."""
    fcntl, modes = pytest.importorskip("fcntl"), []
    monkeypatch.setattr(os, "fsync", lambda handle: modes.append(fcntl.fcntl(handle, fcntl.F_GETFL)))
    load_cifar10(tmp_path, no_progress)
    assert modes
    assert all(mode & os.O_ACCMODE == os.O_RDWR for mode in modes)


def test_stop_leaves_no_partial_file(server: Server, tmp_path: Path) -> None:
    def stop(done: int, _total: int, _message: str) -> None:
        if done:
            raise StopRequested("stopped")

    with pytest.raises(StopRequested):
        load_cifar10(tmp_path, stop)
    assert names_in(tmp_path) == set()
    assert len(load_cifar10(tmp_path, no_progress)[1]) == 20


def test_archive_on_disk_needs_no_network(server: Server, tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).write_bytes(server.body)
    for _ in range(2):
        load_cifar10(tmp_path, no_progress)
    (tmp_path / ARCHIVE).unlink()
    load_cifar10(tmp_path, no_progress)  # from the unpacked folder alone
    assert server.requests == 0


def test_damaged_archive_on_disk_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).write_bytes(server.body[:-9])
    assert len(load_cifar10(tmp_path, no_progress)[0]) == 100
    assert (tmp_path / ARCHIVE).read_bytes() == server.body


def test_unpacking_that_was_killed_heals(server: Server, tmp_path: Path) -> None:
    load_cifar10(tmp_path, no_progress)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_5"
    batch.write_bytes(batch.read_bytes()[:100])
    (batch.parent / "test_batch").unlink()
    assert len(load_cifar10(tmp_path, no_progress)[0]) == 100
    assert server.requests == 1


def test_files_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path, train: bool) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder / "data_batch_1"))

    monkeypatch.setattr("torchvision.datasets.CIFAR10", refused)
    with pytest.raises(DataError, match=r"data_batch_1 can't be read: Permission denied"):
        cifar10._read(tmp_path)


def test_unpacking_that_fails_half_way_leaves_no_file(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(archive: Path, folder: Path) -> None:
        with tarfile.open(archive) as tar:
            tar.extract("cifar-10-batches-py/data_batch_1", folder, filter="data")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("torchvision.datasets.utils.extract_archive", full)
        with pytest.raises(DataError, match=r"could not be unpacked: .*No space left on device"):
            load_cifar10(tmp_path, no_progress)
    assert names_in(tmp_path) == {ARCHIVE}
    assert len(load_cifar10(tmp_path, no_progress)[0]) == 100
    assert server.requests == 1


def test_without_download_nothing_is_fetched_or_written(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"CIFAR-10 is not on this computer yet; the next run on it downloads"):
        load_cifar10(tmp_path / "nowhere", no_progress, download=False)
    (tmp_path / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataMissingError, match=r"not on this computer yet"):
        load_cifar10(tmp_path, no_progress, download=False)
    assert names_in(tmp_path) == {"cifar-10-batches-py"}
    (tmp_path / ARCHIVE).write_bytes(server.body[:-9])
    with pytest.raises(DataMissingError, match=f"CIFAR-10 is not whole in {tmp_path}; the next run"):
        load_cifar10(tmp_path, no_progress, download=False)
    (tmp_path / ARCHIVE).write_bytes(server.body)
    assert len(load_cifar10(tmp_path, no_progress, download=False)[1]) == 20
    assert server.requests == 0


class Payload:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.canary,)


def test_nothing_is_unpickled_before_its_checksum(server: Server, tmp_path: Path) -> None:
    server.behaviour = "missing"
    for name in ("data_batch_1", "batches.meta"):
        folder = tmp_path / name / "cifar-10-batches-py"
        folder.mkdir(parents=True)
        for file, data in {**fake_files(), name: pickle.dumps(Payload(tmp_path / "canary"))}.items():
            (folder / file).write_bytes(data)
        with pytest.raises(DataError):
            load_cifar10(tmp_path / name, no_progress)
    assert not (tmp_path / "canary").exists()


def test_two_at_once_fetch_once(server: Server, tmp_path: Path) -> None:
    messages: list[str] = []

    def slow(_done: int, _total: int, message: str) -> None:
        messages.append(message)
        time.sleep(0.2)

    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load_cifar10, tmp_path, slow) for _ in range(2)]
    assert [len(load.result()[0]) for load in loads] == [100, 100]
    assert server.requests == 1
    assert any(message.startswith("Waiting for another process") for message in messages)
