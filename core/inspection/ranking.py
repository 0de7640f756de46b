"""Which channels of a layer to show, and in which order."""

from __future__ import annotations

from typing import Literal

import numpy as np

from core.errors import InspectionError
from core.inspection.atlas import LayerAtlas
from core.inspection.feature_maps import FeatureMaps
from core.inspection.mosaic import silent_channels

_RARE = 0.01  # share of images: what is active on fewer is selective by chance

Order = Literal["number", "strongest", "selective"]
Show = Literal["all", "alive", "dead", "near-duplicates"]


def order_channels(maps: FeatureMaps, atlas: LayerAtlas | None, by: Order) -> tuple[int, ...]:
    """All channels of `maps`, those to show first at the front; equal ones stay in the order of their numbers.

    number: as they are. strongest: by the greatest activation on this picture. selective: by class selectivity over
    the atlas's images, those active on less than 1 % of them last: a single image makes a channel fully selective.
    Raises InspectionError where selective is asked for without an atlas of this layer.
    """
    if by == "number":
        return tuple(range(len(maps.values)))
    if by == "strongest":
        return _numbers(np.argsort(-maps.values.max((1, 2)), kind="stable"))
    found = _fitting(maps, atlas)
    return _numbers(np.lexsort((-found.selectivity, found.active < _RARE)))


def keep_channels(maps: FeatureMaps, atlas: LayerAtlas | None, show: Show) -> tuple[int, ...]:
    """The channels of `maps` to show, ascending.

    dead: 0 on every image of the atlas; without an atlas, those that hardly respond to this picture. alive: the others.
    near-duplicates: each channel that nearly duplicates another, and the one that it duplicates.
    Raises InspectionError where near-duplicates are asked for without an atlas of this layer.
    """
    if show == "all":
        return tuple(range(len(maps.values)))
    if show == "near-duplicates":
        twin = _fitting(maps, atlas).twin
        copies = np.flatnonzero(twin >= 0)
        return _numbers(np.union1d(copies, twin[copies]))
    dead = np.isin(np.arange(len(maps.values)), silent_channels(maps)) if atlas is None else _fitting(maps, atlas).dead
    return _numbers(np.flatnonzero(dead == (show == "dead")))


def _fitting(maps: FeatureMaps, atlas: LayerAtlas | None) -> LayerAtlas:
    if atlas is None:
        raise InspectionError("This needs the channel atlas of the checkpoint: compute it first.")
    if len(atlas.active) != len(maps.values):
        raise InspectionError(
            f"The atlas is of another layer: it has {len(atlas.active)} channels, {maps.layer} has {len(maps.values)}."
        )
    return atlas


def _numbers(channels: np.ndarray) -> tuple[int, ...]:
    return tuple(channels.tolist())
