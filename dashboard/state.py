"""Every key of the session state and of the address, in one place."""

import contextlib
import random
import zlib
from collections.abc import Collection, Sequence

import streamlit as st
from streamlit.errors import StreamlitAPIException

RUN = "run"
CHECKPOINT = "checkpoint"
LAYER = "layer"
STAGE = "stage"
CHANNEL = "channel"
SCALE = "scale"
ROW, COLUMN, PIN_SIDE = "row", "column", "pin_side"
EPOCH = "epoch"
TARGET = "target"
OPACITY = "opacity"
PINNED = "pinned"
PINS = "pins"
PLAYING = "playing"  # the epoch that it has come to
MOVED = "moved"  # from where to where the page last moved the slider itself
FOLLOW = "follow"
FOLLOW_WEIGHTS = "follow_weights"
TIME_MOSAIC = "time_mosaic"
TRAINING_IMAGES, BATCH_STEP, BATCH_GIVEN = "training_images", "batch_step", "batch_given"
IMAGE_SOURCE, IMAGE_CLASS, IMAGE_INDEX = "from", "class", "image"
BROWSER, BROWSER_PAGE, BROWSER_MOSAIC = "browser", "browser_page", "browser_mosaic"
TEST_SET, UPLOADS, PHOTO = "Test set", "Upload", "Camera"  # what IMAGE_SOURCE may be
UPLOAD, FILES, CAMERA, SHOT = "upload", "files", "camera", "shot"
X_AXIS, SMOOTHING, LOG_LOSS = "x", "smoothing", "log"
NEW_RUN = "new_run"
SOURCE, PRESET, FOLDER = "source", "preset", "folder"
NAME, VARIED = "name", "varied"
MESSAGE = "message"
MOSAIC = "mosaic"
SORT = "sort"
SHOW = "show"
GREATEST = "greatest"
UNIT_VIEW = "unit"
VIEW = "view"
SET = "set"
TRUE = "true"
PREDICTED = "predicted"
ORDER = "order"
PAGE = "page"
GROUP = "group"
VAL_IMAGE = "val_image"
GALLERY = "gallery"
CONFUSION, TABLE = "confusion_table", "table"
NEIGHBOURS, PIXEL_NEIGHBOURS, EMBEDDING_MAP = "neighbours", "pixel_neighbours", "embedding_map"
FILTERS, ALL_LAYERS = "filters", "all_layers"

RUN_B = "run_b"
CHECKPOINT_B = "checkpoint_b"
RUNS = "runs"
DIFFERENCE_ORDER = "differ"
OFF = "off"
GOAL = "goal"
GOAL_CLASS = "goal_class"
SEED, STEPS = "seed", "steps"
WAY = "raises"
DREAM = "dream"
MOSAICS = ("mosaic_a", "mosaic_b", "mosaic_difference")


def setting(name: str, preset: str, data: str) -> str:
    """The key of one field of the new-run form; a preset's own, so that choosing another shows its values.

    Pins are also the data set's own: they are numbers of its test images. The first weights are no preset's.
    """
    if name == "pretrained":
        return "new_pretrained"
    return f"new_{name}_{preset}" + (f"_{data}" if name == "pinned_images" else "")


def values_of(name: str) -> str:
    """The key of the values to try of one setting."""
    return f"{VARIED}_{name}"


def run_table(run_ids: Sequence[str]) -> str:
    """The key of the table of these runs: a selection is a row number, which another run gets when the list changes."""
    return f"run_table_{zlib.crc32(' '.join(run_ids).encode())}"


def edit(name: str) -> str:
    """The key of one change to the picture."""
    return f"edit_{name}"


def select_run(run_id: str) -> None:
    """Show this run on every page, and name it in the address; for pages without a run picker."""
    st.session_state[RUN] = run_id
    st.session_state.pop(f"{RUN}_unchosen", None)
    put_in_address(RUN, run_id)


def put_in_address(key: str, value: str) -> None:
    """Name a choice there, unless the page before still holds the name for its widget."""
    with contextlib.suppress(StreamlitAPIException):
        st.query_params[key] = value


def note_unchosen(key: str) -> None:
    """What stands there now is a default, which no user chose."""
    st.session_state[f"{key}_unchosen"] = st.session_state[key]


def unchosen(key: str) -> object:
    """The default that note_unchosen found there; None once the user has chosen anything."""
    now = st.session_state.get(key)
    if now is not None and now != st.session_state.get(f"{key}_unchosen"):
        st.session_state.pop(f"{key}_unchosen", None)
    return st.session_state.get(f"{key}_unchosen")


def keep_valid(key: str, options: Collection[object], default: object) -> None:
    """Where a choice is no longer among the options (another layer's stage, another run's class), choose the default.

    Assigned, not deleted: a browser keeps what a widget shows while its key is gone, and sends it back.
    """
    if key in st.session_state and st.session_state[key] not in options:
        st.session_state[key] = default


def chosen(key: str) -> object:
    """What the session, else the address, names."""
    return st.session_state.get(key, st.query_params.get(key))


def put_back(key: str, value: object) -> None:
    """Whoever clears a field without a default finds there what was there, not another choice."""
    if st.session_state[key] is None:
        st.session_state[key] = value


def keep_below(key: str, limit: int) -> None:
    """Bring a chosen number down where fewer are left to choose from."""
    if (st.session_state.get(key) or 0) >= limit:
        st.session_state[key] = limit - 1


def selected_run() -> str | None:
    """The run that the pages show; None where a page has let go of one that nobody chose, and the address has not."""
    value = chosen(RUN)
    is_left_over = RUN not in st.session_state and value == unchosen(RUN)
    return value if isinstance(value, str) and not is_left_over else None


def chosen_checkpoint() -> str | None:
    """best or last, once its picker is drawn."""
    value = st.session_state.get(CHECKPOINT)
    return value if isinstance(value, str) else None


def pin_unit(unit: tuple[int, int] | None = None) -> None:
    """Keep to this row and column of the map; None lets go."""
    st.session_state[ROW], st.session_state[COLUMN] = unit or (None, None)
    st.session_state.pop(PIN_SIDE, None)


def keep_pin(side: int) -> None:
    """Let go of a unit that was pinned in a map with another number of rows: here it is another place."""
    if st.session_state.get(PIN_SIDE, side) != side:
        pin_unit()
    st.session_state[PIN_SIDE] = side


def pinned_unit() -> tuple[int, int] | None:
    """The pinned row and column; None where one of them is not given."""
    row, column = st.session_state.get(ROW), st.session_state.get(COLUMN)
    return None if row is None or column is None else (int(row), int(column))


def walk_to(layer: str, channel: int, row: int, column: int) -> None:
    """Look at this unit of another layer."""
    st.session_state[LAYER], st.session_state[CHANNEL] = layer, channel
    pin_unit((row, column))


def choose(key: str, value: int | str | None) -> None:
    """Set a choice from a click; None leaves it as it is."""
    if value is None:
        return
    st.session_state[key] = value
    if key == IMAGE_INDEX:
        back_to_test_set()


def back_to_test_set() -> None:
    """Whoever chose a test image by its number wants to see it on the other pages, not an upload."""
    st.session_state[IMAGE_SOURCE] = TEST_SET


def choose_cell(true: str, predicted: str) -> None:
    """Look at the images of this true and this predicted class, from their first page on."""
    st.session_state[TRUE], st.session_state[PREDICTED] = true, predicted
    first_page()


def first_page(key: str = PAGE) -> None:
    st.session_state[key] = 1


def random_image(indices: Sequence[int]) -> None:
    """Point the image picker at any of these test images."""
    st.session_state[IMAGE_INDEX] = random.choice(indices)


def leave_message(text: str) -> None:
    """Something for the next drawing of the page to say, once."""
    st.session_state[MESSAGE] = text


def has_message() -> bool:
    """Whether something waits to be said."""
    return MESSAGE in st.session_state


def take_message() -> str | None:
    value = st.session_state.pop(MESSAGE, None)
    return value if isinstance(value, str) else None
