"""What all viewers share of two networks compared: maps and their difference, mosaics; bounded."""

from typing import NamedTuple

import streamlit as st

from core.inspection.comparison import Comparison, DifferenceOrder, compare_maps, matched_levels, order_by_difference
from core.inspection.mosaic import Levels, Mosaic, Scale, lay_out
from core.runs.checkpoints import Checkpoint
from dashboard import cache
from dashboard.images import Chosen


class Drawn(NamedTuple):
    levels: Levels
    sheet: Mosaic


def comparison(a: Checkpoint, b: Checkpoint, image: Chosen, layer: str, stage: str) -> Comparison:
    """The maps of both, and how they differ. Raises CheckpointError and InspectionError."""
    return _comparison((a.fingerprint, b.fingerprint, image.fingerprint), layer, stage, a, b, image)


@st.cache_resource(max_entries=8, show_spinner=False)
def _comparison(
    key: tuple[str, ...],  # noqa: ARG001 - the cache's key, as are layer and stage
    layer: str,
    stage: str,
    _a: Checkpoint,
    _b: Checkpoint,
    _image: Chosen,
) -> Comparison:
    return compare_maps(cache.maps(_a, _image, layer, stage), cache.maps(_b, _image, layer, stage))


def drawn(
    a: Checkpoint,
    b: Checkpoint,
    image: Chosen,
    found: Comparison,
    scale: Scale,
    fixed: float | None,
    order: DifferenceOrder,
) -> tuple[Drawn, ...]:
    """`found`, which is theirs on this image: A, B and B - A in colours. Raises InspectionError."""
    key = (a.fingerprint, b.fingerprint, image.fingerprint, found.a.layer, found.a.stage)
    return _drawn(key, scale, fixed, order, found)


@st.cache_resource(max_entries=16, show_spinner=False)
def _drawn(
    key: tuple[str, ...],  # noqa: ARG001 - the cache's key, with what follows
    scale: Scale,
    fixed: float | None,
    order: DifferenceOrder,
    _found: Comparison,
) -> tuple[Drawn, ...]:
    channels = order_by_difference(_found, order)
    return tuple(Drawn(levels, lay_out(levels, channels)) for levels in matched_levels(_found, scale, fixed))
