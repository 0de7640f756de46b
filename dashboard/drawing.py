"""The network as a drawing: a box per layer, as tall as its maps and as wide as it has channels. No Streamlit here."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log2

from core.model import LayerInfo
from dashboard.colors import ACCENT

COLORS = {
    "convolution": "#0072B2",
    "ReLU": "#8C8C8C",
    "local response norm": "#CC79A7",
    "max pool": "#009E73",
    "fully connected": "#D55E00",
    "input": "#E69F00",
}
_HIDDEN = ("flatten", "dropout")  # they change nothing that a viewer could see
_TALLEST = 150  # pixels


def network_html(layers: Sequence[LayerInfo], input_shape: tuple[int, int, int]) -> str:
    """The layers in order, wrapping where the window is narrow; colours by kind, explained in a legend below."""
    boxes = [_box("input", "input", input_shape, before=())]
    before: tuple[int, ...] = input_shape
    for layer in layers:
        if layer.kind not in _HIDDEN:
            boxes.append(_box(layer.name, layer.kind, layer.output_shape, before))
        before = layer.output_shape
    legend = "".join(
        f'<span style="white-space:nowrap"><span style="display:inline-block;width:0.8em;height:0.8em;'
        f'background:{color};border-radius:2px;margin-right:0.4em"></span>{kind}</span>'
        for kind, color in COLORS.items()
    )
    return (
        '<div style="display:flex;flex-wrap:wrap;align-items:flex-end;row-gap:1.2rem;column-gap:0.4rem">'
        f'{"".join(boxes)}</div><div style="display:flex;flex-wrap:wrap;gap:0.3rem 1.2rem;margin-top:1.2rem;'
        f'font-size:0.85rem">{legend}</div>'
    )


def _box(name: str, kind: str, shape: tuple[int, ...], before: tuple[int, ...]) -> str:
    """One layer; its shape is written where it differs from that of the layer before."""
    channels = shape[0]
    if len(shape) == 3:
        size = "×".join(str(extent) for extent in shape)
        width, height = round(4 * log2(channels + 1)), max(round(_TALLEST * shape[1] / 227), 6)
    else:
        size = f"{channels:,}"
        width, height = 12, round(_TALLEST * log2(channels) / 14)
    written = size if shape != before else "&nbsp;"
    return (
        f'<div style="text-align:center;min-width:2.3rem;font-size:0.7rem;line-height:1.25" '
        f'title="{name}: {kind}, {size}">'
        f'<div style="width:{width}px;height:{height}px;background:{COLORS[kind]};border-radius:3px;'
        f'margin:0 auto 0.3rem"></div><div style="font-weight:600">{name}</div>'
        f'<div style="opacity:0.75">{written}</div></div>'
    )


def number_table(title: str, rows: Mapping[str, str]) -> str:
    """Names and numbers as a table in Markdown, which has room for long ones."""
    return f"| {title} | |\n|:--|--:|\n" + "\n".join(f"| {name} | {number} |" for name, number in rows.items())


def bars_html(names: Sequence[str], values: Sequence[float]) -> str:
    """Small horizontal bars, a row each: name, bar, value; the longest bar is the greatest value, which is above 0."""
    longest = max(values)
    rows = "".join(
        f'<div style="text-align:right">{escape(name)}</div>'
        f'<div style="width:{100 * value / longest:.1f}%;min-width:1px;height:0.7rem;background:{ACCENT};'
        f'border-radius:2px"></div><div style="font-variant-numeric:tabular-nums">{value:.3g}</div>'
        for name, value in zip(names, values, strict=True)
    )
    return (
        '<div style="display:grid;grid-template-columns:max-content 1fr max-content;gap:0.15rem 0.5rem;'
        f'align-items:center;font-size:0.8rem;line-height:1.25">{rows}</div>'
    )
