"""The original's loop: the network of the project in torch's own layers, fed by PIL, untouched by core."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.bench import original
from core.bench.loops import OriginalLoop, original_loop, untuned_environment
from core.errors import CoreError
from core.model.alexnet import AlexNet

CPU = torch.device("cpu")


def test_the_network_has_the_parameters_of_the_paper() -> None:
    with torch.device("meta"):
        network = original.make_network()
    assert sum(parameter.numel() for parameter in network.parameters()) == 58_322_314


def test_the_network_is_ours_with_the_same_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    ours = AlexNet()
    ours.initialize(generator)
    with torch.device("meta"):
        theirs = original.make_network()
    theirs.load_state_dict(ours.state_dict(), assign=True)
    images = 20 * torch.randn(1, 3, 227, 227, generator=generator)  # large enough for the response norm to matter
    with torch.inference_mode():
        torch.testing.assert_close(theirs.eval()(images), ours.eval()(images), rtol=1e-4, atol=1e-4)


def test_a_picture_is_stretched_and_scaled_to_1() -> None:
    pictures = original.Pictures()
    image, label = pictures[3]
    assert (image.shape, image.dtype, int(label)) == ((3, 227, 227), torch.float32, 3)
    assert 0 <= float(image.min()) < float(image.max()) <= 1
    corner = torch.from_numpy(pictures.pixels[3][0, 0] / 255).float()
    torch.testing.assert_close(image[:, 0, 0], corner)


def test_it_stays_clear_of_core() -> None:
    imports = [
        node
        for node in ast.walk(ast.parse(Path(original.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = [name.name for node in imports if isinstance(node, ast.Import) for name in node.names]
    names += [node.module or "" for node in imports if isinstance(node, ast.ImportFrom)]
    assert "torch" in names
    assert not any(name.partition(".")[0] == "core" for name in names)


def test_it_gets_the_environment_that_core_did_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    set_by_core = {"THP_MEM_ALLOC_ENABLE": "1", "GOMP_SPINCOUNT": "1000"}
    set_by_the_user = {"KMP_BLOCKTIME": "20", "OMP_WAIT_POLICY": "passive"}
    for name, value in (set_by_core | set_by_the_user).items():
        monkeypatch.setenv(name, value)
    assert untuned_environment() == {name: value for name, value in os.environ.items() if name not in set_by_core}
    assert untuned_environment()["KMP_BLOCKTIME"] == "20", "somebody's own"


@pytest.mark.parametrize(("free", "workers"), [(1 << 20, 0), (1 << 40, 4)])
def test_workers_need_shared_memory(monkeypatch: pytest.MonkeyPatch, free: int, workers: int) -> None:
    monkeypatch.setattr(original.os, "cpu_count", lambda: 16)
    monkeypatch.setattr(original.os.path, "isdir", lambda _: True)
    monkeypatch.setattr(original.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert original.num_workers(100) == workers


def test_two_cores_leave_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(original.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(original.os.path, "isdir", lambda _: False)
    assert original.num_workers(100) == 1


def test_an_original_that_ends_by_itself_is_a_sentence() -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        process.wait()
        loop = OriginalLoop(process, 1, 0, 1, 1)
        with pytest.raises(CoreError, match=r"ended by itself"):
            loop.burst()


def test_an_original_that_can_not_begin_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "original.py").write_text("raise SystemExit(3)")
    monkeypatch.setattr(original, "__file__", str(tmp_path / "original.py"))
    with pytest.raises(CoreError, match=r"exit code 3"), original_loop(CPU, 2, 1, 0):
        pass
