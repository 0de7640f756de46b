"""Changes to a picture that a person would call the same picture: moved, covered in part, in other colours."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageEnhance, ImageOps

from core.data.prepare import to_square
from core.errors import ImageError

#: Least and greatest value of each number in Edits.
LIMITS: dict[str, tuple[int, int]] = {
    "shift_x": (-50, 50),
    "shift_y": (-50, 50),
    "rotate": (-180, 180),
    "cover_size": (0, 100),
    "cover_x": (-50, 50),
    "cover_y": (-50, 50),
    "hue": (-180, 180),
    "brightness": (-100, 100),
    "contrast": (-100, 100),
}

_GREY = (128, 128, 128)  # near the mean of natural pictures: after normalisation about 0
_LARGEST = 1024  # pixels a side that are worked on: a network sees at most 227


@dataclass(frozen=True)
class Edits:
    """What to change, in whole numbers; 0 changes nothing.

    shift_x, shift_y: to the right and down, in per cent of the side. rotate: counter-clockwise, degrees.
    mirror: left to right. cover_size: side of a grey square, in per cent of the picture's; cover_x, cover_y: how far to
    the right of the middle and below it its centre lies, in the same unit. grey: without colour. hue: turn of the
    colour circle, degrees. brightness, contrast: more or less, in per cent. Raises ImageError beyond LIMITS.
    """

    shift_x: int = 0
    shift_y: int = 0
    rotate: int = 0
    mirror: bool = False
    cover_size: int = 0
    cover_x: int = 0
    cover_y: int = 0
    grey: bool = False
    hue: int = 0
    brightness: int = 0
    contrast: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ImageError(f"{name} must be between {low} and {high}, got {value}.")


def edit(picture: Image.Image, edits: Edits) -> Image.Image:
    """The centre square of `picture`, changed: colours first, then mirrored, turned, shifted and covered.

    RGB, of the square's size, at most 1024 pixels. What a shift or a turn brings in is mid-grey, as the cover is.
    Positions are rounded to whole pixels.
    """
    side = min(*picture.size, _LARGEST)
    image = _recoloured(Image.fromarray(to_square(picture, side)), edits)
    if edits.mirror:
        image = ImageOps.mirror(image)
    if edits.rotate:
        image = image.rotate(edits.rotate, Image.Resampling.BILINEAR, fillcolor=_GREY)
    moved = Image.new("RGB", image.size, _GREY)
    moved.paste(image, (_share(edits.shift_x, side), _share(edits.shift_y, side)))
    covered = _share(edits.cover_size, side)
    left, top = (_share(50 + away, side) - covered // 2 for away in (edits.cover_x, edits.cover_y))
    moved.paste(_GREY, (left, top, left + covered, top + covered))
    return moved


def _recoloured(image: Image.Image, edits: Edits) -> Image.Image:
    if edits.hue:
        hue, saturation, value = image.convert("HSV").split()
        turn = round(edits.hue * 256 / 360)
        image = Image.merge("HSV", (hue.point(lambda h: (h + turn) % 256), saturation, value)).convert("RGB")
    if edits.grey:
        image = ImageOps.grayscale(image).convert("RGB")
    if edits.brightness:
        image = ImageEnhance.Brightness(image).enhance(1 + edits.brightness / 100)
    if edits.contrast:
        image = ImageEnhance.Contrast(image).enhance(1 + edits.contrast / 100)
    return image


def _share(per_cent: int, side: int) -> int:
    """That share of `side`, in whole pixels."""
    return round(per_cent * side / 100)
