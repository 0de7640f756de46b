"""Several runs, or two networks, in one chart: told apart by colour and by dash or pattern. No Streamlit here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from core.prediction import Prediction
from dashboard.charts import X_TITLES, class_labels, positions, smooth
from dashboard.colors import ACCENT, MISTAKE, MUTED
from dashboard.components.live_chart import decimate

# Okabe and Ito's palette, without black and yellow, which vanish on one of the two themes.
COLORS = ("#0072B2", MISTAKE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", MUTED)
A_AND_B = ({"color": COLORS[0]}, {"color": COLORS[1], "pattern": {"shape": "/"}})
BEFORE_AND_NOW = ({"color": MUTED}, {"color": ACCENT})
_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
_MAX_POINTS = 800
Measure = Literal["loss", "accuracy"]


@dataclass(frozen=True)
class Curves:
    """What a run logged. steps, epochs: as MetricsReader gives them."""

    name: str
    steps: dict[str, np.ndarray]
    epochs: Sequence[dict[str, Any]]
    steps_per_epoch: float


def overlaid_curves(runs: Sequence[Curves], measure: Measure, x_axis: str, smoothing: float) -> go.Figure:
    """Training (thin, smoothed) and validation (a mark an epoch) of at most seven runs over step, epoch or minutes."""
    figure = go.Figure()
    for number, run in enumerate(runs):
        color, dash = COLORS[number], _DASHES[number % len(_DASHES)]
        x, epoch_x = positions(run.steps, run.epochs, steps_per_epoch=run.steps_per_epoch, x_axis=x_axis)
        x, y = decimate(x, smooth(run.steps[measure], smoothing), _MAX_POINTS)
        figure.add_scatter(
            x=x, y=y, name=run.name, legendgroup=run.name, showlegend=not run.epochs, opacity=0.55, mode="lines",
            line={"color": color, "dash": dash, "width": 1.2}, hovertemplate=_hover("training", measure),
        )  # fmt: skip
        figure.add_scatter(
            x=epoch_x, y=[record[f"val_{measure}"] for record in run.epochs], name=run.name, legendgroup=run.name,
            showlegend=bool(run.epochs), mode="lines+markers", line={"color": color, "dash": dash, "width": 2.5},
            marker={"symbol": _SYMBOLS[number], "size": 8}, hovertemplate=_hover("validation", measure),
        )  # fmt: skip
    figure.update_layout(
        height=360, margin={"l": 0, "r": 8, "t": 8, "b": 0}, uirevision=x_axis,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )  # fmt: skip
    figure.update_xaxes(title=X_TITLES[x_axis])
    if measure == "accuracy":
        figure.update_yaxes(title="Accuracy", range=[0, 1], tickformat=".0%")
    else:
        figure.update_yaxes(title="Cross-entropy", rangemode="tozero")
    return figure


def _hover(part: str, measure: Measure) -> str:
    value = "%{y:.1%}" if measure == "accuracy" else "%{y:.3f}"
    return f"{part} {value}<extra>%{{fullData.name}}</extra>"


def paired_probabilities(
    said: Mapping[str, Prediction], k: int, truth: str | None, markers: Sequence[dict[str, Any]] = A_AND_B
) -> go.Figure:
    """The k classes most probable to one of two sides, a bar for each; a class that a side lacks has none."""
    sides = [dict(side.top(len(side.class_names))) for side in said.values()]
    greatest = {name: max(side.get(name, 0.0) for side in sides) for name in sides[0] | sides[1]}
    names = sorted(greatest, key=lambda name: -greatest[name])[:k]
    labels = class_labels(names, truth)
    figure = go.Figure()
    for title, side, marker in zip(said, sides, markers, strict=True):
        figure.add_bar(
            x=[side.get(name) for name in names], y=labels, name=title, orientation="h", texttemplate="%{x:.1%}",
            textposition="outside", cliponaxis=False, marker=marker,
            hovertemplate="%{y}: %{x:.2%}<extra>" + title + "</extra>",
        )  # fmt: skip
    figure.update_layout(
        barmode="group", height=60 + 46 * len(names), margin={"l": 0, "r": 48, "t": 8, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure
