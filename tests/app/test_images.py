"""A chosen picture is known by its pixels."""

import dataclasses

from PIL import Image

from dashboard.images import Chosen


def test_a_fingerprint_names_the_pixels_and_is_worked_out_once():
    chosen = Chosen("a", Image.new("RGB", (4, 6)))
    assert chosen.fingerprint == Chosen("b", Image.new("RGB", (4, 6))).fingerprint
    assert chosen.fingerprint is chosen.fingerprint
    assert chosen.fingerprint != Chosen("a", Image.new("RGB", (6, 4))).fingerprint
    other = dataclasses.replace(chosen, picture=Image.new("RGB", (4, 6), "red"))
    assert other.fingerprint != chosen.fingerprint
