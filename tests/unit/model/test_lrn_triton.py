"""core.model.lrn_triton without a GPU: its numbers in Triton's interpreter, and its compilation for two GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[3]

_INTERPRET = """
import torch
from core.model import lrn_closed_form, lrn_triton
tolerances = {torch.float32: 5e-7, torch.bfloat16: 5e-3}
cases = 0
for channels in (1, 2, 3, 7, 96):
    for rms in (0.2, 20, 100):
        for dtype, tolerance in tolerances.items():
            generator = torch.Generator().manual_seed(channels)
            x = (torch.randn(37, channels, generator=generator) * rms).to(dtype)
            gradient = torch.randn(37, channels, generator=generator).to(dtype)
            for name, inputs in (("forward", (x,)), ("backward", (x, gradient))):
                found = getattr(lrn_triton, name)(*inputs, 5, 2e-5, 2.0)
                right = getattr(lrn_closed_form, name)(*(value.double() for value in inputs), 5, 2e-5, 2.0)
                assert found.dtype == dtype
                error = float((found.double() - right).norm() / right.norm())
                assert error < tolerance, (channels, rms, dtype, name, error)
                cases += 1
print(cases)
"""

_COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from core.model import lrn_triton
for capability in (80, 90):
    for kernel, num_tensors in ((lrn_triton._forward, 2), (lrn_triton._backward, 3)):
        for dtype in ("fp32", "bf16"):
            names = kernel.arg_names
            types = dict.fromkeys(names[:num_tensors], "*" + dtype) | dict.fromkeys(("rows", "channels"), "i32")
            types |= dict.fromkeys(("scale", "k"), "fp32") | dict.fromkeys(names[-2:], "constexpr")
            source = ASTSource(kernel, types, constexprs=dict(zip(names[-2:], (16, 128))))
            assert compile(source, target=GPUTarget("cuda", capability, 32)).asm["cubin"]
print("compiled")
"""


def run(code: str, cache: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240,
        env={**os.environ, "TRITON_CACHE_DIR": str(cache), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_values_and_gradients_equal_the_reference(tmp_path: Path) -> None:
    assert run(_INTERPRET, tmp_path, TRITON_INTERPRET="1") == "60"


def test_the_kernels_compile_for_ampere_and_hopper(tmp_path: Path) -> None:
    assert run(_COMPILE, tmp_path) == "compiled"
