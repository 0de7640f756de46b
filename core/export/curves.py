"""Metrics as Plotly charts for the report: plain dictionaries, so that nothing of plotly is imported."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from core.export.html import chart, text
from core.inspection.mosaic import colormap

MAX_POINTS = 1500  # of a curve: more than a screen has pixels, and the file stays small
_TRAIN, _VAL, _ACCENT = "#2b8cc4", "#e07b39", "#0f9b9b"  # told apart by most, on white and on black
_OF_STEPS: dict[str, tuple[str, dict[str, Any]]] = {  # what no epoch sums up
    "learning_rate": ("Learning rate", {"exponentformat": "power"}),
    "gradient_norm": ("Norm of the gradient", {"type": "log", "dtick": "D2", "tickformat": "~g"}),
    "images_per_second": ("Images per second", {"rangemode": "tozero"}),
}
_LONGEST = 28  # letters of a class name on an axis
_MOST_CLASSES = 100  # that a confusion matrix is drawn for
MOST_NUMBERS = 20  # classes: the numbers of more take a megabyte each time, and nobody can read them


def learning_charts(steps: dict[str, np.ndarray], epochs: Sequence[dict[str, Any]]) -> str:
    """Loss, accuracy, and what else was recorded of each step, over the training step."""
    axis = {"title": {"text": "Step"}}
    parts = []
    of_both = {"loss": ("Cross-entropy", {}), "accuracy": ("Accuracy", {"tickformat": ".0%", "range": [0, 1]})}
    for name, (title, y_axis) in of_both.items():
        x, y = thinned(steps["step"], steps[name])
        data = [_line("training", x, y, _TRAIN, width=1.2)]
        if epochs:
            values = [record[f"val_{name}"] for record in epochs]
            data.append(
                _line("validation", [record["step"] for record in epochs], values, _VAL, dash="dash", marked=True)
            )
        last = f"; validation ends at {epochs[-1][f'val_{name}']:.3f}" if epochs else ""
        layout = {"title": {"text": title, "x": 0}, "xaxis": axis, "yaxis": y_axis}
        parts.append(chart(name, f"{title} over {len(steps['step']):,} training steps{last}.", data, layout))
    for name, (title, y_axis) in _OF_STEPS.items():
        if np.isfinite(steps[name]).any():  # older runs know no gradient
            x, y = thinned(steps["step"], steps[name])
            layout = {"title": {"text": title, "x": 0}, "xaxis": axis, "yaxis": y_axis}
            greatest = f"{title} over the steps; at most {np.nanmax(steps[name]):.3g}."
            parts.append(chart(name, greatest, [_line(title, x, y, _ACCENT)], layout, height=220))
    return f'<div class="pair">{"".join(parts)}</div>'


def class_charts(counts: np.ndarray, names: Sequence[str]) -> str:
    """Confusion matrix (K x K, true by predicted) and the accuracy of each class."""
    totals = counts.sum(1)
    share = counts / np.maximum(totals[:, None], 1)
    shown = [text(name) for name in names]
    height = 120 + 34 * max(len(names), 8) if len(names) <= MOST_NUMBERS else 700
    matrix = {
        "type": "heatmap", "z": share.round(4).tolist(), "x": shown, "y": shown, "zmin": 0, "zmax": 1,
        "colorscale": plotly_scale("viridis"), "colorbar": {"tickformat": ".0%", "thickness": 12},
        "text": counts.tolist(), "hovertemplate": "true %{y}, predicted %{x}: %{text} (%{z:.1%})<extra></extra>",
    }  # fmt: skip
    if len(names) <= MOST_NUMBERS:
        matrix |= {"texttemplate": "%{text}"}
    bars = {
        "type": "bar", "orientation": "h", "y": shown, "marker": {"color": _ACCENT}, "cliponaxis": False,
        "x": [float(share[i, i]) if totals[i] else None for i in range(len(names))], "texttemplate": "%{x:.0%}",
        "textposition": "outside", "hovertemplate": "%{y}: %{x:.1%}<extra></extra>",
    }  # fmt: skip
    short = [text(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…") for name in names]
    labels = {"type": "category", "tickvals": shown, "ticktext": short}
    down = {"autorange": "reversed", **labels}
    accuracy = chart(
        "classes", _classes_alt(share, totals, names), [bars],
        {"title": {"text": "Accuracy of each class", "x": 0}, "yaxis": down, "showlegend": False,
         "xaxis": {"range": [0, 1.08], "tickformat": ".0%"}}, height=height,
    )  # fmt: skip
    if len(names) > _MOST_CLASSES:
        return accuracy
    table = chart(
        "confusion", _confusion_alt(counts, names), [matrix],
        {"title": {"text": "Confusion matrix", "x": 0}, "yaxis": down | {"title": {"text": "True"}},
         "xaxis": {"title": {"text": "Predicted"}, **labels}}, height=height,
    )  # fmt: skip
    return f'<div class="pair">{table}{accuracy}</div>'


def plotly_scale(name: str) -> list[list[Any]]:
    """A colour map of core.inspection.mosaic as a Plotly colour scale."""
    table = colormap(name)[::15]
    return [[i / (len(table) - 1), f"rgb({r},{g},{b})"] for i, (r, g, b) in enumerate(table.tolist())]


def thinned(x: np.ndarray, y: np.ndarray, most: int = MAX_POINTS) -> tuple[list[float], list[float | None]]:
    """At most `most` points of a curve, the least and the greatest of each stretch, so that no spike is lost."""
    if len(x) > most:
        edges = np.linspace(0, len(x), most // 2 + 1).astype(int)
        missing = ~np.isfinite(y)
        low, high = np.where(missing, np.inf, y), np.where(missing, -np.inf, y)
        kept = {start + int(place) for start, end in pairwise(edges)
                for place in (low[start:end].argmin(), high[start:end].argmax())}  # fmt: skip
        index = np.array(sorted(kept))
        x, y = x[index], y[index]
    return x.tolist(), [float(f"{value:.6g}") if np.isfinite(value) else None for value in y]


def _line(name: str, x: list[float], y: Any, color: str, *, width: float = 2, dash: str = "solid",
          marked: bool = False) -> dict[str, Any]:  # fmt: skip
    return {"type": "scatter", "name": name, "x": x, "y": y, "mode": "lines+markers" if marked else "lines",
            "line": {"color": color, "width": width, "dash": dash}}  # fmt: skip


def _classes_alt(share: np.ndarray, totals: np.ndarray, names: Sequence[str]) -> str:
    known = np.flatnonzero(totals)
    if not len(known):
        return "Accuracy of each class; no image was judged."
    best, worst = (int(known[pick(share.diagonal()[known])]) for pick in (np.argmax, np.argmin))
    return (
        f"Accuracy of each class: best {names[best]} with {share[best, best]:.0%}, "
        f"worst {names[worst]} with {share[worst, worst]:.0%}."
    )


def _confusion_alt(counts: np.ndarray, names: Sequence[str]) -> str:
    wrong = counts - np.diag(counts.diagonal())
    if not wrong.any():
        return f"Confusion matrix of {counts.sum():,} images without a mistake."
    true, predicted = divmod(int(wrong.argmax()), len(names))
    return (
        f"Confusion matrix of {counts.sum():,} images; the most frequent mistake takes {names[true]} for "
        f"{names[predicted]}, {wrong[true, predicted]} times."
    )
