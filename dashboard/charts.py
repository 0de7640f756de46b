"""From records to pictures: panels for the live charts, Plotly figures for the rest. No Streamlit here."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.config import TrainConfig
from core.export.curves import MOST_NUMBERS
from core.prediction import Prediction
from dashboard.colors import ACCENT
from dashboard.panels import Panel, Series

X_AXES = {"Step": "step", "Epoch": "epoch", "Time": "minutes"}
X_TITLES = {"step": "Step", "epoch": "Epoch", "minutes": "Minutes"}
_SMALL_POINTS = 400


@dataclass(frozen=True)
class Look:
    """How to draw the curves of a training. x_axis: step, epoch or minutes. smoothing: 0 (none) to below 1."""

    x_axis: str = "step"
    smoothing: float = 0.0
    log_loss: bool = False


def smooth(values: np.ndarray, amount: float) -> np.ndarray:
    """Exponential moving average; amount 0 (none) to below 1, corrected for its start."""
    if amount <= 0 or len(values) < 2:
        return values
    result: np.ndarray = pd.Series(values).ewm(alpha=1 - amount).mean().to_numpy()
    return result


def training_panels(
    steps: dict[str, np.ndarray],
    epochs: Sequence[dict[str, Any]],
    config: TrainConfig,
    *,
    steps_per_epoch: float,
    look: Look,
) -> list[Panel]:
    """Loss, accuracy, learning rate, gradient and pace. steps, epochs: of a run of `config`, as MetricsReader gives."""
    x, epoch_x = positions(steps, epochs, steps_per_epoch=steps_per_epoch, x_axis=look.x_axis)

    def pair(train: str, val: str) -> tuple[Series, ...]:
        return (
            Series("training", x, smooth(steps[train], look.smoothing), "train"),
            Series("validation", epoch_x, _column(epochs, val), "val", dash="dash", markers=True),
        )

    small: dict[str, Any] = {"height": 200, "max_points": _SMALL_POINTS}
    pace = "a mean of recent steps" + ("; smaller inputs come first" if config.progressive else "")
    return [
        Panel("Loss", "Cross-entropy", pair("loss", "val_loss"), y_log=look.log_loss,
              alt=_alt("loss", epochs, "val_loss")),
        Panel("Accuracy", "Share correct", pair("accuracy", "val_accuracy"), y_percent=True, y_range=(0.0, 1.0),
              alt=_alt("accuracy", epochs, "val_accuracy")),
        Panel("Learning rate", "Rate", (Series("learning rate", x, steps["learning_rate"], "accent"),), **small),
        *_gradient(x, steps["gradient_norm"], config.clip_norm, small),
        Panel("Speed", "Images per second", (Series("images/s", x, steps["images_per_second"], "muted"),), pace,
              **small),
    ]  # fmt: skip


def _gradient(x: np.ndarray, norms: np.ndarray, clip_norm: float, size: dict[str, Any]) -> list[Panel]:
    """The gradient's norm, and to what a longer one was clipped; nothing for a run from before that was recorded."""
    known = norms[np.isfinite(norms)]
    if len(norms) and not len(known):
        return []
    norm = Series("norm", x, norms, "accent")
    ends = x[[0, -1]] if len(x) else x
    limit = Series("clipped to", ends, np.full(len(ends), clip_norm), "muted", dash="dash")
    lines = (norm, limit) if clip_norm else (norm,)
    alt = f"Norm of the gradient of all weights; now {known[-1]:.3g}." if len(known) else ""
    note = ""
    if clip_norm and len(known):
        note = f"before clipping; {np.sum(known > clip_norm):,} of {len(known):,} steps were clipped"
    return [Panel("Gradient", "Norm", lines, note, y_log=True, alt=alt, **size)]


def positions(
    steps: dict[str, np.ndarray], epochs: Sequence[dict[str, Any]], *, steps_per_epoch: float, x_axis: str
) -> tuple[np.ndarray, np.ndarray]:
    """Where the steps and the epochs lie on the horizontal axis."""
    name, unit = {"step": ("step", 1.0), "epoch": ("step", steps_per_epoch), "minutes": ("seconds", 60.0)}[x_axis]
    return steps[name] / unit, _column(epochs, name) / unit


def _column(records: Sequence[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([record[name] for record in records], dtype=float)


def _alt(what: str, epochs: Sequence[dict[str, Any]], column: str) -> str:
    if not epochs:
        return f"Training {what}; no validation yet."
    return f"Training and validation {what}; after {len(epochs)} epochs validation {what} is {epochs[-1][column]:.3f}."


def class_labels(names: Sequence[str], truth: str | None = None) -> list[str]:
    """Class names as Plotly is to write them, which reads a little HTML; the true one is marked.

    Their axis needs type="category": Plotly takes names such as "3" or "2012-10" for numbers and dates.
    """
    shown = [escape(name, quote=False) for name in names]  # Plotly knows no &quot;
    return [f"<b>{label}</b> (true)" if name == truth else label for name, label in zip(names, shown, strict=True)]


def probability_bars(prediction: Prediction, k: int, truth: str | None) -> go.Figure:
    """The k most probable classes, the best on top; the true class is marked where it is known."""
    top = prediction.top(k)[::-1]
    names = class_labels([name for name, _ in top], truth)
    values = [probability for _, probability in top]
    figure = go.Figure(
        go.Bar(
            x=values, y=names, orientation="h", marker_color=ACCENT, text=[f"{value:.1%}" for value in values],
            textposition="outside", cliponaxis=False, hovertemplate="%{y}: %{x:.2%}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(height=60 + 34 * len(top), margin={"l": 0, "r": 48, "t": 8, "b": 8}, showlegend=False)
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    figure.update_yaxes(type="category")
    return figure


def class_accuracies(accuracies: Sequence[float | None], names: Sequence[str]) -> go.Figure:
    """Validation accuracy of each class."""
    values = [np.nan if value is None else value for value in accuracies]
    numbers = "%{x:.0%}" if len(names) <= MOST_NUMBERS else None
    figure = go.Figure(go.Bar(x=values, y=class_labels(names), orientation="h", marker_color=ACCENT))
    figure.update_traces(texttemplate=numbers, textposition="outside", cliponaxis=False)
    figure.update_layout(height=_class_height(names), margin={"l": 0, "r": 48, "t": 8, "b": 0})
    figure.update_xaxes(range=[0, 1], tickformat=".0%", title="Validation accuracy")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def _class_height(names: Sequence[str]) -> int:
    """Pixels: a line for each class, while there is room for their numbers."""
    return 120 + 34 * min(max(len(names), 8), MOST_NUMBERS)
