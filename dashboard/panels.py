"""Charts of lines as data: panels of series, thinned out and packed for plotly.js. No Streamlit here."""

import base64
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_POINTS = 1500
MIN_POINTS = 5


@dataclass(frozen=True)
class Series:
    """One line of a panel."""

    name: str
    """Legend text; also identifies the line from tick to tick, so keep it stable."""
    x: np.ndarray
    """Horizontal positions, shape (N,), increasing, in the unit of the chart's `x_title`."""
    y: np.ndarray
    """Values, shape (N,), in the unit of the panel's `y_title`; NaN and infinity draw a gap."""
    color: str
    """A role with a light and a dark shade (`train`, `val`, `test`, `accent`, `muted`) or a
    CSS colour such as `#0072B2`."""
    dash: str = "solid"
    """plotly dash style: solid, dash, dot, dashdot."""
    markers: bool = False
    """Mark each point as well; tells two lines apart without colour."""
    symbol: str = "circle"
    """plotly name of those marks."""
    width: float = 2
    """Of the line, in CSS pixels."""
    fill: float = 0.0
    """Opacity, 0..1, of the area between this line and the one before it; `color` is then a role or `#RRGGBB`."""
    group: str = ""
    """Lines of one group are shown and hidden together, by one entry of the legend."""
    in_legend: bool = True


@dataclass(frozen=True)
class Panel:
    """One chart of the grid."""

    title: str
    y_title: str
    """Axis title with its unit, for example `Images per second`."""
    series: tuple[Series, ...]
    note: str = ""
    """A few words behind the title that say what it leaves open; they may change from tick to tick."""
    y_log: bool = False
    y_percent: bool = False
    """Values are fractions in 0..1, shown as percentages."""
    y_range: tuple[float, float] | None = None
    """Fixed limits in the unit of the values; None follows the data."""
    height: int = 300
    """Height of the plot in CSS pixels, without the title."""
    alt: str = ""
    """The takeaway in one sentence for screen readers; the title when empty."""
    empty: str = "Waiting for the first step"
    """Shown as long as no series has a point."""
    max_points: int = MAX_POINTS
    """Upper limit of points sent per series, at least 5."""


def panel_spec(panel: Panel) -> dict[str, Any]:
    """One panel as JSON-ready plotly parts; the browser adds colours, fonts and size."""
    return {
        "title": panel.title,
        "note": panel.note,
        "alt": panel.alt or panel.title,
        "empty": panel.empty,
        "height": panel.height,
        "yaxis": _y_axis(panel),
        "traces": [_trace(series, panel.max_points) for series in panel.series],
    }


def x_span(panels: Sequence[Panel]) -> tuple[float, float]:
    """The x range that all panels share, in the unit of x, with 1 % of air on both sides."""
    ends = [end for panel in panels for series in panel.series for end in _ends(series.x)]
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    if low == high:
        return low - 0.05, low + 1
    air = (high - low) / 100
    return low - air, high + air


def decimate(x: np.ndarray, y: np.ndarray, max_points: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `max_points` points of a line that keep its spikes, its gaps and both its ends.

    Takes arrays of shape (N,) and returns a subset of their points in the same order: the
    minimum and maximum of each bucket, and its first non-finite value if it has one. Lines that
    are short enough come back unchanged. Raises ValueError when `max_points` is below 5.
    """
    if max_points < MIN_POINTS:
        raise ValueError(f"max_points must be at least {MIN_POINTS}, got {max_points}")
    n = len(y)
    if n <= max_points:
        return x, y
    gap = ~np.isfinite(y)
    buckets = max((max_points - 2) // (3 if gap.any() else 2), 1)
    # Powers of two keep the bucket edges where they are while a run grows: otherwise each tick
    # would pick other points and the whole line would shimmer.
    size = 1 << (math.ceil(n / buckets) - 1).bit_length()
    rows = np.pad(y, (0, -n % size), constant_values=np.nan).reshape(-1, size)
    missing = ~np.isfinite(rows)
    firsts = np.arange(len(rows)) * size
    low = firsts + np.where(missing, np.inf, rows).argmin(axis=1)
    high = firsts + np.where(missing, -np.inf, rows).argmax(axis=1)
    holes = np.flatnonzero(gap)
    holes = holes[np.unique(holes // size, return_index=True)[1]]
    kept = np.unique(np.concatenate(([0, n - 1], low, high, holes)))
    return x[kept], y[kept]


def pack(values: np.ndarray) -> dict[str, str]:
    """A plotly typed-array spec: little-endian float32 as base64, float64 beyond 2**24.

    float32 counts steps exactly up to 2**24 (16.7 million) and halves what is sent; clock times
    in seconds need the longer form. Infinity becomes NaN, which draws a gap.
    """
    finite = np.isfinite(values)
    wide = bool(np.any(np.abs(values[finite]) > 2**24))
    numbers = np.where(finite, values, np.nan).astype("<f8" if wide else "<f4")
    return {
        "dtype": "f8" if wide else "f4",
        "bdata": base64.b64encode(numbers.tobytes()).decode("ascii"),
    }


def _ends(x: np.ndarray) -> tuple[float, ...]:
    return (float(x[0]), float(x[-1])) if len(x) else ()


def _trace(series: Series, max_points: int) -> dict[str, Any]:
    x = np.asarray(series.x, dtype=np.float64)
    y = np.asarray(series.y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"series {series.name!r}: x has shape {x.shape}, y has shape {y.shape}")
    x, y = decimate(x, y, max_points)
    # A line needs two points; the very first one would be invisible without a marker.
    markers = series.markers or len(y) == 1
    return {
        "name": series.name,
        "uid": f"s{zlib.crc32(series.name.encode()):08x}",  # plotly puts it into CSS selectors
        "mode": "lines+markers" if markers else "lines",
        "line": {"dash": series.dash, "width": series.width},
        "marker": {"size": 6, "symbol": series.symbol},
        "legendgroup": series.group,
        "showlegend": series.in_legend,
        "color": series.color,
        "fill": series.fill,
        "x": pack(x),
        "y": pack(y),
    }


def _y_axis(panel: Panel) -> dict[str, Any]:
    values = np.concatenate([np.empty(0), *(series.y for series in panel.series)])
    greatest = float(np.nanmax(values, initial=0.0))
    axis: dict[str, Any] = {
        "title": {"text": panel.y_title, "standoff": 12},
        "hoverformat": ",.4~g",
        "exponentformat": "SI" if greatest >= 1000 else "e",  # 80k, and 4e-4 where the other writes 400µ
    }
    if panel.y_percent:
        axis |= {"tickformat": ".2~%", "hoverformat": ".1%"}
    if panel.y_log:
        axis |= {"type": "log"} | _log_ticks(float(np.nanmin(values, initial=np.inf, where=values > 0)), greatest)
    if panel.y_range is not None:
        low, high = panel.y_range
        axis["range"] = [math.log10(low), math.log10(high)] if panel.y_log else [low, high]
    return axis


def _log_ticks(least: float, greatest: float) -> dict[str, Any]:
    """Powers of ten alone over two decades and more; 2 and 5 between them below; else as plotly thinks."""
    if greatest >= 100 * least:
        return {"dtick": 1, "exponentformat": "power"}
    # With a format of its own a 5 is written as large as a 10, and what stands between 10 and 100 as 20, not as 2.
    return {"dtick": "D2" if greatest >= 4 * least else None, "tickformat": "~g"}
