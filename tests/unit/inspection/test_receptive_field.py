"""core.inspection.receptive_field: where a map's units look."""

from __future__ import annotations

import pytest

from core.errors import InspectionError
from core.inspection.receptive_field import centers, receptive_field


@pytest.mark.parametrize(
    ("name", "units", "apart"),
    [("conv1", 55, 4), ("pool1", 27, 8), ("conv2", 27, 8), ("relu3", 13, 16), ("conv5", 13, 16), ("pool5", 6, 32)],
)
def test_units_are_centred_evenly_and_in_the_middle_of_the_image(name: str, units: int, apart: int) -> None:
    found = centers(name)
    assert len(found) == units
    assert {b - a for a, b in zip(found, found[1:], strict=False)} == {apart}
    assert (found[0] + found[-1]) / 2 == 227 / 2


@pytest.mark.parametrize("name", ["conv1", "lrn1", "conv2", "pool2", "conv3", "relu4", "conv5"])
def test_a_field_that_no_edge_cuts_lies_around_its_centre(name: str) -> None:
    found = centers(name)
    whole = 0
    for unit, center in enumerate(found):
        box = receptive_field(name, unit, unit)
        if box.top > 0 and box.bottom < 227:
            assert (box.top + box.bottom) / 2 == center
            whole += 1
    assert whole


def test_a_layer_without_maps_has_no_centres() -> None:
    with pytest.raises(InspectionError, match="'fc6' has no maps"):
        centers("fc6")
