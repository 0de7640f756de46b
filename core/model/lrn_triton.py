"""Local response normalisation on a GPU: values read once and written once, float32 arithmetic inside.

A thread has eight neighbouring channels of a pixel, as many bfloat16 values as it can load at once, and looks over both
ends at its neighbours' (they lie in the cache). One channel a thread would take four to seven times the instructions,
and be bound by them rather than by the memory.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl

MULTIPLE = 8  # of which the number of channels has to be one
_COUNT = 128  # threads of a program


def check() -> None:
    """Raises whatever is wrong where this doesn't work here."""
    x, bias = torch.ones(1, MULTIPLE, device="cuda"), torch.ones(MULTIPLE, device="cuda")
    backward(x, forward(x, 5, 1e-5, 2.0, bias), 5, 1e-5, 2.0, bias)


def forward(x: torch.Tensor, size: int, scale: float, k: float, bias: torch.Tensor | None = None) -> torch.Tensor:
    """y of core.model.lrn, for x (rows x C, float32 or bfloat16, contiguous) and windows of 5.

    bias: float32, C; where it is given, y is that of relu(x + bias).
    """
    assert size == 5
    return _launch(_forward, (x,), bias, scale, k)


def backward(
    x: torch.Tensor, gradient: torch.Tensor, size: int, scale: float, k: float, bias: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """dx of core.model.lrn (rows x C), from x, the gradient of y and the bias; the bias's gradient, if there is one."""
    assert size == 5
    dx = _launch(_backward, (x, gradient), bias, scale, k)
    return dx, None if bias is None else dx.sum(0, dtype=bias.dtype)


def _launch(
    kernel: Any, inputs: tuple[torch.Tensor, ...], bias: torch.Tensor | None, scale: float, k: float
) -> torch.Tensor:
    result = torch.empty_like(inputs[0])
    eights, channels = result.numel() // MULTIPLE, result.shape[1]
    constants = channels, bias is not None, _COUNT
    given = inputs[0] if bias is None else bias  # without one, it is not looked at
    kernel[(triton.cdiv(eights, _COUNT),)](*inputs, given, result, eights, scale, k, *constants, num_warps=4)
    return result


@triton.jit
def _places(eights, C: tl.constexpr, COUNT: tl.constexpr):  # noqa: N803
    """Of a program: its first value; for each thread the first value from there, its channel, and whether there is one
    and the same pixel goes on to its left and to its right."""
    first = tl.program_id(0).to(tl.int64) * COUNT
    thread = tl.arange(0, COUNT)
    inside = thread < eights - first
    channel = ((first % (C // 8)).to(tl.int32) + thread) % (C // 8) * 8
    return first * 8, thread * 8, channel, inside, inside & (channel > 0), inside & (channel < C - 8)


@triton.jit
def _block(values, place, inside):
    """COUNT x 8 values, eight for each thread, float32; 0 where not inside."""
    at = place[:, None] + tl.arange(0, 8)[None, :]
    return tl.load(values + at, mask=inside[:, None], other=0.0).to(tl.float32)


@triton.jit
def _eight(block, COUNT: tl.constexpr):  # noqa: N803
    """COUNT x 8 values as a tuple of eight tensors."""
    even, odd = tl.split(tl.reshape(block, [COUNT, 4, 2]))
    v04, v26 = tl.split(tl.reshape(even, [COUNT, 2, 2]))
    v15, v37 = tl.split(tl.reshape(odd, [COUNT, 2, 2]))
    v0, v4 = tl.split(v04)
    v1, v5 = tl.split(v15)
    v2, v6 = tl.split(v26)
    v3, v7 = tl.split(v37)
    return v0, v1, v2, v3, v4, v5, v6, v7


@triton.jit
def _load(values, bias, place, channel, inside, BIAS: tl.constexpr, COUNT: tl.constexpr):  # noqa: N803
    """Eight values for each thread, of relu(values + bias) where BIAS."""
    block = _block(values, place, inside)
    if BIAS:
        block = tl.maximum(block + _block(bias, channel, inside), 0.0, propagate_nan=tl.PropagateNan.ALL)
    return _eight(block, COUNT)


@triton.jit
def _around(values, bias, eights, C: tl.constexpr, BIAS: tl.constexpr, COUNT: tl.constexpr):  # noqa: N803
    """24 values for each thread: its own eight, the eight before and the eight after; 0 beyond its pixel's channels."""
    first, place, channel, inside, left, right = _places(eights, C, COUNT)
    before = _load(values + first, bias, place - 8, channel - 8, left, BIAS, COUNT)
    own = _load(values + first, bias, place, channel, inside, BIAS, COUNT)
    after = _load(values + first, bias, place + 8, channel + 8, right, BIAS, COUNT)
    return before + own + after


@triton.jit
def _store(values, eights, v, C: tl.constexpr, COUNT: tl.constexpr):  # noqa: N803
    """Put each thread's own eight values where they were loaded, in the type of what is stored."""
    first, place, _, inside, _, _ = _places(eights, C, COUNT)
    even = tl.reshape(tl.join(tl.join(v[0], v[4]), tl.join(v[2], v[6])), [COUNT, 4])
    odd = tl.reshape(tl.join(tl.join(v[1], v[5]), tl.join(v[3], v[7])), [COUNT, 4])
    block = tl.reshape(tl.join(even, odd), [COUNT, 8]).to(values.dtype.element_ty)
    tl.store(values + first + place[:, None] + tl.arange(0, 8)[None, :], block, mask=inside[:, None])


@triton.jit
def _windows(x, scale, k):
    """s of all values of the tuple x but the two at either end."""
    squares = ()
    for i in tl.static_range(len(x)):
        squares += (x[i] * x[i],)
    s = ()
    for i in tl.static_range(len(x) - 4):
        total = squares[i] + squares[i + 1] + squares[i + 2] + squares[i + 3] + squares[i + 4]
        s += (k + scale * total,)
    return s


@triton.jit
def _forward(x, bias, y, eights, scale, k, C: tl.constexpr, BIAS: tl.constexpr, COUNT: tl.constexpr):  # noqa: N803
    near = _around(x, bias, eights, C, BIAS, COUNT)
    s = _windows(near[6:18], scale, k)
    result = ()
    for i in tl.static_range(8):
        root = tl.rsqrt(s[i])
        result += (near[8 + i] * root * tl.sqrt(root),)
    _store(y, eights, result, C, COUNT)


@triton.jit
def _backward(x, g, bias, dx, eights, scale, k, C: tl.constexpr, BIAS: tl.constexpr, COUNT: tl.constexpr):  # noqa: N803
    near = _around(x, bias, eights, C, BIAS, COUNT)
    gradients = _around(g, bias, eights, C, False, COUNT)
    s = _windows(near[4:20], scale, k)  # of the twelve channels in whose windows the thread's own eight are
    powers, weighted = (), ()
    for i in tl.static_range(12):
        root = tl.rsqrt(s[i])
        power = root * tl.sqrt(root)
        powers += (power,)
        weighted += (gradients[6 + i] * near[6 + i] * power * (root * root),)
    result = ()
    for i in tl.static_range(8):
        total = weighted[i] + weighted[i + 1] + weighted[i + 2] + weighted[i + 3] + weighted[i + 4]
        value = gradients[8 + i] * powers[i + 2] - 1.5 * scale * near[8 + i] * total
        result += (tl.where(near[8 + i] > 0, value, 0.0) if BIAS else value,)
    _store(dx, eights, result, C, COUNT)
