"""The sum of the walkthrough: patch times kernel, channel by channel, and all of it added up."""

import numpy as np
import streamlit as st

from core.inspection.walkthrough import Walk
from dashboard.numbers import (
    adding_up,
    contribution_chart,
    equation_html,
    grid_html,
    ledger_html,
    side_by_side,
    tex,
    written,
)

_SHOWN = 6
_PLANES = ("Red", "Green", "Blue")


def decimals_of(walk: Walk) -> int:
    """The same for every number of a walk; the weights beyond conv1 are smaller."""
    return 3 if walk.layer == "conv1" else 4


def products(walk: Walk) -> None:
    """The patch, the kernel and their products: the three planes of conv1, the strongest input channels otherwise."""
    inputs, height, width = walk.kernel.shape
    size = f"{height} × {width}"
    shown, printed = _parts(walk)
    if walk.before == "input":
        st.markdown(
            f"The kernel, {size} weights for each of the three colour planes, lies over the patch; every weight is "
            "multiplied by the value under it. The values are pixels made ready for the network, (pixel − mean) / "
            "standard deviation: 0 is an average pixel."
        )
    else:
        st.markdown(
            f"The kernel has {size} weights for each of the {inputs} channels of {walk.before}; every weight is "
            f"multiplied by the value under it. Of the {inputs} input channels, these {len(shown)} count most here:"
        )
    place = np.unravel_index(np.abs(walk.products[shown[0]]).argmax(), (height, width))
    decimals, at = decimals_of(walk), (shown[0], *place)
    st.latex(
        rf"x \cdot w = {written(walk.patch[at], decimals)} \cdot {tex(walk.kernel[at], decimals)} \approx "
        rf"{written(walk.products[at], decimals)}"
    )
    st.caption("The greatest product of the first grids. Red is above 0, blue below; hatched is beyond the map: zeros.")
    st.html(side_by_side([_equation(walk, c, total) for c, total in zip(shown.tolist(), printed, strict=False)]))
    if len(shown) < inputs:
        others = written(printed[len(shown)], decimals)
        st.markdown(
            f"These {len(shown)} of {inputs} give **{written(sum(printed[: len(shown)]), decimals)}**; all others "
            f"together **{others}**."
        )
        st.plotly_chart(
            contribution_chart(walk.sums, walk.strongest), width="stretch",
            alt=f"What each of {inputs} input channels adds, and their running sum, which ends at {walk.total:.4f}",
        )  # fmt: skip


def addition(walk: Walk) -> None:
    """Every contribution and the bias on one bill, down to the convolution's output."""
    decimals = decimals_of(walk)
    shown, printed = _parts(walk)
    names = [_name(walk, channel) for channel in shown.tolist()]
    if len(shown) < len(walk.sums):
        names.append(f"the other {len(walk.sums) - len(shown)} channels")
    *parts, bias = printed
    total = sum(parts)
    st.markdown(
        f"All {walk.products.size:,} products are added, then the channel's bias, one number that it learnt as well."
    )
    lines = [*zip(names, parts, strict=True), ("all products", total), ("bias", bias), ("output", total + bias)]
    st.html(ledger_html([(name, written(value, decimals)) for name, value in lines], (len(names), len(names) + 2)))
    st.latex(r"y = \sum x \cdot w + b")
    st.latex(rf"{written(total, decimals)} + {tex(bias, decimals)} = {written(total + bias, decimals)}")
    st.caption(
        f"Rounded to {decimals} decimals so that what is printed adds up: the last digit of a part can be off by one."
    )


def _parts(walk: Walk) -> tuple[np.ndarray, list[float]]:
    """The input channels to show, and what is printed of them, of all others (if any) and of the bias."""
    shown = np.arange(len(_PLANES)) if walk.before == "input" else walk.strongest[:_SHOWN]
    others = [] if len(shown) == len(walk.sums) else [walk.total - walk.sums[shown].sum()]
    return shown, adding_up(np.array([*walk.sums[shown], *others, walk.bias]), decimals_of(walk)).tolist()


def _name(walk: Walk, channel: int) -> str:
    return f"{_PLANES[channel]} plane" if walk.before == "input" else f"{walk.before}, channel {channel}"


def _equation(walk: Walk, channel: int, total: float) -> str:
    """One input channel: patch times kernel gives products, which add up to `total`."""
    decimals = decimals_of(walk)
    patch, kernel = walk.patch[channel], walk.kernel[channel]
    if walk.before == "input":
        colors, low, high = "grey", float(walk.patch.min()), float(walk.patch.max())
    else:
        colors, low, high = "viridis", 0.0, float(walk.patch.max())
    weight, product = float(np.abs(walk.kernel).max()), float(np.abs(walk.products).max())
    return equation_html(
        f"{_name(walk, channel)}: products add up to {written(total, decimals)}",
        [
            grid_html(patch, decimals, title="Patch", colors=colors, low=low, high=high, padding=walk.padding),
            grid_html(kernel, decimals, title="Kernel", colors="signed", low=-weight, high=weight),
            grid_html(
                adding_up(walk.products[channel], decimals, total), decimals, title="Products", colors="signed",
                low=-product, high=product,
            ),
        ],
        ["×", "="],
    )  # fmt: skip
