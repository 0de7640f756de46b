"""Small images as one clickable picture, a page at a time."""

import io
from collections.abc import Sequence

import numpy as np
import streamlit as st
from PIL import Image

from core.data.images import ImageSet
from dashboard import state
from dashboard.components.mosaic import mosaic, picked

PER_PAGE = 48
_COLUMNS = 8  # of a sheet; the browser lays the tiles out anew
_MOST_PIXELS = 192  # of a side that is sent: the browser draws 96 at most, with two of the screen's pixels each
_STRIP_WIDTH = 96  # pixels: an epoch of a long training still has one
_STRIP_HEIGHT = 12
_RIGHT, _WRONG = (0, 158, 115), (213, 94, 0)  # Okabe and Ito: also apart for the colour-blind


def page_of(positions: np.ndarray, *, key: str = state.PAGE, in_address: bool = True) -> np.ndarray:
    """The part of `positions` that the chosen page shows; the page is kept in the address, else in the session."""
    pages = max(1, -(-len(positions) // PER_PAGE))
    state.keep_below(key, pages + 1)
    page = st.number_input(
        f"Page, 1 to {pages:,}", 1, pages, step=1, key=key, bind="query-params" if in_address else None,
        persist_state=None if in_address else "session", width=130, disabled=pages == 1,
    )  # fmt: skip
    return positions[(page - 1) * PER_PAGE : page * PER_PAGE]


def thumbnails(
    images: ImageSet, fingerprint: str, positions: np.ndarray, captions: Sequence[str], *, selected: int, choice: str,
    noun: str, key: str, alt: str, correct: np.ndarray | None = None,
) -> None:  # fmt: skip
    """The images at `positions` as tiles; a click on one puts its position into the session's `choice`.

    fingerprint: of the images. correct: whether each was classified correctly after each kept epoch, bool, N x E; drawn
    as a strip below it.
    """
    png, height, width = _sheet(fingerprint, positions, correct, images)
    numbers = positions.tolist()
    mosaic(
        png, tile_width=width, tile_height=height, columns=_COLUMNS, ids=numbers,
        selected=selected if selected in numbers else None, captions=captions, noun=noun, key=key, alt=alt,
        on_select=lambda: state.choose(choice, picked(key)),
    )  # fmt: skip


@st.cache_resource(max_entries=16, show_spinner=False)  # of large photos 4 MB each
def _sheet(
    fingerprint: str,  # noqa: ARG001 - of the images: the cache's key, with the next two
    positions: np.ndarray,
    correct: np.ndarray | None,
    _images: ImageSet,
) -> tuple[bytes, int, int]:
    """The images at `positions` as one PNG, with their strips where there are any; height and width of each."""
    pictures = _pictures(_images, positions)
    if correct is not None:
        pictures = _with_strips(pictures, correct)
    return _png(pictures), pictures.shape[1], pictures.shape[2]


def _pictures(images: ImageSet, positions: np.ndarray) -> np.ndarray:
    """uint8, N x S x S x 3, large ones made smaller."""
    pictures = [images.image(int(position)) for position in positions]
    if images.image_size > _MOST_PIXELS:
        size = (_MOST_PIXELS, _MOST_PIXELS)
        pictures = [np.asarray(Image.fromarray(picture).resize(size)) for picture in pictures]
    return np.stack(pictures)


def _with_strips(pictures: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """The pictures enlarged, with a strip below: from left to right the epochs, green where correct, else orange.

    pictures: uint8, N x S x S x 3. correct: bool, N x E. Returns uint8, N x H x W x 3.
    """
    factor = -(-_STRIP_WIDTH // pictures.shape[2])
    large = pictures.repeat(factor, axis=1).repeat(factor, axis=2)
    width = large.shape[2]
    epochs = np.arange(width) * correct.shape[1] // width
    strip = np.where(correct[:, epochs, None], np.array(_RIGHT, np.uint8), np.array(_WRONG, np.uint8))
    return np.concatenate([large, strip[:, None].repeat(_STRIP_HEIGHT, axis=1)], axis=1)


def _png(pictures: np.ndarray) -> bytes:
    """Picture i at row i // _COLUMNS, column i % _COLUMNS."""
    _, height, width, _ = pictures.shape
    rows = -(-len(pictures) // _COLUMNS)
    sheet = np.zeros((rows * _COLUMNS, height, width, 3), np.uint8)
    sheet[: len(pictures)] = pictures
    sheet = sheet.reshape(rows, _COLUMNS, height, width, 3).swapaxes(1, 2)
    buffer = io.BytesIO()
    Image.fromarray(sheet.reshape(rows * height, _COLUMNS * width, 3)).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
