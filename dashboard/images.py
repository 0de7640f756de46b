"""A picture that the user chose, and what is known about it."""

import hashlib
import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from core.export.html import data_url

_THUMBNAIL = 64
_SHOWN = 227


@dataclass(frozen=True)
class Chosen:
    """label: the true class, None for a picture of the user's own. number: its place in the test set, if any."""

    name: str
    picture: Image.Image
    label: str | None = None
    number: int | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Names exactly these pixels. Hashed once: 25 megapixels take a third of a second."""
        digest = hashlib.sha256(str(self.picture.size).encode())
        digest.update(self.picture.tobytes())
        return digest.hexdigest()

    def enlarged(self) -> Image.Image:
        """A small picture pixel by pixel at a size to look at; a large one scaled down to what a page needs."""
        if max(self.picture.size) < _SHOWN:
            factor = _SHOWN // max(self.picture.size) + 1
            return self.picture.resize(
                (self.picture.width * factor, self.picture.height * factor), Image.Resampling.NEAREST
            )
        shown = self.picture.copy()
        shown.thumbnail((4 * _SHOWN, 4 * _SHOWN))
        return shown


def png_url(picture: Image.Image) -> str:
    """The picture as its own address: a file that the server keeps for it may be gone when a browser asks."""
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return data_url(buffer.getvalue(), "image/png")


def jpeg_url(photo: Image.Image | np.ndarray) -> str:
    """The same for a photo (an array: uint8, H x W x 3): a quarter of the bytes, to the eye no other."""
    picture = photo if isinstance(photo, Image.Image) else Image.fromarray(photo)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=95, subsampling=0)
    return data_url(buffer.getvalue(), "image/jpeg")


def thumbnail(picture: Image.Image) -> str:
    """A small copy as a data URL, for tables."""
    small = picture.copy()
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return png_url(small)
