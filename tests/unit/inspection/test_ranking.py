"""core.inspection.ranking: which channels are shown, and in which order, on maps small enough to check by eye."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from core.errors import InspectionError
from core.inspection.atlas import LayerAtlas
from core.inspection.feature_maps import FeatureMaps
from core.inspection.ranking import Show, keep_channels, order_channels


def maps_with(*peaks: float) -> FeatureMaps:
    """A channel for each peak, which its unit at row 1, column 0 has."""
    values = np.zeros((len(peaks), 2, 2), np.float32)
    values[:, 1, 0] = peaks
    return FeatureMaps("conv3", "relu", values)


def atlas_with(active: list[float], selectivity: list[float], twin: list[int]) -> LayerAtlas:
    count = len(active)
    nothing, top = np.zeros(count, np.float32), np.zeros((count, 9))
    return LayerAtlas(
        mean=nothing, active=np.array(active, np.float32), peak=nothing, class_means=np.zeros((count, 2), np.float32),
        selectivity=np.array(selectivity, np.float32), best_class=np.zeros(count, np.int64), twin=np.array(twin),
        top_images=top, top_rows=top, top_columns=top, top_values=top,
    )  # fmt: skip


MAPS = maps_with(1, 0, 3, 3, 2)
ATLAS = atlas_with(active=[1, 0.1, 0.5, 1, 0], selectivity=[0.2, 0.9, 0.2, 0.1, 0], twin=[-1, -1, 1, -1, -1])


def test_orders() -> None:
    assert order_channels(MAPS, None, "number") == (0, 1, 2, 3, 4)
    assert order_channels(MAPS, None, "strongest") == (2, 3, 4, 0, 1)
    assert order_channels(MAPS, ATLAS, "strongest") == (2, 3, 4, 0, 1)
    assert order_channels(MAPS, ATLAS, "selective") == (1, 0, 2, 3, 4)


def test_what_is_hardly_ever_active_is_not_called_selective() -> None:
    rare = atlas_with(active=[1, 0.005, 0.02, 1, 0], selectivity=[0.2, 1, 0.9, 0.2, 0], twin=[-1] * 5)
    assert order_channels(MAPS, rare, "selective") == (2, 0, 3, 1, 4)


def test_below_zero_the_strongest_is_the_greatest() -> None:
    signed = FeatureMaps("conv3", "conv", np.array([[[-9.0]], [[0.5]], [[-1.0]]], np.float32))
    assert order_channels(signed, None, "strongest") == (1, 2, 0)


def test_choices_by_the_atlas() -> None:
    kept = {show: keep_channels(MAPS, ATLAS, show) for show in get_args(Show)}
    assert kept == {"all": (0, 1, 2, 3, 4), "alive": (0, 1, 2, 3), "dead": (4,), "near-duplicates": (1, 2)}


def test_without_an_atlas_this_picture_decides_what_is_dead() -> None:
    assert keep_channels(MAPS, None, "all") == (0, 1, 2, 3, 4)
    assert keep_channels(MAPS, None, "alive") == (0, 2, 3, 4)
    assert keep_channels(MAPS, None, "dead") == (1,)


def test_nothing_to_show_is_empty() -> None:
    lively = atlas_with(active=[1], selectivity=[0.5], twin=[-1])
    assert keep_channels(maps_with(1), lively, "dead") == ()
    assert keep_channels(maps_with(1), lively, "near-duplicates") == ()


def test_numbers_are_plain_ints() -> None:
    for channels in (order_channels(MAPS, ATLAS, "selective"), keep_channels(MAPS, ATLAS, "near-duplicates")):
        assert all(type(channel) is int for channel in channels)


def test_what_needs_an_atlas_says_so() -> None:
    with pytest.raises(InspectionError, match="compute it first"):
        order_channels(MAPS, None, "selective")
    with pytest.raises(InspectionError, match="compute it first"):
        keep_channels(MAPS, None, "near-duplicates")


def test_an_atlas_of_another_layer_is_refused() -> None:
    other = atlas_with(active=[1, 1], selectivity=[0, 0], twin=[-1, -1])
    with pytest.raises(InspectionError, match="it has 2 channels, conv3 has 5"):
        order_channels(MAPS, other, "selective")
    with pytest.raises(InspectionError, match="it has 2 channels, conv3 has 5"):
        keep_channels(MAPS, other, "alive")
