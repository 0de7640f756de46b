"""Plotly figures of how well a network judges: by class, by confidence, over the epochs. No Streamlit here."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.history import History
from core.outcomes import Calibration, Outcomes
from dashboard.charts import class_labels
from dashboard.colors import ACCENT, MISTAKE, MUTED

_STATES = {  # Okabe and Ito: from settled to not yet
    "correct throughout": "#009E73",
    "correct again": "#56B4E9",
    "forgotten": MISTAKE,
    "not yet correct": "#999999",
}


def class_intervals(outcomes: Outcomes) -> go.Figure:
    """The accuracy of each class with its 95 % interval."""
    accuracies, (low, high) = outcomes.per_class_accuracy, outcomes.per_class_interval()
    counts = outcomes.confusion.sum(1)
    figure = go.Figure(
        go.Scatter(
            x=accuracies, y=class_labels(outcomes.class_names), mode="markers", marker={"size": 9, "color": ACCENT},
            error_x={"type": "data", "symmetric": False, "array": high - accuracies, "arrayminus": accuracies - low},
            customdata=np.stack([low, high, counts], 1),
            hovertemplate="%{y}: %{x:.1%} of %{customdata[2]} images,"
            " 95 % interval %{customdata[0]:.1%} to %{customdata[1]:.1%}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_vline(x=outcomes.accuracy, line={"color": MUTED, "dash": "dash"})
    figure.update_layout(height=max(260, 60 + 34 * len(accuracies)), margin={"l": 0, "r": 16, "t": 8, "b": 0})
    figure.update_xaxes(range=[0, 1], tickformat=".0%", title="Accuracy (dashed: of all)")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def reliability(found: Calibration) -> go.Figure:
    """Accuracy by confidence, with the diagonal of a network that keeps its word; below, the images of each bin."""
    middles, width = (found.edges[:-1] + found.edges[1:]) / 2, found.edges[1] - found.edges[0]
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.72, 0.28], vertical_spacing=0.05)
    about = np.stack([found.edges[:-1], found.edges[1:], found.confidence, found.accuracy, found.counts], 1)
    hover = (
        "confidence %{customdata[0]:.0%} to %{customdata[1]:.0%}, %{customdata[4]} images<br>"
        "said %{customdata[2]:.1%}, met %{customdata[3]:.1%}<extra></extra>"
    )
    bars = {"x": middles, "width": width * 0.92, "customdata": about, "hovertemplate": hover}
    figure.add_bar(y=found.accuracy, marker_color=ACCENT, name="accuracy", row=1, col=1, **bars)
    figure.add_bar(
        y=found.confidence - found.accuracy, base=found.accuracy, name="gap to what was said", row=1, col=1,
        marker={"color": "rgba(213,94,0,0.25)", "line": {"color": MISTAKE, "width": 1}}, **bars,
    )  # fmt: skip
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": MUTED, "dash": "dash"}, name="keeps its word",
        hoverinfo="skip", row=1, col=1,
    )  # fmt: skip
    figure.add_bar(y=found.counts, marker_color=MUTED, showlegend=False, row=2, col=1, **bars)
    figure.update_layout(
        height=440, barmode="overlay", margin={"l": 0, "r": 16, "t": 8, "b": 0},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    figure.update_yaxes(range=[0, 1], tickformat=".0%", title="Accuracy", row=1, col=1)
    figure.update_yaxes(title="Images", row=2, col=1)
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    figure.update_xaxes(title="Confidence", row=2, col=1)
    return figure


def learning_shares(history: History) -> go.Figure:
    """Which share of the images is learnt, forgotten or not yet known after each epoch, stacked to 100 %."""
    figure = go.Figure(layout_barmode="stack")
    for name, share in history.shares().items():
        course = {"x": history.epochs, "y": share, "name": name, "hovertemplate": "epoch %{x}: %{y:.1%}"}
        if len(share) == 1:  # an area needs two
            figure.add_bar(**course, width=0.3, marker_color=_STATES[name])
        else:
            figure.add_scatter(**course, stackgroup="all", mode="lines", line={"width": 0.5, "color": _STATES[name]})
    figure.update_layout(
        height=340, margin={"l": 0, "r": 16, "t": 8, "b": 0}, hovermode="x unified",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )  # fmt: skip
    _name_epochs(figure, history.epochs)
    figure.update_yaxes(range=[0, 1], tickformat=".0%", title="Share of the images")
    return figure


def true_probability(epochs: Sequence[int], probabilities: np.ndarray, correct: np.ndarray) -> go.Figure:
    """The probability of the true class of one image after each epoch; filled where the image was correct."""
    figure = go.Figure(
        go.Scatter(
            x=list(epochs), y=probabilities, mode="lines+markers", line={"color": MUTED, "width": 1.5},
            marker={"size": 8, "color": np.where(correct, ACCENT, MISTAKE).tolist(),
                    "symbol": np.where(correct, "circle", "x").tolist()},
            text=np.where(correct, "correct", "wrong").tolist(),
            hovertemplate="epoch %{x}: %{y:.1%}, %{text}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_layout(height=230, margin={"l": 0, "r": 16, "t": 8, "b": 0})
    _name_epochs(figure, epochs)
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%", title="Probability of the true class")
    return figure


def _name_epochs(figure: go.Figure, epochs: Sequence[int]) -> None:
    """The axis of epochs; without halves of them where they are few."""
    figure.update_xaxes(title="Epoch", dtick=1 if epochs[-1] - epochs[0] < 10 else None)
