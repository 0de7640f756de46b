"""What the live chart sends: fewer points that look the same, packed for plotly.js."""

import base64

import numpy as np
import pytest

from dashboard.panels import Panel, Series, decimate, pack, panel_spec, x_span


def unpack(spec: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(spec["bdata"]), dtype=f"<{spec['dtype']}")


def line(n: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(n, dtype=float)
    return x, np.sin(x / 50) + np.random.default_rng(0).normal(0, 0.1, n)


@pytest.mark.parametrize("n", [0, 1, 2, 1500])
def test_short_lines_are_left_alone(n: int) -> None:
    x, y = line(n)
    kept_x, kept_y = decimate(x, y, 1500)
    np.testing.assert_array_equal(kept_x, x)
    np.testing.assert_array_equal(kept_y, y)


@pytest.mark.parametrize("n", [1501, 2999, 4096, 100_000, 300_001])
@pytest.mark.parametrize("max_points", [5, 100, 1500])
def test_long_lines_fit_the_limit_and_keep_both_ends(n: int, max_points: int) -> None:
    x, y = line(n)
    kept_x, kept_y = decimate(x, y, max_points)
    assert 2 <= len(kept_x) <= max_points
    assert (kept_x[0], kept_x[-1]) == (0, n - 1)
    assert np.all(np.diff(kept_x) > 0)
    np.testing.assert_array_equal(kept_y, y[kept_x.astype(int)])


def test_the_limit_holds_with_gaps_everywhere() -> None:
    x, y = line(50_000)
    y[::7] = np.nan
    assert len(decimate(x, y, 300)[0]) <= 300


def test_a_single_spike_survives_in_both_directions() -> None:
    x, y = line(100_000)
    y[12_345], y[77_777] = 40.0, -40.0
    kept_x, _ = decimate(x, y, 200)
    assert {12_345, 77_777} <= set(kept_x.astype(int))


def test_a_gap_stays_a_gap() -> None:
    x, y = line(10_000)
    y[4_000:4_500] = np.nan
    kept_x, kept_y = decimate(x, y, 600)
    inside = (kept_x >= 4_000) & (kept_x < 4_500)
    assert inside.any()
    assert np.isnan(kept_y[inside]).all()
    assert np.isfinite(kept_y[~inside]).all()


def test_one_missing_value_splits_the_line() -> None:
    x, y = line(10_000)
    y[5_000] = np.inf
    kept_x, kept_y = decimate(x, y, 300)
    assert 5_000 in kept_x
    assert np.isfinite(np.delete(kept_y, np.flatnonzero(kept_x == 5_000))).all()


def test_a_line_of_gaps_only_is_accepted() -> None:
    x = np.arange(5_000.0)
    _, kept_y = decimate(x, np.full(5_000, np.nan), 100)
    assert np.isnan(kept_y).all()


def test_old_points_stay_chosen_while_the_line_grows() -> None:
    x, y = line(60_100)
    before = decimate(x[:60_000], y[:60_000], 1500)[0]
    after = decimate(x, y, 1500)[0]
    assert set(before[:-4]) <= set(after)


def test_a_limit_below_five_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 5, got 4"):
        decimate(*line(10), max_points=4)


def test_pack_round_trip_uses_float32() -> None:
    values = np.array([0.0, 1.5, -2.25, 2.0**24])
    spec = pack(values)
    assert spec["dtype"] == "f4"
    np.testing.assert_array_equal(unpack(spec), values)


def test_pack_keeps_clock_times_exact() -> None:
    clock = 1_790_000_000.0 + np.arange(3)
    spec = pack(clock)
    assert spec["dtype"] == "f8"
    np.testing.assert_array_equal(unpack(spec), clock)


def test_pack_turns_infinity_into_a_gap_and_accepts_nothing() -> None:
    assert np.isnan(unpack(pack(np.array([np.inf, -np.inf, np.nan])))).all()
    assert pack(np.array([]))["bdata"] == ""


def test_panel_describes_axes_and_traces() -> None:
    x, y = line(10)
    series = (Series("lr", x, y, "accent"),)
    spec = panel_spec(Panel("Rate", "Learning rate", series, y_log=True, y_range=(1e-4, 1)))
    assert spec["alt"] == "Rate"
    assert spec["yaxis"]["type"] == "log"
    assert spec["yaxis"]["range"] == [-4.0, 0.0]
    assert spec["traces"][0]["mode"] == "lines"


@pytest.mark.parametrize(
    ("values", "dtick"), [([2, 6], None), ([2, 9], "D2"), ([0.3, np.nan, 0.8], None), ([0.01, 0, 5], 1), ([], None)]
)
def test_a_log_axis_has_labels_but_not_too_many(values: list[float], dtick: int | str | None) -> None:
    y = np.array(values, dtype=float)
    series = Series("norm", np.arange(float(len(y))), y, "accent")
    axis = panel_spec(Panel("Gradient", "Norm", (series,), y_log=True))["yaxis"]
    assert axis["dtick"] == dtick
    assert axis.get("tickformat") == (None if dtick == 1 else "~g"), "a 5 as large as a 10"


def test_percent_axis_and_the_first_point_is_marked() -> None:
    one = np.array([0.5])
    spec = panel_spec(Panel("A", "Accuracy", (Series("val", one, one, "val"),), y_percent=True))
    assert spec["yaxis"]["tickformat"] == ".2~%"
    assert spec["traces"][0]["mode"] == "lines+markers"


def test_an_area_lies_between_a_line_and_the_one_before() -> None:
    low, high = Series("1 %", *line(3), "train"), Series("99 %", *line(3), "train", fill=0.25)
    assert [trace["fill"] for trace in panel_spec(Panel("A", "a", (low, high)))["traces"]] == [0.0, 0.25]


def test_x_and_y_must_match() -> None:
    series = Series("train", np.arange(3), np.arange(4), "train")
    with pytest.raises(ValueError, match="'train'"):
        panel_spec(Panel("Loss", "Loss", (series,)))


def test_all_panels_share_the_widest_x_span() -> None:
    short, long = Series("a", *line(11), "train"), Series("b", *line(101), "val")
    assert x_span([Panel("A", "a", (short,)), Panel("B", "b", (long,))]) == (-1.0, 101.0)


def test_x_span_of_nothing_and_of_one_point_is_not_empty() -> None:
    low, high = x_span([Panel("A", "a", ())])
    assert low < high
    one = Series("a", np.array([7]), np.array([1]), "train")
    low, high = x_span([Panel("A", "a", (one,))])
    assert low < 7 < high


@pytest.mark.parametrize(("values", "form"), [([1e-4, 4e-4], "e"), ([60.0, 999.0], "e"), ([900.0, 80_000.0], "SI")])
def test_large_numbers_are_written_as_80k_and_small_ones_as_4e_4(values: list[float], form: str) -> None:
    series = Series("a", np.arange(len(values)), np.array(values), "train")
    assert panel_spec(Panel("Speed", "Images per second", (series,)))["yaxis"]["exponentformat"] == form
