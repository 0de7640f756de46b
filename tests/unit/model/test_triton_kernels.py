"""The Triton kernels without a GPU: their numbers in Triton's interpreter, and their compilation for two GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
ROOT = Path(__file__).resolve().parents[3]

_NORM = """
import itertools
import torch
from core.model import lrn_closed_form, lrn_triton
tolerances = {torch.float32: 5e-7, torch.bfloat16: 5e-3}
constants = 5, 2e-5, 2.0
cases = 0
for channels, rms, dtype, rectified in itertools.product((8, 16, 96, 256), (0.2, 20, 100), tolerances, (False, True)):
    generator = torch.Generator().manual_seed(channels)
    x = (torch.randn(37, channels, generator=generator) * rms).to(dtype)
    gradient = torch.randn(37, channels, generator=generator).to(dtype)
    bias = torch.randn(channels, generator=generator) * rms if rectified else None
    z = (x.double() + bias).relu() if rectified else x.double()
    y, (dx, _) = lrn_triton.forward(x, *constants, bias), lrn_triton.backward(x, gradient, *constants, bias)
    right_y = lrn_closed_form.forward(z, *constants)
    right_dx = lrn_closed_form.backward(z, gradient.double(), *constants)[0] * (z > 0 if rectified else 1)
    for found, right in ((y, right_y), (dx, right_dx)):
        assert found.dtype == dtype
        error = float((found.double() - right).norm() / right.norm())
        assert error < tolerances[dtype], (channels, rms, dtype, rectified, error)
        cases += 1
print(cases)
"""

_POOL = """
import torch
from torch.nn.functional import max_pool2d
from core.model import pool_triton
cases = 0
for side, channels in ((3, 8), (4, 8), (5, 3), (6, 16), (13, 256), (15, 96)):
    for dtype in (torch.float32, torch.bfloat16):
        generator = torch.Generator().manual_seed(side)
        places = torch.rand(2, channels, side * (side + 1), generator=generator).argsort()  # so that none are equal
        x = places.view(2, channels, side, side + 1).to(dtype)
        x[0, 0, 1, 1] = torch.nan
        y, winners = pool_triton.forward(x.permute(0, 2, 3, 1).contiguous())
        leaf = x.float().requires_grad_()
        right = max_pool2d(leaf, 3, 2)
        gradient = torch.randint(-9, 9, right.shape, generator=generator).to(dtype)
        gradient[0, 0] = 0  # to whom it goes where there is no number doesn't matter
        right.backward(gradient.float())
        dx = pool_triton.backward(gradient.permute(0, 2, 3, 1).contiguous(), winners, *x.shape[2:])
        assert y.dtype == dx.dtype == dtype
        torch.testing.assert_close(y.permute(0, 3, 1, 2).float(), right.detach(), rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(dx.permute(0, 3, 1, 2).float(), leaf.grad, rtol=0, atol=0)
        cases += 1
print(cases)
"""

_COMPILE = """
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from core.model import lrn_triton, pool_triton
numbers = {"scale": "fp32", "k": "fp32", "winners": "*u8", "bias": "*fp32"}
wholes = ("eights", "height", "width", "rows", "columns")
constants = {"C": 96, "BIAS": True}
kernels = [(module, kernel) for module in (lrn_triton, pool_triton) for kernel in (module._forward, module._backward)]
for capability in (80, 90):
    for module, kernel in kernels:
        for dtype in ("fp32", "bf16"):
            fixed = constants | {"COUNT": module._COUNT}
            names = kernel.arg_names
            types = {name: numbers.get(name, "i32" if name in wholes else "*" + dtype) for name in names}
            types |= {name: "constexpr" for name in names if name in fixed}
            aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if types[name][0] == "*"}
            given = {name: fixed[name] for name in names if name in fixed}
            done = compile(ASTSource(kernel, types, given, aligned), target=GPUTarget("cuda", capability, 32))
            assert done.asm["cubin"]
            if dtype == "bf16":  # eight channels at once, and nothing passes between threads
                assert "ld.global.v4.b32" in done.asm["ptx"], kernel
                assert done.metadata.shared == 0, (kernel, done.metadata.shared)
print("compiled")
"""


def run(code: str, cache: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=240,
        env={**os.environ, "TRITON_CACHE_DIR": str(cache), **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(("code", "cases"), [(_NORM, "96"), (_POOL, "12")], ids=["norm", "pool"])
def test_values_and_gradients_equal_the_reference(code: str, cases: str, tmp_path: Path) -> None:
    assert run(code, tmp_path, TRITON_INTERPRET="1") == cases


def test_the_kernels_compile_for_ampere_and_hopper(tmp_path: Path) -> None:
    assert run(_COMPILE, tmp_path) == "compiled"
