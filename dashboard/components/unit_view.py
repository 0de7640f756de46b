"""One channel, large, beside and over the photo; the receptive field of the unit under the pointer, drawn at once."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from core.inspection.receptive_field import centers, receptive_field
from dashboard.components.frontend import read, script
from dashboard.images import jpeg_url

_COMPONENT = st.components.v2.component(
    "alexnet_unit_view",
    html="<div class='views'>"
    "<div class='view'><div class='frame photo'><canvas width='454' height='454' role='img'></canvas>"
    "<div class='box'></div></div><div class='caption'><span class='quiet'>What the network sees</span>"
    "<label><span class='quiet'>Overlay</span><input type='range' min='0' max='100' value='75'></label></div></div>"
    "<div class='view'><div class='frame map'><canvas tabindex='0' role='application'></canvas>"
    "<div class='cell'></div></div><div class='caption'><span class='name'></span><span class='bar'>"
    "<span class='low'></span><canvas width='256' height='1'></canvas><span class='high'></span></span></div></div>"
    "</div><div class='reading'><span class='where'></span><span class='seen'></span></div>"
    "<div class='spoken' aria-live='polite'></div>",
    css=read("unit_view.css"),
    js=script("pick.js", "unit_view.js"),
)


@dataclass(frozen=True)
class EnlargedMap:
    """One map of a layer such as conv3 or pool2.

    values: float32, H x H. levels: uint8, H x H, its colours in `palette` (uint8, 256 x 3), which run from `low` to
    `high`; above: whether greater values have the last colour too. signed: whether 0 is the middle of the palette.
    has_strongest: whether one unit is stronger than the others.
    """

    layer: str
    channel: int
    title: str
    values: np.ndarray
    levels: np.ndarray
    palette: np.ndarray
    low: float
    high: float
    above: bool
    signed: bool
    has_strongest: bool


def unit_view(
    photo: np.ndarray, shown: EnlargedMap, unit: tuple[int, int] | None, *, key: str, on_pin: Callable[[], None],
    alt: str,
) -> None:  # fmt: skip
    """Draw `photo` (uint8, 227 x 227 x 3) with the map over it, and the map alone.

    `unit`, row and column or None, is the caller's truth: a click or an arrow key reruns only the enclosing fragment,
    after `on_pin`, which finds the new unit by `unit_just_pinned`.
    """
    size = len(shown.values)
    first, second = centers(shown.layer)[:2]
    fields = [receptive_field(shown.layer, i, i) for i in range(size)]
    data: dict[str, Any] = {
        "photo": jpeg_url(photo), "photoAlt": alt,
        "name": shown.title, "alt": f"Map of {shown.title}, {size} × {size}.", "channel": shown.channel, "size": size,
        "strongest": int(shown.values.argmax()), "hasStrongest": shown.has_strongest,
        "values": _base64(shown.values.astype("<f4")),
        "levels": _base64(shown.levels), "palette": _base64(shown.palette),
        "low": shown.low, "high": shown.high, "above": shown.above, "signed": shown.signed,
        "fields": [[box.top, box.bottom] for box in fields], "first": first, "apart": second - first,
        "unit": -1 if unit is None else unit[0] * size + unit[1],
    }  # fmt: skip
    _COMPONENT(data=data, key=key, height="content", on_picked_change=on_pin)


def unit_just_pinned(key: str, size: int) -> tuple[int, int] | None:
    """Row and column of the unit pinned just now in the view `key` of a map with `size` rows; None: it was let go."""
    picked = (st.session_state.get(key) or {}).get("picked")
    return divmod(picked, size) if isinstance(picked, int) and picked >= 0 else None


def _base64(numbers: np.ndarray) -> str:
    return base64.b64encode(numbers.tobytes()).decode("ascii")
