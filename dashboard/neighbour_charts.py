"""The map of images that a network makes, as a Plotly figure. No Streamlit here."""

import numpy as np
import plotly.graph_objects as go

from core.inspection.embedding import Embedding
from dashboard.charts import class_labels
from dashboard.colors import MISTAKE

# Tableau's ten: as many as CIFAR-10 has classes, told apart on light and on dark; more classes take turns.
_COLORS = ("#4E79A7", "#F28E2B", "#E15759", "#76B7B2", "#59A14F", "#EDC948", "#B07AA1", "#FF9DA7", "#9C755F", "#BAB0AC")
# Another for each class, and for each turn of the colours.
_SYMBOLS = ("circle", "diamond", "square", "cross", "triangle-up")
_HEIGHT = 560


def embedding_map(found: Embedding, here: np.ndarray, nearest: np.ndarray) -> go.Figure:
    """The images on the plane in the colours of their classes; a star at `here` (2), rings around the `nearest`.

    nearest: which of the N images of `found`; those that are not on the plane have no ring. A point's custom data is
    the image's number in the set.
    """
    figure = go.Figure()
    numbers, labels = found.numbers[found.on_plane], found.labels[found.on_plane]
    for index, label in enumerate(class_labels(found.class_names)):
        mine = labels == index
        figure.add_scatter(
            x=found.plane[mine, 0], y=found.plane[mine, 1], mode="markers", name=label, customdata=numbers[mine],
            marker={"color": _COLORS[index % len(_COLORS)], "size": 6, "opacity": 0.75,
                    "symbol": _SYMBOLS[(index + index // len(_COLORS)) % len(_SYMBOLS)]},
            selected={"marker": {"opacity": 0.75}}, unselected={"marker": {"opacity": 0.75}},
            hovertemplate="test image %{customdata:,}<extra>" + label + "</extra>",
        )  # fmt: skip
    ringed = found.plane[np.isin(found.on_plane, nearest)]
    _overlay(figure, ringed, "nearest", {"symbol": "circle-open", "size": 13, "line": {"width": 2}})
    _overlay(
        figure, here[None], "the picture", {"symbol": "star", "size": 18, "line": {"width": 1.5, "color": "white"}}
    )
    figure.update_layout(
        height=_HEIGHT, margin={"l": 0, "r": 0, "t": 8, "b": 0}, dragmode="pan",
        legend={"orientation": "h", "y": 0, "yanchor": "top", "itemsizing": "constant"},
    )  # fmt: skip
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x")
    return figure


def _overlay(figure: go.Figure, places: np.ndarray, name: str, marker: dict[str, object]) -> None:
    """Marks on top of the points, which are not there for the mouse."""
    figure.add_scatter(
        x=places[:, 0], y=places[:, 1], mode="markers", name=name, marker=marker | {"color": MISTAKE}, hoverinfo="skip"
    )
