"""core.inspection.comparison: one scale for both sides, a signed difference, channels in the order of it."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InspectionError
from core.inspection.comparison import compare_maps, matched_levels, order_by_difference
from core.inspection.feature_maps import FeatureMaps
from core.inspection.mosaic import Scale, limits

GREY = 128


def maps_of(values: np.ndarray, layer: str = "conv3", stage: str = "relu") -> FeatureMaps:
    return FeatureMaps(layer, stage, values.astype(np.float32))


def some(seed: int, stage: str = "relu", channels: int = 8) -> FeatureMaps:
    values = np.random.default_rng(seed).normal(size=(channels, 5, 4)) * (seed + 1)
    return maps_of(values if stage == "conv" else np.maximum(values, 0), stage=stage)


def test_the_difference_is_b_minus_a_and_the_distance_its_root_mean_square() -> None:
    found = compare_maps(maps_of(np.full((2, 3, 3), 1.0)), maps_of(np.stack([np.full((3, 3), 4.0), np.ones((3, 3))])))
    assert found.difference.dtype == np.float32
    np.testing.assert_array_equal(found.difference[0], 3.0)
    np.testing.assert_array_equal(found.distance, [3.0, 0.0])


def test_the_correlation_is_pearsons_and_unknown_where_a_side_does_not_vary() -> None:
    a, b = some(0, "conv"), some(1, "conv")
    found = compare_maps(a, b).correlation
    for channel in range(8):
        expected = np.corrcoef(a.values[channel].ravel(), b.values[channel].ravel())[0, 1]
        assert found[channel] == pytest.approx(expected, abs=1e-6)
    values = np.repeat(some(0, "conv").values[:1], 4, axis=0)
    other = np.stack([values[0] * 3 + 1, -values[0], np.zeros((5, 4)), np.full((5, 4), 0.1)])
    found = compare_maps(maps_of(values, stage="conv"), maps_of(other, stage="conv")).correlation
    assert found[:2] == pytest.approx([1, -1])
    assert np.isnan(found[2:]).all()


@pytest.mark.parametrize("stage", ["conv", "relu"])
@pytest.mark.parametrize(("scale", "fixed"), [("channel", None), ("layer", None), ("fixed", 1.5)])
def test_both_sides_have_the_same_colour_for_the_same_value(stage: str, scale: Scale, fixed: float | None) -> None:
    a, b = some(0, stage), some(3, stage)
    left, right, _ = matched_levels(compare_maps(a, b), scale, fixed)
    low, high = limits(maps_of(np.concatenate([a.values, b.values], axis=1), stage=stage), scale, fixed)
    for maps, levels in ((a, left), (b, right)):
        np.testing.assert_array_equal(levels.low, low)
        np.testing.assert_array_equal(levels.high, high)
        unit = np.clip((maps.values - low[:, None, None]) / (high - low)[:, None, None], 0, 1)
        np.testing.assert_allclose(levels.pixels, unit * 255, atol=0.51)
        assert levels.shared == (scale != "channel")
        assert levels.colors == ("signed" if stage == "conv" else "viridis")


def test_a_side_of_one_scale_is_not_drawn_on_its_own() -> None:
    weak, strong = some(0), maps_of(some(0).values * 10)
    left, right, _ = matched_levels(compare_maps(weak, strong), "channel")
    assert left.pixels.max() <= 26 < right.pixels.max() == 255


def test_the_difference_is_white_where_equal_red_where_b_is_higher_and_blue_where_lower() -> None:
    a, b = np.zeros((1, 1, 4)), np.array([[[0.0, 2.0, 1.0, 0.0]]])
    a[0, 0, 3] = 2.0
    *_, levels = matched_levels(compare_maps(maps_of(a), maps_of(b)), "channel")
    assert levels.pixels[0, 0].tolist() == [GREY, 255, 191, 0]
    assert (levels.low, levels.high, levels.colors) == (-2.0, 2.0, "signed")


def test_what_hardly_responds_on_both_sides_is_flat_and_each_side_names_its_own_dead() -> None:
    a, b = some(0).values.copy(), some(1).values.copy()
    a[1], a[2], b[2] = 0, 1e-6 * a[2], 0
    left, right, difference = matched_levels(compare_maps(maps_of(a), maps_of(b)), "channel")
    assert (left.silent, right.silent, difference.silent) == ((1, 2), (2,), (2,))
    for levels, flat in ((left, 0), (right, 0), (difference, GREY)):
        assert (levels.pixels[2] == flat).all()
    assert right.pixels[1].max() == 255 == difference.pixels[1].max()


def test_the_same_maps_differ_nowhere() -> None:
    found = compare_maps(some(0), some(0))
    assert not found.difference.any()
    assert not found.distance.any()
    np.testing.assert_allclose(found.correlation, 1)
    assert (matched_levels(found, "layer")[2].pixels == GREY).all()


def test_channels_come_in_the_order_of_how_they_differ() -> None:
    ramp = np.arange(6.0).reshape(2, 3)
    a = maps_of(np.stack([ramp, ramp, ramp, ramp, np.zeros((2, 3))]))
    b = maps_of(np.stack([ramp, ramp * 3, ramp[::-1], ramp, ramp]))
    found = compare_maps(a, b)
    assert order_by_difference(found, "number") == (0, 1, 2, 3, 4)
    assert order_by_difference(found, "difference") == (1, 4, 2, 0, 3)
    assert order_by_difference(found, "correlation")[0] == 2
    assert order_by_difference(found, "correlation")[-1] == 4, "nothing is known of it"


def test_the_statistics_of_a_channel_are_those_of_both_sides_and_of_the_difference() -> None:
    found = compare_maps(maps_of(np.array([[[0.0, 1.0]]])), maps_of(np.array([[[0.0, -1.0]]])))
    table = found.statistics(0)
    assert table.index.tolist() == ["A", "B", "B − A"]
    assert table.loc["A"].tolist() == [0, 0.5, 1, 0.5]
    assert table.loc["B − A"].tolist() == [-2, -1, 0, 0.5]


@pytest.mark.parametrize(
    "other", [some(0, channels=3), maps_of(some(0).values, layer="conv4"), maps_of(some(0).values, stage="conv")]
)
def test_maps_of_another_layer_stage_or_shape_do_not_compare(other: FeatureMaps) -> None:
    with pytest.raises(InspectionError, match="same layer and stage"):
        compare_maps(some(0), other)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_gone_astray_is_named(value: float) -> None:
    astray = maps_of(np.full((8, 5, 4), value))
    with pytest.raises(InspectionError, match="maps of B hold NaN"):
        compare_maps(some(0), astray)


def test_a_fixed_scale_needs_its_end() -> None:
    found = compare_maps(some(0), some(1))
    with pytest.raises(InspectionError, match="above 0"):
        matched_levels(found, "fixed")
