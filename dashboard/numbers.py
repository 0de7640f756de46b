"""Numbers to follow: rounded so that they add up, in grids with colours, in sums line by line. No Streamlit here."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.inspection.mosaic import colormap
from dashboard.colors import ACCENT, MISTAKE
from dashboard.html_charts import ink_on

_HATCHED = "repeating-linear-gradient(45deg,#b8b8b8 0 2px,#dcdcdc 2px 6px)"
_OUTLINED = "outline:3px solid #d55e00;outline-offset:-3px"
_DENSE_FROM = 7  # columns: three grids of more would not fit beside each other
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def adding_up(parts: np.ndarray, decimals: int, total: float | None = None) -> np.ndarray:
    """`parts` rounded so that what is printed adds up to `total`, by default their sum, rounded alike.

    Each is off by less than one unit of the last decimal more than plain rounding makes it. Same shape; parts that
    aren't finite come back as they are.
    """
    unit = 10.0**decimals
    exact = parts.ravel() * unit
    if not np.isfinite(exact).all():
        return parts
    rounded = np.round(exact)
    missing = int(np.round(exact.sum() if total is None else total * unit) - rounded.sum())
    step = 1 if missing > 0 else -1
    most_willing = np.argsort((rounded - exact) * step, kind="stable")
    rounded[most_willing[: abs(missing)]] += step
    return (rounded / unit).reshape(parts.shape)


def written(value: float, decimals: int) -> str:
    """With a true minus sign, and none before 0."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def tex(value: float, decimals: int) -> str:
    """For a formula; a negative number in brackets."""
    text = f"{round(value, decimals) + 0.0:.{decimals}f}"
    return f"({text})" if text.startswith("-") else text


def scientific(value: float) -> str:
    """One digit and a power of ten: 2 × 10⁻⁷."""
    digit, _, power = f"{value:.0e}".partition("e")
    return f"{digit} × 10{str(int(power)).translate(_RAISED)}" if value and power else digit


def grid_html(
    values: np.ndarray,
    decimals: int,
    *,
    title: str,
    colors: str,
    low: float,
    high: float,
    padding: np.ndarray | None = None,
    outlined: tuple[int, int] | None = None,
) -> str:
    """A small table of numbers (height x width), each on its colour: colour map `colors` from `low` to `high`.

    padding: height x width, bool; those are hatched. outlined: the row and column of a number to point at.
    """
    table = np.repeat(np.arange(256), 3).reshape(256, 3) if colors == "grey" else colormap(colors)
    unit = np.clip(np.nan_to_num((values - low) / max(high - low, 1e-12)), 0, 1)
    shades = table[np.round(unit * 255).astype(int)]
    dense, rows = values.shape[1] > _DENSE_FROM, ""
    for i, row in enumerate(values.tolist()):
        cells = (
            _cell(written(value, decimals), shades[i, j].tolist(), padding is not None and bool(padding[i, j]),
                  (i, j) == outlined)
            for j, value in enumerate(row)
        )  # fmt: skip
        rows += f"<tr>{''.join(cells)}</tr>"
    return (
        f'<div tabindex="0" role="group" aria-label="{escape(title)}" style="overflow-x:auto;max-width:100%">'
        f'<table cellpadding="{1 if dense else 2}" style="border-collapse:separate;border-spacing:1px;line-height:1.5;'
        f'font-size:{0.6 if dense else 0.7}rem;text-align:right;font-variant-numeric:tabular-nums"><caption style="'
        f'caption-side:top;text-align:left;font-size:0.8rem;white-space:nowrap">{escape(title)}</caption>{rows}'
        "</table></div>"
    )


def _cell(text: str, shade: Sequence[int], is_padding: bool, is_outlined: bool) -> str:
    red, green, blue = shade
    ink = "#000" if is_padding else ink_on(shade)
    background = _HATCHED if is_padding else f"#{red:02x}{green:02x}{blue:02x}"
    outline = f";{_OUTLINED};font-weight:700" if is_outlined else ""
    return f'<td style="background:{background};color:{ink}{outline}">{text}</td>'


def equation_html(title: str, grids: Sequence[str], signs: Sequence[str]) -> str:
    """`grids` in a row, a sign before each but the first, wrapping where the window is narrow."""
    parts = [grids[0]]
    for sign, grid in zip(signs, grids[1:], strict=True):
        parts.append(
            f'<div style="display:flex;align-items:center;gap:0.4rem;min-width:0">'
            f'<span style="font-size:1.3rem">{sign}</span>{grid}</div>'
        )
    return (
        f'<section style="margin-bottom:1.1rem"><div style="font-weight:600">{escape(title)}</div><div style="'
        f'display:flex;flex-wrap:wrap;align-items:center;gap:0.3rem 0.4rem">{"".join(parts)}</div></section>'
    )


def side_by_side(sections: Sequence[str]) -> str:
    return f'<div style="display:flex;flex-wrap:wrap;column-gap:2.5rem">{"".join(sections)}</div>'


def ledger_html(lines: Sequence[tuple[str, str]], results: Sequence[int]) -> str:
    """Names and numbers line by line, as on a bill; a rule is drawn above the lines whose numbers are in `results`."""
    rows = ""
    for i, (name, number) in enumerate(lines):
        style = "border-top:1px solid currentColor;font-weight:600;" if i in results else ""
        rows += (
            f'<tr><td style="{style}padding:0.1rem 2rem 0.1rem 0">{escape(name)}</td>'
            f'<td style="{style}padding:0.1rem 0;text-align:right">{escape(number)}</td></tr>'
        )
    return f'<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">{rows}</table>'


def contribution_chart(sums: np.ndarray, order: np.ndarray) -> go.Figure:
    """What each input channel adds, the strongest first, and below it their running sum."""
    ranked, places = sums[order], np.arange(1, len(sums) + 1)
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    common: dict[str, Any] = {"x": places, "customdata": order}
    figure.add_bar(
        **common, y=ranked, marker_color=ACCENT, marker_line_width=0, row=1, col=1,
        hovertemplate="channel %{customdata}: %{y:+.4f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        **common, y=ranked.cumsum(), mode="lines", line_color=MISTAKE, row=2, col=1,
        hovertemplate="after %{x} channels: %{y:+.4f}<extra></extra>",
    )  # fmt: skip
    figure.update_layout(height=320, margin={"l": 0, "r": 8, "t": 8, "b": 0}, showlegend=False, bargap=0)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="Adds", row=1, col=1)
    figure.update_yaxes(title="Running sum", row=2, col=1)
    figure.update_xaxes(title="Input channels, the strongest first", row=2, col=1)
    return figure
