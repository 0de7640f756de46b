"""Small charts that are repainted many times a second while time runs: plain HTML, no script. No Streamlit here."""

from collections.abc import Sequence
from html import escape

import numpy as np

from core.export.curves import MOST_NUMBERS
from core.export.html import data_url
from core.inspection.mosaic import colormap, palette_png
from dashboard.colors import ACCENT

_DARK_TEXT_FROM = 0.179  # the luminance (WCAG) of a colour from which black contrasts more with it than white
_MOST_ROWS = 10
_CAPTION = '<caption style="caption-side:bottom;text-align:left;opacity:0.75">'


def ink_on(shade: Sequence[int]) -> str:
    """Black or white, whichever is read better on a colour (red, green, blue; 0 to 255)."""
    return "#000" if luminance(shade) > _DARK_TEXT_FROM else "#fff"


def luminance(shade: Sequence[int]) -> float:
    """How light a colour is to the eye, 0 to 1: the relative luminance of WCAG 2, by which it measures contrast."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in shade)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def probability_rows(probabilities: np.ndarray, names: Sequence[str], truth: str) -> str:
    """A row for each class, in their order, so that it keeps its place over time: name, bar, number.

    Of many classes, the ten most probable and the true one.
    """
    ranked = np.argsort(-probabilities, kind="stable")
    shown = {*ranked[:_MOST_ROWS].tolist(), *(i for i, name in enumerate(names) if name == truth)}
    rows = "".join(
        _row(names[i], float(probabilities[i]), is_best=i == ranked[0], is_true=names[i] == truth)
        for i in sorted(shown)
    )
    of_many = f"{_CAPTION}The {_MOST_ROWS} most probable of {len(names):,} classes, and the true one.</caption>"
    return (
        '<table aria-label="Probability of each class" style="width:100%;table-layout:fixed;border-collapse:collapse;'
        f'font-size:0.8rem;line-height:1.55">{of_many if len(names) > _MOST_ROWS else ""}{rows}</table>'
    )


def _row(name: str, probability: float, *, is_best: bool, is_true: bool) -> str:
    mark = ' <span role="img" aria-label="true class">✓</span>' if is_true else ""
    return (
        f'<tr title="{escape(name)}"><th scope="row" style="width:7.5em;padding:0;text-align:right;overflow:hidden;'
        f'text-overflow:ellipsis;white-space:nowrap;font-weight:{700 if is_best else 400}">{escape(name)}{mark}</th>'
        '<td aria-hidden="true" style="padding:0 0.5rem"><div style="background:rgba(128,128,128,0.18);border-radius:'
        f'2px"><div style="height:0.8em;width:{100 * probability:.1f}%;background:{ACCENT};border-radius:2px"></div>'
        '</div></td><td style="width:3.6em;padding:0;text-align:right;font-variant-numeric:tabular-nums">'
        f"{probability:.1%}</td></tr>"
    )


def confusion_html(counts: np.ndarray, names: Sequence[str]) -> str:
    """True class by predicted class; the colour is the share of the true class, the number the count.

    Of many classes the colours alone, as one picture.
    """
    shades = np.round(255 * counts / np.maximum(counts.sum(1, keepdims=True), 1)).astype(np.uint8)
    return _picture(counts, shades) if len(names) > MOST_NUMBERS else _table(counts, shades, names)


def _picture(counts: np.ndarray, shades: np.ndarray) -> str:
    right = f"{counts.trace():,} of {counts.sum():,} images are on its diagonal"
    source = data_url(palette_png(shades, "viridis"), "image/png")
    return (
        f'<figure style="margin:0"><img src="{source}" alt="Confusion matrix of {len(counts):,} classes: {right}" '
        'style="width:100%;image-rendering:pixelated"><figcaption style="font-size:0.75rem;opacity:0.75">Rows: true '
        f"class. Columns: predicted class. {len(counts):,} classes are too many for numbers: the brighter, the larger "
        "the share of the true class.</figcaption></figure>"
    )


def _table(counts: np.ndarray, shades: np.ndarray, names: Sequence[str]) -> str:
    palette = colormap("viridis").tolist()
    head = "".join(
        f'<th scope="col" title="{escape(name)}" style="font-weight:400;height:5.2em;vertical-align:bottom;padding:0">'
        '<span style="display:inline-block;max-height:12em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;'
        f'writing-mode:vertical-rl;transform:rotate(180deg)">{escape(name)}</span></th>'
        for name in names
    )
    rows = "".join(
        f'<tr><th scope="row" title="{escape(name)}" style="font-weight:400;text-align:right;padding-right:0.5em;'
        f'white-space:nowrap;max-width:10em;overflow:hidden;text-overflow:ellipsis">{escape(name)}</th>'
        + "".join(_cell(count, palette[shade]) for count, shade in zip(counts[i].tolist(), shades[i], strict=True))
        + "</tr>"
        for i, name in enumerate(names)
    )
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:separate;border-spacing:1px;font-size:0.75rem;'
        f'font-variant-numeric:tabular-nums;width:100%">{_CAPTION}Rows: true class. Columns: predicted class.</caption>'
        f"<tr><td></td>{head}</tr>{rows}</table></div>"
    )


def _cell(count: int, shade: Sequence[int]) -> str:
    red, green, blue = shade
    return (
        f'<td style="background:rgb({red},{green},{blue});color:{ink_on(shade)};text-align:center;height:2em;'
        f'min-width:2em">{count}</td>'
    )
