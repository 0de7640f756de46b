"""After the sum: ReLU, LRN, pooling, and who reads the value next."""

import numpy as np
import streamlit as st

from core.inspection.walkthrough import Normalization, Pooling, Walk
from dashboard import state
from dashboard.components.walkthrough_sum import decimals_of
from dashboard.numbers import adding_up, grid_html, ledger_html, tex, written

FIRST_STEP = "step-1"  # the anchor of its heading
_SHOWN_PERCENT = 0.001


def relu(walk: Walk) -> None:
    """What is below 0 becomes 0."""
    passes = walk.conv > 0
    st.markdown(
        "The ReLU keeps what is above 0 and makes everything else 0. "
        + ("This value passes." if passes else "This value is cut off: here, the channel stays silent.")
    )
    decimals = decimals_of(walk)
    st.latex(rf"\max(0,\ {written(walk.conv, decimals)}) = {written(walk.relu, decimals)}")


def normalization(walk: Walk, found: Normalization) -> None:
    """The five neighbours, their squares, and the division."""
    decimals = decimals_of(walk)
    quiet = found.k**found.beta
    percent = 100 * (found.scale / quiet - 1)
    if percent < _SHOWN_PERCENT:
        more = f"less than {_SHOWN_PERCENT} %"
    else:
        more = f"{percent:.2g} %" if percent < 10 else f"{percent:,.0f} %"
    alpha = np.format_float_positional(found.alpha, trim="-")
    missing = found.size - len(found.channels)
    fewer = f" ({missing} of the five are missing at the end of the channels)" if missing else ""
    st.markdown(
        "Local response normalisation divides the value by a number that grows with its neighbours: the same pixel in "
        f"the channels up to two before and after it{fewer}. A loud neighbourhood makes it quieter."
    )
    squares = adding_up(found.squares, decimals)
    lines = [
        (f"channel {channel}{' (this one)' if i == found.own else ''}: {written(value, decimals)}²",
         written(square, decimals))
        for i, (channel, value, square) in enumerate(zip(found.channels, found.values, squares, strict=True))
    ]  # fmt: skip
    st.html(ledger_html([*lines, ("sum of squares", written(squares.sum(), decimals))], (len(lines),)))
    st.latex(
        r"\vphantom{\Bigg|} "  # without this room above, the exponent's top is cut off
        rf"s = \left({found.k:g} + \tfrac{{{alpha}}}{{{found.size}}} \cdot {squares.sum():.{decimals}f}"
        rf"\right)^{{{found.beta}}} \approx {found.scale:.5f}"
    )
    own = found.values[found.own]
    st.latex(rf"{written(own, decimals)} \;/\; {found.scale:.5f} \approx {written(found.result, decimals)}")
    st.caption(
        f"Were they all 0, s would be 2^0.75 = {quiet:.5f}; here it is {more} more. Alpha, here {alpha}, "
        "says how much neighbours count; the paper's 0.0001 is made for pixels of 0 to 255, louder than these inputs."
    )


def pooling(walk: Walk, found: Pooling) -> None:
    """The window that was chosen to show, its greatest value outlined."""
    decimals = decimals_of(walk)
    name = f"pool{walk.layer.removeprefix('conv')}"
    count = len(found.units)
    places = ", ".join(f"({row}, {column})" for row, column in found.units)
    share = f"{count} windows overlap here, those of {name}'s units {places}" if count > 1 else (
        f"only one window holds this unit, that of {name}'s unit {places}"
    )  # fmt: skip
    st.markdown(
        f"Pooling keeps the greatest value of each 3 × 3 window and moves on by two: {share}. {_outcome(found, name)}"
    )
    greatest = divmod(int(found.values.argmax()), 3) if found.values.any() else None
    own = (walk.row - found.window.top, walk.column - found.window.left)
    st.html(
        grid_html(
            found.values, decimals, title=f"The window of {name} ({found.row}, {found.column})", colors="viridis",
            low=0.0, high=float(found.values.max()), outlined=greatest,
        )
    )  # fmt: skip
    outlined = f"Outlined: the greatest, {written(found.result, decimals)}. " if greatest else ""
    st.caption(f"{outlined}The unit of this walk is in row {own[0] + 1}, column {own[1] + 1} of the window.")


def _outcome(found: Pooling, name: str) -> str:
    if found.won:
        places = ", ".join(f"({row}, {column})" for row, column in found.won)
        return f"This value is the greatest in {places}: it goes on."
    if not found.values.any():
        return f"All nine values of ({found.row}, {found.column}) are 0, so {name} is 0 there too."
    return "A greater value beside it goes on instead."


def destination(walk: Walk) -> None:
    """Who reads the value next; a button that goes there."""
    to, decimals = walk.destination, decimals_of(walk)
    stage, value = list(walk.network.items())[-1]
    row, column = (walk.pooling.row, walk.pooling.column) if walk.pooling else (walk.row, walk.column)
    text = f"{stage}{walk.layer.removeprefix('conv')} now holds **{written(value, decimals)}** at ({row}, {column})."
    if to.row is None or to.column is None:
        st.markdown(
            f"{text} Its maps are laid out in one row of 9,216 numbers; this is number {to.position:,}, counted from "
            f"0. All 4,096 neurons of fc6 read it; neuron {to.channel:,} weighs it most:"
        )
        _product(value, to.weight, decimals)
        st.page_link("app_pages/predict.py", label="See what the network says", icon=":material/image_search:")
        return
    st.markdown(
        f"{text} Every channel of {to.layer} reads it, through its kernel for input channel {to.position}. Where it "
        f"lies in the middle of the patch, channel {to.channel} weighs it most:"
    )
    _product(value, to.weight, decimals)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            f"Walk on to {to.layer}, channel {to.channel}", icon=":material/arrow_forward:", on_click=state.walk_to,
            args=(to.layer, to.channel, to.row, to.column), key="walk_on",
        )  # fmt: skip
        st.markdown(f"[Back to the first step](#{FIRST_STEP})", width="content")


def _product(value: float, weight: float, decimals: int) -> None:
    st.latex(rf"{written(value, decimals)} \cdot {tex(weight, decimals)} \approx {written(value * weight, decimals)}")
