"""Kernels that a compiler of Python makes: numba's for a CPU, Triton's for a GPU, each where it works."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from types import ModuleType

import torch

_COMPILERS = {"cpu": ("cpu", "numba"), "cuda": ("triton", "triton")}  # how a module's name ends, and what compiles it
_PARTS = {"numba": ("numba", "llvmlite")}  # packages that come together: either may be the first that is missed


@cache
def compiled(name: str, compiler: str) -> ModuleType | None:
    """The module core.model.<name>, tried once by its `check()`; None where there is no `compiler` or it doesn't work.

    Then torch operations have to do: slower, and the same.
    """
    try:
        module = import_module(f"core.model.{name}")
        module.check()
    except torch.OutOfMemoryError:  # says nothing about the kernels
        raise
    except Exception as error:  # not installed, too old for another package, no C compiler, no cache, ...
        if getattr(error, "name", None) not in _PARTS.get(compiler, (compiler,)):
            warnings.warn(f"{name} is done without {compiler}, which doesn't work here: {error}", stacklevel=2)
        return None
    return module


def kernels_for(layer: str, x: torch.Tensor) -> ModuleType | None:
    """The module with the kernels of `layer` (lrn, pool, winograd) for x's device and dtype; None where none are."""
    suits = x.dtype in (torch.float32, torch.bfloat16) and x.numel() > 0 and x.device.type in _COMPILERS
    if not suits:
        return None
    ending, compiler = _COMPILERS[x.device.type]
    return compiled(f"{layer}_{ending}", compiler)
