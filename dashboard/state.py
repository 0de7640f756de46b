"""Every key of the session state and of the address, in one place."""

import random
from collections.abc import Collection, Sequence

import streamlit as st

RUN = "run"
CHECKPOINT = "checkpoint"
LAYER = "layer"
STAGE = "stage"
CHANNEL = "channel"
SCALE = "scale"
ROW = "row"
COLUMN = "column"
EPOCH = "epoch"
IMAGE_SOURCE = "from"
IMAGE_CLASS = "class"
IMAGE_INDEX = "image"
UPLOAD = "upload"
FILES = "files"
CAMERA = "camera"
X_AXIS = "x"
SMOOTHING = "smoothing"
LOG_LOSS = "log"
RUN_TABLE = "run_table"
NEW_RUN = "new_run"
MESSAGE = "message"
MOSAIC = "mosaic"


def setting(name: str, preset: str) -> str:
    """The key of one field of the new-run form; a preset's own, so that choosing another shows its values."""
    return f"new_{name}_{preset}"


def select_run(run_id: str) -> None:
    """Show this run on every page."""
    st.session_state[RUN] = run_id


def keep_valid(key: str, options: Collection[object]) -> None:
    """Forget a choice that is no longer among the options (a deleted run, another layer's stage)."""
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]


def keep_below(key: str, limit: int) -> None:
    """Bring a chosen number down where fewer are left to choose from."""
    if st.session_state.get(key, 0) >= limit:
        st.session_state[key] = limit - 1


def keep_files(files: list[tuple[str, bytes]]) -> None:
    """Remember uploads as (name, bytes): the uploader itself forgets them when the page changes."""
    st.session_state[FILES] = files


def kept_files() -> list[tuple[str, bytes]]:
    files: list[tuple[str, bytes]] = st.session_state.get(FILES, [])
    return files


def forget_files() -> None:
    st.session_state.pop(FILES, None)


def selected_run() -> str | None:
    value = st.session_state.get(RUN, st.query_params.get(RUN))
    return value if isinstance(value, str) else None


def close_form() -> None:
    """Fold the new-run form away: the run it started is what counts now."""
    st.session_state[NEW_RUN] = False


def select_channel(channel: int | None) -> None:
    """Enlarge this channel; None leaves the choice as it is."""
    if channel is not None:
        st.session_state[CHANNEL] = channel


def check_link(key: str, options: Collection[object], what: str) -> None:
    """Say so where the address asks for something that isn't there; call it before the widget is drawn."""
    asked = st.query_params.get(key)
    if asked is not None and key not in st.session_state and asked not in map(str, options):
        st.warning(
            f"The link asks for {what} {asked[:40]!r}, which isn't here; this is another.", icon=":material/link_off:"
        )


def choose_image(index: int) -> None:
    """Point the image picker at this test image."""
    st.session_state[IMAGE_INDEX] = index


def random_image(indices: Sequence[int]) -> None:
    """Point the image picker at any of these test images."""
    choose_image(random.choice(indices))


def leave_message(text: str) -> None:
    """Something for the next drawing of the page to say, once."""
    st.session_state[MESSAGE] = text


def take_message() -> str | None:
    value = st.session_state.pop(MESSAGE, None)
    return value if isinstance(value, str) else None
