"""Several runs, or two networks, in one chart: told apart by colour and by dash or pattern. No Streamlit here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from core.prediction import Prediction
from dashboard.charts import Look, class_labels, positions, smooth
from dashboard.colors import ACCENT, MISTAKE, MUTED
from dashboard.panels import Panel, Series

# Okabe and Ito's palette, without black and yellow, which vanish on one of the two themes.
COLORS = ("#0072B2", MISTAKE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", MUTED)
A_AND_B = ({"color": COLORS[0]}, {"color": COLORS[1], "pattern": {"shape": "/"}})
BEFORE_AND_NOW = ({"color": MUTED}, {"color": ACCENT})
_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
_MAX_POINTS = 800
_MEASURES: dict[str, dict[str, Any]] = {  # of steps and epochs; the others are of steps alone
    "loss": {"title": "Loss", "y_title": "Cross-entropy"},
    "accuracy": {"title": "Accuracy", "y_title": "Share correct", "y_percent": True, "y_range": (0.0, 1.0)},
}
_OF_STEPS: dict[str, dict[str, Any]] = {
    "learning_rate": {"title": "Learning rate", "y_title": "Rate"},
    "gradient_norm": {"title": "Gradient", "y_title": "Norm", "y_log": True},
}


@dataclass(frozen=True)
class Curves:
    """What a run logged. steps, epochs: as MetricsReader gives them."""

    name: str
    steps: dict[str, np.ndarray]
    epochs: Sequence[dict[str, Any]]
    steps_per_epoch: float


def overlaid_panels(runs: Sequence[Curves], look: Look) -> list[Panel]:
    """Loss and accuracy of at most seven runs; learning rate and gradient where they were recorded."""
    names = ", ".join(run.name for run in runs)
    panels = []
    for measure, kind in _MEASURES.items():
        lines = tuple(line for number, run in enumerate(runs) for line in _lines(number, run, measure, look))
        is_log = measure == "loss" and look.log_loss
        alt = f"Training and validation {measure} of {names}"
        panels.append(Panel(series=lines, height=330, max_points=_MAX_POINTS, alt=alt, y_log=is_log, **kind))
    for measure, kind in _OF_STEPS.items():
        lines = tuple(_line(number, run, measure, look) for number, run in enumerate(runs))
        if any(np.isfinite(line.y).any() for line in lines):
            alt = f"{kind['title']} of {names}"
            panels.append(Panel(series=lines, height=200, max_points=_MAX_POINTS // 2, alt=alt, **kind))
    return panels


def _style(number: int, run: Curves) -> dict[str, Any]:
    return {"color": COLORS[number], "dash": _DASHES[number % len(_DASHES)], "group": run.name}


def _line(number: int, run: Curves, measure: str, look: Look) -> Series:
    """What no epoch sums up, as it is. Seven names would take half of so low a chart: the legends above have them."""
    x, _ = positions(run.steps, run.epochs, steps_per_epoch=run.steps_per_epoch, x_axis=look.x_axis)
    return Series(run.name, x, run.steps[measure], width=1.2, in_legend=False, **_style(number, run))


def _lines(number: int, run: Curves, measure: str, look: Look) -> tuple[Series, Series]:
    """Training, thin and smoothed; validation with a mark an epoch, where there is one the entry of the legend."""
    style = _style(number, run)
    x, epoch_x = positions(run.steps, run.epochs, steps_per_epoch=run.steps_per_epoch, x_axis=look.x_axis)
    y = smooth(run.steps[measure], look.smoothing)
    epoch_y = np.array([record[f"val_{measure}"] for record in run.epochs])
    judged = bool(run.epochs)
    return (
        Series(f"{run.name}, training", x, y, width=1.2, in_legend=not judged, **style),
        Series(run.name, epoch_x, epoch_y, width=2.5, markers=True, symbol=_SYMBOLS[number], in_legend=judged, **style),
    )


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
