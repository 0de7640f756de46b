"""Winograd's tiles on a CPU: windows of images to tiles and back, compiled by numba.

A tile is m w m' of a window w of every channel, m being a small matrix. `tiles` (T * T x N x P x P x C, float32,
contiguous) holds one place of all windows side by side, as matrix products want them. `windows` is how many there are
along a side of an image (P), how many pixels apart, and how many of the first one's are outside, where all is 0.
Images are N x H x H x C, contiguous, float32 or bfloat16. C is a multiple of LANES.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce

import torch
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from core.model.cpu_kernels import array, num_parts, numba_kernel, round_to, share_out, widen

LANES = 16  # channels that are transformed together, as one vector: of 512 bits, or as several where those are shorter
_VECTOR, _VECTOR_BYTES = ir.VectorType(ir.FloatType(), LANES), 4 * LANES
_INDEX = ir.IntType(64)
_FUSED = ("contract",)  # a product and the sum that it is added to may be one operation


def check() -> None:
    """Raises whatever is wrong where this doesn't work here, tried with the smallest windows: larger ones are compiled
    when a training first meets them.
    """
    tiles = torch.empty(4, 1, 1, 1, LANES)
    for dtype in (torch.float32, torch.bfloat16):
        images = torch.ones(1, 2, 2, LANES, dtype=dtype)
        to_tiles(images, torch.eye(2), tiles, (1, 2, 0))
        from_tiles(tiles, torch.eye(2), images, (1, 2, 0))


def to_tiles(images: torch.Tensor, matrix: torch.Tensor, tiles: torch.Tensor, windows: tuple[int, int, int]) -> None:
    """Fills `tiles` with matrix (T x side of a window) w matrix' of each window w of `images`."""
    _for_all_images(_to_tiles, images, matrix, tiles, windows, side=matrix.shape[1])


def from_tiles(tiles: torch.Tensor, matrix: torch.Tensor, images: torch.Tensor, windows: tuple[int, int, int]) -> None:
    """Fills `images` with the windows matrix (side of a window x T) t matrix' of the tiles t; what overlaps adds up."""
    _for_all_images(_from_tiles, images, matrix, tiles, windows, side=matrix.shape[0])


def _for_all_images(
    kernel: Callable[..., None],
    images: torch.Tensor,
    matrix: torch.Tensor,
    tiles: torch.Tensor,
    windows: tuple[int, int, int],
    side: int,
) -> None:
    """`kernel` for all images, in several threads; each has room for an image and for a row of windows' tiles.

    A line of that room is longer than what it holds: lines a multiple of 4096 bytes apart would push each other out of
    the first cache. It begins where torch lets memory begin, so that no vector lies in two of the cache's lines.
    """
    per_side, stride, _ = windows
    places, count, channels = len(tiles), len(images), tiles.shape[4]
    reach = (per_side - 1) * stride + side  # of all windows together
    parts = min(count, num_parts(tiles.numel()))
    rooms = [
        (torch.zeros(reach, reach * channels + LANES).numpy(), torch.empty(places, per_side * channels + LANES).numpy())
        for _ in range(parts)
    ]
    xs, ts, rows = array(images.flatten(2)), tiles.flatten(2).numpy(), tuple(map(tuple, matrix.tolist()))
    share_out(lambda i, own: kernel(xs, own.start, own.stop, rows, ts, channels, windows, *rooms[i]), count, parts)


@numba_kernel
def _to_tiles(images, start, stop, matrix, tiles, channels, windows, padded, staged):
    per_side, stride, padding = windows
    inside = slice(padding * channels, padding * channels + images.shape[2])
    width, line, place = per_side * channels, padded.shape[1], staged.shape[1]
    for n in range(start, stop):
        for i in range(images.shape[1]):
            widen(images[n, i], padded[padding + i, inside])
        for y in range(per_side):
            for x in range(per_side):
                for c in range(0, channels, LANES):
                    window = (y * line + x * channels) * stride + c, line, channels
                    tile = x * channels + c, len(matrix) * place, place
                    _transform(matrix, padded, window, staged, tile, False)  # type: ignore[call-arg]
            for i in range(len(staged)):
                widen(staged[i, :width], tiles[i, n, y * width : (y + 1) * width])


@numba_kernel
def _from_tiles(images, start, stop, matrix, tiles, channels, windows, padded, staged):
    per_side, stride, padding = windows
    inside = slice(padding * channels, padding * channels + images.shape[2])
    width, line, place = per_side * channels, padded.shape[1], staged.shape[1]
    for n in range(start, stop):
        padded[:] = 0
        for y in range(per_side):
            for i in range(len(staged)):
                widen(tiles[i, n, y * width : (y + 1) * width], staged[i, :width])
            for x in range(per_side):
                for c in range(0, channels, LANES):
                    tile = x * channels + c, len(matrix[0]) * place, place
                    window = (y * line + x * channels) * stride + c, line, channels
                    _transform(matrix, staged, tile, padded, window, True)  # type: ignore[call-arg]
        for i in range(images.shape[1]):
            round_to(padded[padding + i, inside], images[n, i])


@intrinsic(prefer_literal=True)
def _transform(typing, matrix, source, window, target, to, is_added):  # noqa: ARG001 - numba wants these names
    """target = matrix w matrix', or that more, for LANES channels of a window w of `source`.

    source, target: float32, contiguous; window, to: where it begins there, how far apart its rows are, and its columns.
    matrix: a tuple of its rows, so that their number and length are known when this is compiled.

    Vectors are written out here, because numba's loops over channels asked each time anew whether what they read and
    wrote overlaps, and kept nothing in registers: that took twice (with AVX2) to four times as long (with AVX-512).
    """
    rows, columns = matrix.count, matrix.dtype.count

    def generate(context, builder, signature, args):
        factors = [[_factor(builder, args[0], i, k) for k in range(columns)] for i in range(rows)]
        read = _vectors(context, builder, signature.args[1], args[1], args[2])
        write = _vectors(context, builder, signature.args[3], args[3], args[4])
        with builder.goto_entry_block():
            half = builder.alloca(_VECTOR, rows * columns)  # matrix w, row by row
        half.align = _VECTOR_BYTES  # so is then what LLVM keeps beside it
        with cgutils.for_range(builder, _INDEX(columns)) as loop:
            column = [builder.load(read(_INDEX(k), loop.index), align=4) for k in range(columns)]
            for i, value in enumerate(_products(builder, factors, column)):
                place = builder.add(_INDEX(i * columns), loop.index)
                builder.store(value, builder.gep(half, [place]), align=_VECTOR_BYTES)
        with cgutils.for_range(builder, _INDEX(rows)) as loop:
            first = builder.mul(loop.index, _INDEX(columns))
            places = [builder.gep(half, [builder.add(first, _INDEX(k))]) for k in range(columns)]
            row = [builder.load(place, align=_VECTOR_BYTES) for place in places]
            for j, value in enumerate(_products(builder, factors, row)):
                result = write(loop.index, _INDEX(j))
                sum_ = builder.fadd(value, builder.load(result, align=4)) if is_added.literal_value else value
                builder.store(sum_, result, align=4)

    return types.void(matrix, source, window, target, to, is_added), generate


def _factor(builder, matrix, i, k):
    """A vector of nothing but matrix[i][k]."""
    value = builder.fptrunc(builder.extract_value(matrix, (i, k)), ir.FloatType())
    empty, zeros = ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
    return builder.shuffle_vector(builder.insert_element(empty, value, ir.IntType(32)(0)), empty, zeros)


def _vectors(context, builder, array_type, values, window):
    """A function that gives where the vector of row i, column j of `window` is in the array `values`."""
    data = context.make_array(array_type)(context, builder, values).data
    begin, down, right = cgutils.unpack_tuple(builder, window)

    def at(i, j):
        place = builder.add(begin, builder.add(builder.mul(i, down), builder.mul(j, right)))
        return builder.bitcast(builder.gep(data, [place]), _VECTOR.as_pointer())

    return at


def _products(builder, factors, vectors):
    """The sum of factors x vectors, for each row of `factors`."""
    for row in factors:
        terms = [builder.fmul(factor, vector, flags=_FUSED) for factor, vector in zip(row, vectors, strict=True)]
        yield reduce(partial(builder.fadd, flags=_FUSED), terms)
