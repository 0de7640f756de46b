"""core.data.example: the photograph that is there for who has none."""

from __future__ import annotations

from core.data import example
from core.data.images import CIFAR10_CLASSES


def test_the_photograph_is_small_square_and_of_a_known_class() -> None:
    image = example.example_image()
    assert (image.mode, image.size, image.info) == ("RGB", (256, 256), {})
    assert example.EXAMPLE_LABEL in CIFAR10_CLASSES


def test_its_source_and_licence_stand_beside_it() -> None:
    folder = example._PHOTOGRAPH.parent
    assert "CC0" in (folder / "README.md").read_text(encoding="utf-8")
    assert example._PHOTOGRAPH.stat().st_size < 30_000
