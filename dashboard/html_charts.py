"""Small charts that are repainted many times a second while time runs: plain HTML, no script. No Streamlit here."""

from collections.abc import Sequence
from html import escape

import numpy as np

from core.inspection.mosaic import colormap

_ACCENT = "#0F8B8B"
_DARK_TEXT_FROM = 150  # of 255: the lightness of a cell from which black is read better than white


def probability_rows(probabilities: np.ndarray, names: Sequence[str], truth: str) -> str:
    """A bar for each class in the order of the classes, so that it keeps its place over time."""
    best = int(probabilities.argmax())
    rows = "".join(
        f'<div style="display:flex;align-items:center;gap:0.5rem;font-size:0.8rem;line-height:1.55">'
        f'<span style="width:6.5em;text-align:right;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;'
        f'font-weight:{700 if i == best else 400}">{escape(name)}{" ✓" if name == truth else ""}</span>'
        f'<span style="flex:1;background:rgba(128,128,128,0.18);border-radius:2px"><span style="display:block;'
        f'height:0.8em;width:{100 * value:.1f}%;background:{_ACCENT};border-radius:2px"></span></span>'
        f'<span style="width:3.2em;text-align:right;font-variant-numeric:tabular-nums">{value:.1%}</span></div>'
        for i, (name, value) in enumerate(zip(names, probabilities.tolist(), strict=True))
    )
    return f'<div role="img" aria-label="{escape(names[best])}: {probabilities[best]:.1%}">{rows}</div>'


def confusion_table(counts: np.ndarray, names: Sequence[str]) -> str:
    """True class by predicted class; the colour is the share of the true class, the number the count."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    head = "".join(
        f'<th style="font-weight:400;height:5.2em;vertical-align:bottom;padding:0"><span style="writing-mode:'
        f'vertical-rl;transform:rotate(180deg)">{escape(name)}</span></th>'
        for name in names
    )
    rows = "".join(
        f'<tr><th style="font-weight:400;text-align:right;padding-right:0.5em;white-space:nowrap">{escape(name)}</th>'
        + "".join(map(_cell, counts[i].tolist(), shares[i].tolist()))
        + "</tr>"
        for i, name in enumerate(names)
    )
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:separate;border-spacing:1px;font-size:0.75rem;'
        f'font-variant-numeric:tabular-nums;width:100%"><caption style="caption-side:bottom;opacity:0.75">'
        f"Rows: true class. Columns: predicted class.</caption><tr><th></th>{head}</tr>{rows}</table></div>"
    )


def _cell(count: int, share: float) -> str:
    red, green, blue = colormap("viridis")[round(share * 255)].tolist()
    lightness = 0.3 * red + 0.59 * green + 0.11 * blue
    ink = "#000" if lightness > _DARK_TEXT_FROM else "#fff"
    return (
        f'<td style="background:rgb({red},{green},{blue});color:{ink};text-align:center;height:2em;min-width:2em">'
        f"{count}</td>"
    )
