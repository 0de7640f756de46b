"""Winograd's tiles on a CPU: windows of images to tiles and back, float32, compiled by numba.

A tile is m w m' of a window w of every channel, m being a matrix of few values that are not 0. `tiles` (T * T x windows
x C, contiguous) holds one place of all windows side by side, as matrix products want them. `windows` is how many there
are along a side of an image, how many pixels apart, and how many of the first one's are outside, where all is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from core.model.cpu_kernels import num_parts, numba_inlined, numba_kernel, share_out


def check() -> None:
    """Raises whatever is wrong where this doesn't work here."""
    images, tiles = torch.ones(1, 2, 2, 1), torch.empty(4, 1, 1)
    to_tiles(images, torch.eye(2), tiles, (1, 2, 0))
    from_tiles(tiles, torch.eye(2), images, (1, 2, 0))


def to_tiles(images: torch.Tensor, matrix: torch.Tensor, tiles: torch.Tensor, windows: tuple[int, int, int]) -> None:
    """Fills `tiles` with matrix (T x side of a window) w matrix' of each window w of `images` (N x H x W x C)."""
    count = len(images)
    xs, ts, terms = images.numpy(), tiles.flatten(0, 1).numpy(), _terms(matrix)
    parts = min(count, num_parts(tiles.numel()))
    share_out(lambda _, own: _to_tiles(xs, own.start, own.stop, *terms, ts, *windows), count, parts)


def from_tiles(tiles: torch.Tensor, matrix: torch.Tensor, images: torch.Tensor, windows: tuple[int, int, int]) -> None:
    """Fills `images` with the windows matrix (side of a window x T) t matrix' of the tiles t; what overlaps adds up."""
    count = len(images)
    xs, ts, terms = images.numpy(), tiles.flatten(0, 1).numpy(), _terms(matrix)
    parts = min(count, num_parts(tiles.numel()))
    share_out(lambda _, own: _from_tiles(ts, *terms, xs, own.start, own.stop, *windows), count, parts)


def _terms(matrix: torch.Tensor) -> tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The number of columns; each row's values that are not 0, and their columns, filled up to eight with zeros."""
    factors, places = np.zeros((len(matrix), 8), np.float32), np.zeros((len(matrix), 8), np.int64)
    for i, row in enumerate(matrix.numpy()):
        (columns,) = row.nonzero()
        places[i] = columns[0]  # not just any: 0 times what is no number would be one of those
        factors[i, : len(columns)], places[i, : len(columns)] = row[columns], columns
    return matrix.shape[1], factors, places


@numba_inlined
def _combine(factors, places, values, first, step, result, row):
    """result[row] = the sum of `values`' rows first + step * place, each times its factor."""
    f0, f1, f2, f3 = factors[0], factors[1], factors[2], factors[3]
    r0, r1, r2, r3 = places[0], places[1], places[2], places[3]
    r0, r1, r2, r3 = first + step * r0, first + step * r1, first + step * r2, first + step * r3
    for c in range(values.shape[1]):
        result[row, c] = f0 * values[r0, c] + f1 * values[r1, c] + f2 * values[r2, c] + f3 * values[r3, c]
    if factors[4] != 0:
        f0, f1, f2, f3 = factors[4], factors[5], factors[6], factors[7]
        r0, r1, r2, r3 = places[4], places[5], places[6], places[7]
        r0, r1, r2, r3 = first + step * r0, first + step * r1, first + step * r2, first + step * r3
        for c in range(values.shape[1]):
            result[row, c] += f0 * values[r0, c] + f1 * values[r1, c] + f2 * values[r2, c] + f3 * values[r3, c]


@numba_kernel
def _to_tiles(images, start, stop, side, factors, places, tiles, per_side, stride, padding):
    _, height, width, channels = images.shape
    size = len(factors)
    num_windows = len(tiles) // size**2
    window = np.empty((side * side, channels), np.float32)
    half = np.empty((size * side, channels), np.float32)  # matrix times window
    for n in range(start, stop):
        for place in range(per_side**2):
            top, left = place // per_side * stride - padding, place % per_side * stride - padding
            if top < 0 or left < 0 or top + side > height or left + side > width:
                window[:] = 0
            for i in range(max(-top, 0), min(height - top, side)):
                for j in range(max(-left, 0), min(width - left, side)):
                    for c in range(channels):
                        window[i * side + j, c] = images[n, top + i, left + j, c]
            for i in range(size):
                for j in range(side):
                    _combine(factors[i], places[i], window, j, side, half, i * side + j)
            for i in range(size):
                for j in range(size):
                    row = (i * size + j) * num_windows + n * per_side**2 + place
                    _combine(factors[j], places[j], half, i * side, 1, tiles, row)


@numba_kernel
def _from_tiles(tiles, size, factors, places, images, start, stop, per_side, stride, padding):
    _, height, width, channels = images.shape
    side = len(factors)
    num_windows = len(tiles) // size**2
    half = np.empty((side * size, channels), np.float32)  # matrix times tile
    values = np.empty((1, channels), np.float32)
    images[start:stop] = 0
    for n in range(start, stop):
        for place in range(per_side**2):
            top, left = place // per_side * stride - padding, place % per_side * stride - padding
            for i in range(max(-top, 0), min(height - top, side)):
                for j in range(size):
                    first = j * num_windows + n * per_side**2 + place
                    _combine(factors[i], places[i], tiles, first, size * num_windows, half, i * size + j)
                for j in range(max(-left, 0), min(width - left, side)):
                    _combine(factors[j], places[j], half, i * size, 1, values, 0)
                    for c in range(channels):
                        images[n, top + i, left + j, c] += values[0, c]
