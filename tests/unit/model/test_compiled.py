"""core.model.compiled: a kernel that can't be made here is done without."""

from __future__ import annotations

import subprocess
import sys
import types

import pytest
import torch

from core.model import lrn_closed_form
from core.model.compiled import compiled
from core.model.lrn import implementation


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("no compiler"),
        subprocess.CalledProcessError(1, "gcc"),
        ValueError("a kernel of another version"),
        ImportError("numpy is too new"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_kernel_that_fails_is_done_without_and_says_so_once(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check() -> None:
        raise error

    broken = types.ModuleType("core.model.broken")
    broken.check = check  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "core.model.broken", broken)
    compiled.cache_clear()
    try:
        with pytest.warns(UserWarning, match="broken is done without nothing, which doesn't work here"):
            assert compiled("broken", "nothing") is None
        assert compiled("broken", "nothing") is None
    finally:
        compiled.cache_clear()


def test_a_compiler_that_is_not_installed_is_no_news() -> None:
    try:
        assert compiled("missing_module", "core.model.missing_module") is None
    finally:
        compiled.cache_clear()


@pytest.mark.parametrize("name", ["lrn_cpu", "pool_cpu", "winograd_cpu"])
def test_nor_is_numba_where_neither_it_nor_what_it_brings_is_installed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pytest turns a warning into an error."""
    for module in list(sys.modules):
        if module.split(".")[0] in ("numba", "llvmlite"):
            monkeypatch.setitem(sys.modules, module, None)
    for module in ("numba", "llvmlite"):
        monkeypatch.setitem(sys.modules, module, None)
    for module in ("core.model.cpu_kernels", f"core.model.{name}"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    compiled.cache_clear()
    try:
        assert compiled(name, "numba") is None
    finally:
        compiled.cache_clear()


def test_what_no_kernel_fits_is_done_by_torch_operations() -> None:
    x = torch.ones(1, 8, 2, 2, dtype=torch.float64)
    assert implementation(x, 5) is lrn_closed_form
    assert implementation(x.float(), 3) is lrn_closed_form
