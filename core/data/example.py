"""A photograph that comes with the project, for users who have neither the test images nor a picture at hand."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from core.data.uploads import open_image

EXAMPLE_LABEL = "cat"
_PHOTOGRAPH = Path(__file__).parent / "examples" / "cat.jpg"


def example_image() -> Image.Image:
    """256 x 256 pixels, RGB; its class is EXAMPLE_LABEL. Raises ImageError where the file is gone."""
    return open_image(_PHOTOGRAPH)
