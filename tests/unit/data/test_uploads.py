"""core.data.uploads: every hostile sample is made here. Run: pytest tests/unit/data/test_uploads.py"""

from __future__ import annotations

import os
import random
import struct
import time
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.uploads import MAX_BYTES, decode_image, decode_picture, open_image, open_picture
from core.errors import ImageError

EXIF_ORIENTATION = 0x0112


def encode(image: Image.Image, format_name: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def photo(width: int = 24, height: int = 16) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds hardly any data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100))


def gif_header(width: int, height: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x4c\x01\x00\x3b"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame


def bmp_header(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("format_name", ["PNG", "BMP", "GIF", "JPEG", "WEBP"])
def test_accepts_each_format_whatever_its_name(format_name: str) -> None:
    image = decode_image(encode(photo(), format_name), "notes.txt")
    assert (image.mode, image.size) == ("RGB", (24, 16))


def test_lossless_pixels_survive_exactly() -> None:
    assert np.array_equal(decode_image(encode(photo())), photo())


@pytest.mark.parametrize("data", [png_header(50_000, 50_000), gif_header(60_000, 60_000), bmp_header(30_000, 30_000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bomb_is_refused_by_its_header(data: bytes) -> None:
    start = time.monotonic()
    with pytest.raises(ImageError, match="megapixels"):
        decode_image(data, "bomb.png")
    assert time.monotonic() - start < 0.2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("side", [5_001, 10_000])
def test_bomb_says_the_same_where_warnings_are_errors(side: int) -> None:
    with pytest.raises(ImageError, match="megapixels"):
        decode_image(png_header(side, side))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "empty"),
        (b"\0" * (MAX_BYTES + 1), "larger than 10 MB"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "not a PNG"),
        (b"<!doctype html><html></html>", "not a PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG"),
        (b"%PDF-1.7\n", "not a PNG"),
        (encode(photo(), "TIFF"), "not a PNG"),
        (encode(photo(), "ICO", sizes=[(16, 16)]), "not a PNG"),
        (encode(photo())[:200], "damaged or cut off"),
        (encode(photo(200, 200), "JPEG")[:2000], "damaged or cut off"),
        (encode(photo(7, 7)), "each side needs 8"),
        (encode(photo(8, 161)), "Crop it"),
    ],
)
@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_refusal_is_one_short_text_with_name_and_remedy(data: bytes, complaint: str, name: str) -> None:
    with pytest.raises(ImageError, match=complaint) as caught:
        decode_image(data, name)
    text = str(caught.value)
    assert text.startswith(name)
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 200


def test_hostile_name_is_tamed() -> None:
    with pytest.raises(ImageError) as caught:
        decode_image(b"", "a\x1b[31m\n\u202e" + "b" * 5000)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    grey = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    image = np.asarray(decode_image(encode(Image.fromarray(grey))))
    assert np.array_equal(image[:, :, 0].ravel(), np.arange(256))
    assert np.array_equal(image[:, :, 0], image[:, :, 2])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_becomes_white(mode: str) -> None:
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0)).convert(mode)
    assert decode_image(encode(clear)).getcolors() == [(256, (255, 255, 255))]


def test_palette_entry_marked_transparent_becomes_white() -> None:
    image = Image.new("P", (16, 16), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert decode_image(encode(image, transparency=1)).getcolors() == [(256, (255, 255, 255))]


def test_half_transparent_is_mixed_with_white() -> None:
    image = decode_image(encode(Image.new("RGBA", (8, 8), (0, 0, 0, 51))))
    assert image.getpixel((0, 0)) == (204, 204, 204)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_other_modes_become_rgb(mode: str) -> None:
    stored = photo().convert(mode)
    assert np.array_equal(decode_image(encode(stored)), stored.convert("RGB"))


def test_cmyk_becomes_rgb() -> None:
    red = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red_seen = decode_image(encode(red, "JPEG", quality=95)).getpixel((8, 8))
    assert np.allclose(red_seen, (255, 0, 0), atol=6)


def test_exif_orientations_give_the_same_upright_image() -> None:
    # For each orientation the stored pixels that a viewer must turn back into `upright`.
    upright = photo()
    turn = Image.Transpose
    stored = {
        1: upright, 2: upright.transpose(turn.FLIP_LEFT_RIGHT), 3: upright.transpose(turn.ROTATE_180),
        4: upright.transpose(turn.FLIP_TOP_BOTTOM), 5: upright.transpose(turn.TRANSPOSE),
        6: upright.transpose(turn.ROTATE_90), 7: upright.transpose(turn.TRANSVERSE),
        8: upright.transpose(turn.ROTATE_270),
    }  # fmt: skip
    for orientation, image in stored.items():
        exif = Image.Exif()
        exif[EXIF_ORIENTATION] = orientation
        assert np.array_equal(decode_image(encode(image, exif=exif)), upright), orientation


@pytest.mark.parametrize("format_name", ["GIF", "WEBP", "PNG"])
def test_only_the_first_frame_of_an_animation(format_name: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", *["blue", "lime"] * 500)]
    options = {"lossless": True} if format_name == "WEBP" else {}
    data = encode(frames[0], format_name, save_all=True, append_images=frames[1:], **options)
    start = time.monotonic()
    image = decode_image(data)
    assert time.monotonic() - start < 0.3
    assert image.getpixel((8, 8)) == (255, 0, 0)


def test_metadata_and_trailing_bytes_end_here() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    image = decode_image(encode(photo(), "JPEG", exif=exif, comment=b"secret") + b"<script>secret</script>")
    assert image.info == {}
    assert not image.getexif()
    assert b"secret" not in encode(image)


def test_target_reads_a_large_jpeg_small_but_never_below_it() -> None:
    data = encode(photo(1600, 1200), "JPEG")
    assert decode_image(data, target=32).size == (200, 150)
    assert decode_image(data, target=227).size == (800, 600)
    assert decode_image(data).size == (1600, 1200)


def test_random_damage_gives_an_image_or_an_image_error() -> None:
    rng = random.Random(0)
    samples = [encode(photo(), name) for name in ("PNG", "JPEG", "GIF", "BMP", "WEBP")]
    for _ in range(500):
        data = bytearray(rng.choice(samples))
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with suppress(ImageError):
            assert decode_image(bytes(data)).mode == "RGB"


@pytest.mark.parametrize(
    ("size", "expected"), [((4000, 3000), (2000, 1500)), ((1600, 1200), (1600, 1200)), ((9, 60), (9, 60))]
)
def test_a_picture_to_look_at_is_no_larger_than_it_need_be(size: tuple[int, int], expected: tuple[int, int]) -> None:
    for format_name in ("JPEG", "PNG"):
        assert decode_picture(encode(Image.new("RGB", size, "red"), format_name)).size == expected


def test_open_image_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cat.dat"
    path.write_bytes(encode(photo()))
    assert np.array_equal(open_image(path), photo())
    assert np.array_equal(open_picture(path), photo())


def test_open_image_refuses_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        open_image(tmp_path / "missing.png")
    with pytest.raises(ImageError, match="is a folder"):
        open_image(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="not a regular file"):  # and does not wait for a writer
        open_image(tmp_path / "pipe.png")


def test_open_image_stops_reading_at_the_limit(tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(10**12)  # a sparse file: nothing on the disk
    with pytest.raises(ImageError, match="larger than 10 MB"):
        open_image(tmp_path / "huge.png")
