"""The feature maps of one picture in two networks: on one colour scale, with their difference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from core.errors import InspectionError
from core.inspection.feature_maps import FeatureMaps
from core.inspection.mosaic import Levels, Scale, silent_channels, to_levels

DifferenceOrder = Literal["number", "difference", "correlation"]


@dataclass(frozen=True)
class Comparison:
    """Maps A and B of the same layer and stage, channel by channel of the same number.

    difference: float32, C x H x W, B - A. distance: float64 C, root mean square of the difference.
    correlation: float64 C, -1..1, Pearson's over the positions of the two maps; nan where one of them does not vary.
    """

    a: FeatureMaps
    b: FeatureMaps
    difference: np.ndarray
    distance: np.ndarray
    correlation: np.ndarray

    def statistics(self, channel: int) -> pd.DataFrame:
        """One channel: rows A, B and B - A, columns min, mean, max and share of zeros (0..1)."""
        maps = np.stack([self.a.values[channel], self.b.values[channel], self.difference[channel]])
        table = replace(self.a, values=maps).statistics().drop(columns="channel")
        return table.set_axis(["A", "B", "B − A"])


def compare_maps(a: FeatureMaps, b: FeatureMaps) -> Comparison:
    """A and B side by side. Raises InspectionError where they are not of the same layer and stage, or not finite."""
    if (a.layer, a.stage, a.values.shape) != (b.layer, b.stage, b.values.shape):
        raise InspectionError(
            f"Only maps of the same layer and stage can be compared, got {a.layer} {a.stage} {a.values.shape} and "
            f"{b.layer} {b.stage} {b.values.shape}."
        )
    for name, maps in (("A", a), ("B", b)):
        if not np.isfinite(maps.values).all():
            raise InspectionError(
                f"The maps of {name} hold NaN or infinity: its training went astray; choose another checkpoint."
            )
    difference = b.values - a.values
    distance: np.ndarray = np.sqrt(np.square(difference, dtype=np.float64).mean((1, 2)))
    return Comparison(a, b, difference, distance, _correlation(a.values, b.values))


def order_by_difference(comparison: Comparison, by: DifferenceOrder) -> tuple[int, ...]:
    """All channels; equal ones stay in the order of their numbers.

    number: as they are. difference: the greatest distance first. correlation: the least alike first, and last those
    that do not vary on one side.
    """
    if by == "number":
        return tuple(range(len(comparison.distance)))
    merit = comparison.distance if by == "difference" else -np.nan_to_num(comparison.correlation, nan=np.inf)
    return tuple(np.argsort(-merit, kind="stable").tolist())


def matched_levels(comparison: Comparison, scale: Scale, fixed: float | None = None) -> tuple[Levels, Levels, Levels]:
    """A, B and B - A in colours; A and B on one scale, taken over both of them as `core.inspection.mosaic.limits` does.

    The colours of the difference run from blue (B is lower) over white (equal) to red, and end where it is as large as
    the greatest value of that scale. Raises InspectionError as `limits`.
    """
    a, b = comparison.a, comparison.b
    both = to_levels(replace(a, values=np.concatenate([a.values, b.values], axis=1)), scale, fixed)
    top, bottom = np.split(both.pixels, 2, axis=1)
    unit = np.clip(comparison.difference / both.high[:, None, None], -1, 1)
    pixels = np.round(127.5 + 127.5 * unit).astype(np.uint8)
    if scale == "channel":  # as in the maps: what hardly responds on both sides must not become noise
        pixels[list(both.silent)] = 128
    return (
        replace(both, pixels=top, silent=silent_channels(a)),
        replace(both, pixels=bottom, silent=silent_channels(b)),
        replace(both, pixels=pixels, low=-both.high, silent=both.silent, colors="signed"),
    )


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's correlation of each channel (C x H x W each); nan where one side does not vary."""
    a, b = (side.reshape(len(side), -1).astype(np.float64) for side in (a, b))
    centred_a, centred_b = (side - side.mean(1, keepdims=True) for side in (a, b))
    # Of a constant map the variance is rounding, not signal.
    varies = (centred_a.var(1) > 1e-12 * np.square(a).mean(1)) & (centred_b.var(1) > 1e-12 * np.square(b).mean(1))
    norm = np.sqrt(np.square(centred_a).sum(1) * np.square(centred_b).sum(1))
    products = (centred_a * centred_b).sum(1)
    found: np.ndarray = np.divide(products, norm, out=np.full(len(a), np.nan), where=varies)
    return found
