"""The one guarded decoder: bytes that anybody may have sent, to an RGB picture or to a sentence."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import ImageError, ImageUnavailableError

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
MIN_SIDE = 8
#: A strip beyond this would grow without bound when its shorter side is scaled to the network's input.
MAX_ASPECT = 20
_LOOKED_AT = 1024  # pixels a side are enough for any page and for the network
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")

_FORMATS_TEXT = "PNG, JPEG, WEBP, BMP or GIF"


def decode_image(data: bytes, name: str = "image", *, target: int | None = None) -> Image.Image:
    """The first frame of an image file's bytes: RGB, upright, without metadata.

    The format is judged by content; `name` is only quoted. Refused: more than 10 MB or 25 megapixels, a side
    under 8 pixels, one side over 20 times the other. Alpha is laid over white, 16-bit greys are scaled to 8 bits.
    With `target` a JPEG may come back smaller than stored, yet each side at least 2 * target where it was.
    Raises ImageError, one sentence on what is wrong and one on what to do; of other errors MemoryError alone gets out.
    """
    name = _printable(name)
    _check_bytes(len(data), name)
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size, name)
            if target is not None:
                image.draft(None, (2 * target, 2 * target))
            image.load()
            return to_rgb(image)
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not a {_FORMATS_TEXT} image. Save it as one of these and try again.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name} has over {MAX_PIXELS // 10**6} megapixels. Scale it down and try again.") from error
    except Exception as error:  # Pillow raises nearly anything on a damaged file: SyntaxError, EOFError, struct.error
        raise ImageError(f"{name} could not be read: it is damaged or cut off. Use another file.") from error


def decode_picture(data: bytes, name: str = "image") -> Image.Image:
    """As `decode_image`, of a large picture a smaller one, each side at least 1024 pixels: a quarter of the memory."""
    image = decode_image(data, name, target=_LOOKED_AT // 2)
    return image.reduce(max(min(image.size) // _LOOKED_AT, 1))


def open_picture(path: Path) -> Image.Image:
    """The picture in a file, as `decode_picture` gives it. Raises as `open_image`."""
    return decode_picture(_read(path), path.name)


def open_image(path: Path, *, target: int | None = None) -> Image.Image:
    """The image in a file, by the rules of `decode_image`.

    Raises ImageError; its child ImageUnavailableError where there is no file that can be opened.
    """
    return decode_image(_read(path), path.name, target=target)


def _read(path: Path) -> bytes:
    name = _printable(path.name)
    if not path.is_file():
        if path.is_dir():
            raise ImageUnavailableError(f"{name} is a folder. Give the path of one image file.")
        if path.exists():
            raise ImageUnavailableError(f"{name} is not a regular file. Give the path of an image file.")
        raise ImageUnavailableError(f"{_printable(str(path), 300)} does not exist. Check the path.")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageUnavailableError(f"{name} could not be opened: {error.strerror}. Check its permissions.") from error


def _check_bytes(num_bytes: int, name: str) -> None:
    if num_bytes == 0:
        raise ImageError(f"{name} is empty. Choose another file.")
    if num_bytes > MAX_BYTES:
        raise ImageError(f"{name} is larger than {MAX_BYTES // 1024**2} MB. Scale it down and try again.")


def _check_size(width: int, height: int, name: str) -> None:
    """Judges the size the header claims, before anything of that size is allocated."""
    if width * height > MAX_PIXELS:
        limit = f"more than {MAX_PIXELS // 10**6} megapixels"
        raise ImageError(f"{name} has {width} x {height} pixels, {limit}. Scale it down and try again.")
    short, long = sorted((width, height))
    if short < MIN_SIDE:
        raise ImageError(f"{name} has {width} x {height} pixels; each side needs {MIN_SIDE}. Use a larger image.")
    if long > MAX_ASPECT * short:
        limit = f"one side over {MAX_ASPECT} times the other"
        raise ImageError(f"{name} has {width} x {height} pixels, {limit}. Crop it and try again.")


def to_rgb(image: Image.Image) -> Image.Image:
    """Upright, 8 bits a channel, over white where it is transparent, without metadata."""
    image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):
        # convert("RGB") would clip: nearly every 16-bit grey turns white. 65535 / 257 = 255 exactly.
        grey = np.asarray(image).astype(np.int64).clip(0, 65535)
        rgb = Image.fromarray(((grey + 128) // 257).astype(np.uint8)).convert("RGB")
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        white.alpha_composite(rgba)
        rgb = white.convert("RGB")
    else:
        rgb = image.convert("RGB")
    rgb.info = {}  # EXIF, GPS position, comments and colour profiles end here
    return rgb


def _printable(name: str, length: int = 100) -> str:
    """A name from outside, safe to show: no control characters, not endless."""
    return "".join(c for c in name if c.isprintable())[:length] or "image"
