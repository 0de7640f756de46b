"""Winograd's tiles on a CPU: windows of images to tiles and back, compiled by numba.

A tile is m w m' of a window w of every channel, m being a matrix of at most 12 columns. `tiles` (T * T x N x P x P x C,
float32, contiguous) holds one place of all windows side by side, as matrix products want them. `windows` is how many
there are along a side of an image (P), how many pixels apart, and how many of the first one's are outside, where all is
0. Images are N x H x H x C, contiguous, float32 or bfloat16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from core.model.cpu_kernels import array, num_parts, numba_inlined, numba_kernel, round_to, share_out, widen

_LANES = 16  # channels that are transformed together: their windows stay in the first cache


def check() -> None:
    """Raises whatever is wrong where this doesn't work here."""
    tiles = torch.empty(4, 1, 1, 1, 1)
    for dtype in (torch.float32, torch.bfloat16):
        images = torch.ones(1, 2, 2, 1, dtype=dtype)
        to_tiles(images, torch.eye(2), tiles, (1, 2, 0))
        from_tiles(tiles, torch.eye(2), images, (1, 2, 0))


def to_tiles(images: torch.Tensor, matrix: torch.Tensor, tiles: torch.Tensor, windows: tuple[int, int, int]) -> None:
    """Fills `tiles` with matrix (T x side of a window) w matrix' of each window w of `images`."""
    count = len(images)
    xs, ts, terms = array(images.flatten(2)), tiles.numpy(), _terms(matrix)
    parts = min(count, num_parts(tiles.numel()))
    share_out(lambda _, own: _to_tiles(xs, own.start, own.stop, *terms, ts, *windows), count, parts)


def from_tiles(tiles: torch.Tensor, matrix: torch.Tensor, images: torch.Tensor, windows: tuple[int, int, int]) -> None:
    """Fills `images` with the windows matrix (side of a window x T) t matrix' of the tiles t; what overlaps adds up."""
    count = len(images)
    xs, ts, terms = array(images.flatten(2)), tiles.numpy(), _terms(matrix)
    parts = min(count, num_parts(tiles.numel()))
    share_out(lambda _, own: _from_tiles(ts, *terms, xs, own.start, own.stop, *windows), count, parts)


def _terms(matrix: torch.Tensor) -> tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The number of columns; each row's values that are not 0, and their columns, filled up to twelve with zeros."""
    factors, places = np.zeros((len(matrix), 12), np.float32), np.zeros((len(matrix), 12), np.int64)
    for i, row in enumerate(matrix.numpy()):
        (columns,) = row.nonzero()
        places[i] = columns[0]  # not just any: 0 times what is no number would be one of those
        factors[i, : len(columns)], places[i, : len(columns)] = row[columns], columns
    return matrix.shape[1], factors, places


@numba_inlined
def _combine(factors, places, values, result):
    """result = the sum of `values`' rows at `places`, each times its factor."""
    f0, f1, f2, f3, f4, f5 = factors[0], factors[1], factors[2], factors[3], factors[4], factors[5]
    f6, f7, f8, f9, f10, f11 = factors[6], factors[7], factors[8], factors[9], factors[10], factors[11]
    r0, r1, r2, r3, r4, r5 = places[0], places[1], places[2], places[3], places[4], places[5]
    r6, r7, r8, r9, r10, r11 = places[6], places[7], places[8], places[9], places[10], places[11]
    v = values
    if f8 == 0 and f9 == 0 and f10 == 0 and f11 == 0:
        for c in range(len(result)):
            result[c] = (
                f0 * v[r0, c] + f1 * v[r1, c] + f2 * v[r2, c] + f3 * v[r3, c]
                + f4 * v[r4, c] + f5 * v[r5, c] + f6 * v[r6, c] + f7 * v[r7, c]
            )  # fmt: skip
    else:
        for c in range(len(result)):
            result[c] = (
                f0 * v[r0, c] + f1 * v[r1, c] + f2 * v[r2, c] + f3 * v[r3, c]
                + f4 * v[r4, c] + f5 * v[r5, c] + f6 * v[r6, c] + f7 * v[r7, c]
                + f8 * v[r8, c] + f9 * v[r9, c] + f10 * v[r10, c] + f11 * v[r11, c]
            )  # fmt: skip


@numba_inlined
def _sandwich(factors, places, values, half, turned, result):
    """result, turned = m values m', the terms being m's; half and turned are room for what comes between.

    A row of `values` holds _LANES channels of each column, a row of `result` of each row. First all rows are combined,
    then, turned, all columns: so each loop is long.
    """
    rows, columns = len(factors), len(values)
    for i in range(rows):
        _combine(factors[i], places[i], values, half[i])
    for i in range(rows):
        for j in range(columns):
            for c in range(_LANES):
                turned[j, i * _LANES + c] = half[i, j * _LANES + c]
    for i in range(rows):
        _combine(factors[i], places[i], turned, result[i])


@numba_kernel
def _to_tiles(images, start, stop, side, factors, places, tiles, per_side, stride, padding):
    channels = tiles.shape[4]
    size, groups = len(factors), -(-channels // _LANES)
    reach = (per_side - 1) * stride + side  # of all windows together
    padded = np.zeros((reach, reach * channels), np.float32)
    inside = slice(padding * channels, padding * channels + images.shape[2])
    window = np.zeros((side, side * _LANES), np.float32)
    half, turned = np.empty((size, side * _LANES), np.float32), np.empty((side, size * _LANES), np.float32)
    row = np.empty((per_side, groups, size, size * _LANES), np.float32)
    for n in range(start, stop):
        for i in range(images.shape[1]):
            widen(images[n, i], padded[padding + i, inside])
        for y in range(per_side):
            for x in range(per_side):
                for g in range(groups):
                    left = channels - g * _LANES
                    for i in range(side):
                        for j in range(side):
                            pixel = (x * stride + j) * channels
                            _copy(padded[y * stride + i], pixel + g * _LANES, window[i], j * _LANES, left)
                    _sandwich(factors, places, window, half, turned, row[x, g])
            for i in range(size):
                for j in range(size):
                    for x in range(per_side):
                        for g in range(groups):
                            tile = tiles[i * size + j, n, y, x]
                            _copy(row[x, g, j], i * _LANES, tile, g * _LANES, channels - g * _LANES)


@numba_kernel
def _from_tiles(tiles, size, factors, places, images, start, stop, per_side, stride, padding):
    channels = tiles.shape[4]
    side, groups = len(factors), -(-channels // _LANES)
    reach = (per_side - 1) * stride + side
    padded = np.zeros((reach, reach * channels), np.float32)
    inside = slice(padding * channels, padding * channels + images.shape[2])
    window = np.empty((side, side * _LANES), np.float32)
    half, turned = np.empty((side, size * _LANES), np.float32), np.empty((size, side * _LANES), np.float32)
    row = np.zeros((per_side, groups, size, size * _LANES), np.float32)
    for n in range(start, stop):
        if stride < side:
            padded[:] = 0
        for y in range(per_side):
            for i in range(size):
                for j in range(size):
                    for x in range(per_side):
                        for g in range(groups):
                            tile = tiles[i * size + j, n, y, x]
                            _copy(tile, g * _LANES, row[x, g, i], j * _LANES, channels - g * _LANES)
            for x in range(per_side):
                for g in range(groups):
                    left = channels - g * _LANES
                    _sandwich(factors, places, row[x, g], half, turned, window)
                    for i in range(side):
                        for j in range(side):
                            pixel = (x * stride + j) * channels
                            if stride < side:
                                _add(window[j], i * _LANES, padded[y * stride + i], pixel + g * _LANES, left)
                            else:
                                _copy(window[j], i * _LANES, padded[y * stride + i], pixel + g * _LANES, left)
        for i in range(images.shape[1]):
            round_to(padded[padding + i, inside], images[n, i])


@numba_inlined
def _copy(source, first, target, to, left):
    """target[to:] = source[first:], _LANES values in one go, or what is left where that is fewer."""
    if left >= _LANES:
        for c in range(_LANES):
            target[to + c] = source[first + c]
    else:
        for c in range(left):
            target[to + c] = source[first + c]


@numba_inlined
def _add(source, first, target, to, left):
    """As _copy, added to what is there."""
    if left >= _LANES:
        for c in range(_LANES):
            target[to + c] += source[first + c]
    else:
        for c in range(left):
            target[to + c] += source[first + c]
