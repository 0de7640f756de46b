"""Kernels that a compiler of Python makes: numba's for a CPU, Triton's for a GPU, each where it works."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def compiled(name: str, compiler: str) -> ModuleType | None:
    """The module core.model.<name>, tried once by its `check()`; None where there is no `compiler` or it doesn't work.

    Then torch operations have to do: slower, and the same.
    """
    try:
        module = import_module(f"core.model.{name}")
        module.check()
    except Exception as error:  # not installed, too old for another package, no C compiler, no cache, ...
        if getattr(error, "name", None) != compiler:
            warnings.warn(f"{name} is done without {compiler}, which doesn't work here: {error}", stacklevel=2)
        return None
    return module
