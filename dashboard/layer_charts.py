"""What the numbers in the layers were like over a training, as panels for the live charts. No Streamlit here."""

import numpy as np

from core.runs.layer_statistics import KINDS, LAYERS, QUANTILES, RELU_LAYERS, LayerStatistics
from dashboard.comparison_charts import COLORS
from dashboard.panels import Panel, Series

_COLORS = (*COLORS[:5], COLORS[0], COLORS[1], COLORS[2])  # conv1 to conv5, then fc6 to fc8, dashed
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "circle", "square", "diamond")
_BANDS = (0.0, 0.12, 0.24, 0.4, 0.4, 0.24, 0.12)  # opacity between a quantile and the one below it
_UNITS = {"weights": "Weight", "gradients": "Gradient of the loss", "outputs": "Output before the ReLU"}


def overview_panels(epochs: np.ndarray, found: LayerStatistics) -> list[Panel]:
    """All layers in one chart each: how large gradients are, how far weights moved, how much the ReLU makes zero.

    epochs: float64, M. found: of as many moments.
    """
    start = "where they began" if epochs[0] == 0 else f"where they were after epoch {epochs[0]:g}"
    gradients = found.rms[:, KINDS.index("gradients")]
    return [
        _panel("Gradients", "Root mean square", epochs, gradients, y_log=True),
        _panel(f"Weights: how far from {start}", "Share of their size", epochs, found.moved, y_percent=True),
        _panel("Outputs that the ReLU makes zero", "Share", epochs, found.zeros, y_percent=True, y_range=(0.0, 1.0)),
        _panel("Channels that are zero everywhere", "Share", epochs, found.silent, y_percent=True, y_range=(0.0, 1.0)),
    ]


def _panel(title: str, y_title: str, epochs: np.ndarray, values: np.ndarray, **look: object) -> Panel:
    """values: M x layers. On a logarithmic axis what is zero has no place, and leaves a gap."""
    layers = LAYERS[: values.shape[1]]
    shown = np.where(values > 0, values, np.nan) if look.get("y_log") else values
    lines = tuple(
        Series(layer, epochs, shown[:, i], _COLORS[i], dash="dash" if layer.startswith("fc") else "solid", markers=True,
               symbol=_SYMBOLS[i])
        for i, layer in enumerate(layers)
    )  # fmt: skip
    now = ", ".join(f"{layer} {value:.3g}" for layer, value in zip(layers, values[-1], strict=True))
    return Panel(title, y_title, lines, alt=f"{title}, of each layer; now {now}", **look)  # type: ignore[arg-type]


def spread_panels(epochs: np.ndarray, found: LayerStatistics, layer: str) -> list[Panel]:
    """How one layer's weights, gradients and outputs are spread: their quantiles, with bands between them."""
    index = LAYERS.index(layer)
    panels = []
    for number, kind in enumerate(KINDS):
        quantiles = found.quantiles[:, number, index]
        lines = tuple(
            Series("median" if share == 0.5 else f"{share:.0%}", epochs, quantiles[:, i], "train",
                   width=2.5 if share == 0.5 else 0.6, fill=_BANDS[i], in_legend=False)
            for i, share in enumerate(QUANTILES)
        )  # fmt: skip
        title = f"{kind.capitalize()} of {layer}"
        alt = f"{title}: nine in ten now lie from {quantiles[-1, 1]:.3g} to {quantiles[-1, -2]:.3g}"
        panels.append(Panel(title, _unit(kind, layer), lines, alt=alt))
    return panels


def _unit(kind: str, layer: str) -> str:
    return "Score of a class" if kind == "outputs" and layer not in RELU_LAYERS else _UNITS[kind]
