"""One attribution over the photo: how to read it, and when it misleads."""

from dataclasses import dataclass

import streamlit as st

from core.inspection.attribution import SQUARE, Attribution, Method
from core.inspection.overlay import color_limit, overlay
from core.runs.checkpoints import Checkpoint
from dashboard import cache
from dashboard.images import Chosen, jpeg_url
from dashboard.markdown import plain


@dataclass(frozen=True)
class _Words:
    title: str
    reading: str
    misleading: str


_WORDS: dict[Method, _Words] = {
    "grad-cam": _Words(
        "Grad-CAM",
        "Yellow where the channels of conv5 that raise the score are active.",
        "It is coarse, 13 × 13 units stretched to the photo, and cuts off what speaks against the class. Zero padding "
        "can light up its border.",
    ),
    "saliency": _Words(
        "Saliency",
        "Yellow where a small change of the pixel would move the score most, up or down.",
        "It is noisy, and shows where the score is sensitive, not what it is based on.",
    ),
    "integrated-gradients": _Words(
        "Integrated gradients",
        "Red pixels raise the score above that of the mean image, blue ones lower it; they add up to the difference.",
        "A pixel that has the mean colour counts for nothing, whatever it is part of.",
    ),
    "occlusion": _Words(
        "Occlusion",
        f"Red where a grey square of {SQUARE} × {SQUARE} pixels costs the score, blue where it helps.",
        "Where the evidence is there twice, covering one changes little. And the grey square is itself a new shape.",
    ),
}


def show_attribution(
    checkpoint: Checkpoint, image: Chosen, method: Method, target: int, opacity: float, *, on_button: bool
) -> None:
    """One method over the photo, in the container that is open; where it is slow, only once it is asked for."""
    words = _WORDS[method]
    place = st.empty()
    if on_button and not cache.has_attribution(checkpoint, image, method, target):
        with place.container():
            asked = st.button(f"Compute {words.title.lower()}", icon=":material/play_arrow:", key=f"compute_{method}")
            st.caption("225 forward passes, some seconds on two processor cores.")
        if not asked:
            _explain(words)
            return
    bar = place.progress(0.0, words.title)
    found = cache.attribution(
        checkpoint, image, method, target,
        lambda done, total, message: bar.progress(done / total, f"{words.title}, {message}"),
    )  # fmt: skip
    name = checkpoint.class_names[target]
    place.image(
        jpeg_url(overlay(cache.seen_by_network(checkpoint, image), found.values, opacity, signed=found.is_signed)),
        caption=f"{words.title} for {plain(name)}", width="stretch",
        alt=f"{words.title}: which pixels speak for {name}",
    )  # fmt: skip
    _explain(words)
    st.caption(_figures(found))


def _explain(words: _Words) -> None:
    st.markdown(f"**{words.title}.** {words.reading}")
    st.caption(f":material/warning: {words.misleading}")


def _figures(found: Attribution) -> str:
    """The end of the colour scale, and whether what must add up does."""
    if not found.values.any():
        return "0 everywhere: nothing on this picture raises the score of this class."
    text = f"Full colour from {color_limit(found.values):.2g} on."
    if found.gap is not None:
        total = float(found.values.sum())
        rise = total - found.gap
        text += f" All pixels add up to {total:+.2f}, the score rises by {rise:+.2f}: a gap of {abs(found.gap):.2f}."
    return text
