"""Choose pictures: from the test set, from files, or from the camera."""

import streamlit as st
from PIL import Image
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.config import TrainConfig
from core.data.example import EXAMPLE_LABEL, example_image
from core.errors import CoreError, DataMissingError, ImageError
from core.runs.run import Run
from core.runs.snapshots import MAX_PINNED
from dashboard import cache, image_sets, links, pins, state
from dashboard.cache import MAX_UPLOADS
from dashboard.components.image_browser import image_browser
from dashboard.components.missing_images import missing_images
from dashboard.components.status import error_box
from dashboard.images import Chosen
from dashboard.markdown import plain, some

_FORMATS = ["png", "jpg", "jpeg", "webp", "bmp", "gif"]
_ANY = "any class"


def image_picker(run: Run, *, several: bool = False) -> list[Chosen]:
    """The chosen pictures; none, and a word on what to do next, where nothing is chosen.

    All in one container: widgets below that move down the page would lose their part of the address.
    """
    with st.container():
        return _pick(run, several)


def _pick(run: Run, several: bool) -> list[Chosen]:
    if st.query_params.get(state.IMAGE_SOURCE) == state.TEST_SET:  # a link to one, whatever was looked at before
        state.back_to_test_set()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = st.segmented_control(
            "Image from", [state.TEST_SET, state.UPLOADS, state.PHOTO], key=state.IMAGE_SOURCE, default=state.TEST_SET,
            required=True, persist_state="session", on_change=_forget_link,
        )  # fmt: skip
        if source == state.TEST_SET:
            try:
                return _from_test_set(run)
            except CoreError as error:
                problem = error
    if source == state.TEST_SET:
        return _without_test_set(run.config, problem)
    return _photographed() if source == state.PHOTO else _uploaded(several)


def _forget_link() -> None:
    """What the user chooses counts more than the link that led here."""
    st.query_params.pop(state.IMAGE_SOURCE, None)


def _photographed() -> list[Chosen]:
    """The picture that the camera took last."""
    shot = st.camera_input(
        "Take a picture", key=state.CAMERA, label_visibility="collapsed", on_change=_forget, args=(state.SHOT,)
    )
    return _decode(_kept(state.SHOT, [shot] if shot else []), "Allow the camera, then take a picture.")


def _uploaded(several: bool) -> list[Chosen]:
    """Pictures from files; they stay chosen when the user goes to another page."""
    label = "Upload pictures" if several else "Upload a picture"
    files = st.file_uploader(
        label, type=_FORMATS, accept_multiple_files=several, key=state.UPLOAD + ("s" if several else ""),
        on_change=_forget, args=(state.FILES,), help="PNG, JPEG, WebP, BMP or GIF, up to 10 MB each.",
    )  # fmt: skip
    found = files if isinstance(files, list) else [files] if files else []
    if len(found) > MAX_UPLOADS:
        st.warning(f"{len(found)} files are more than the {MAX_UPLOADS} shown at once; the first {MAX_UPLOADS} count.")
    kept = _kept(state.FILES, found[:MAX_UPLOADS])
    if kept and not found:  # the uploader itself has forgotten them
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Uploaded before: {some([name for name, _ in kept])}", width="content")
            st.button("Remove", icon=":material/close:", key="remove_uploads", on_click=_forget, args=(state.FILES,))
    return _decode(kept if several else kept[:1], "Choose a picture of your own: the centre square is what counts.")


def _kept(key: str, files: list[UploadedFile]) -> list[tuple[str, bytes]]:
    """Their names and bytes, or those of before: a widget forgets its files when the page changes."""
    if files:
        st.session_state[key] = [(file.name, file.getvalue()) for file in files]
    kept: list[tuple[str, bytes]] = st.session_state.get(key, [])
    return kept


def _forget(key: str) -> None:
    st.session_state.pop(key, None)


def _from_test_set(run: Run) -> list[Chosen]:
    """An image by its number, which is what a link carries; another, of a class or of any, by looks or at random."""
    images = image_sets.test_images(run)
    last = len(images) - 1
    links.check_link(state.IMAGE_INDEX, range(last + 1), "test image")
    state.keep_below(state.IMAGE_INDEX, last + 1)
    index = st.number_input(
        f"Test image, 0 to {last:,}", 0, last, step=1, key=state.IMAGE_INDEX, bind="query-params", width=180
    )
    name = st.selectbox(
        "Class", [_ANY, *images.class_names], key=state.IMAGE_CLASS, persist_state="session", width=150,
        on_change=state.first_page, args=(state.BROWSER_PAGE,),
    )  # fmt: skip
    indices = range(last + 1) if name == _ANY else images.indices_of(name).tolist()
    st.button(
        "Random", icon=":material/shuffle:", on_click=state.random_image, args=(indices,), key="random_image",
        disabled=not indices, help=None if indices else f"The test set has no image of {plain(name)}.",
    )  # fmt: skip
    image_browser(run, indices, index)
    data = run.config.data_key
    st.button(
        "Unpin" if index in pins.pinned(data) else "Pin", icon=":material/push_pin:", key="pin",
        on_click=pins.turn, args=(data, index, MAX_PINNED),
        help="The next run that you start on these images keeps the feature maps of this one at each of its epochs.",
    )  # fmt: skip
    title = f"{'synthetic ' if images.synthetic else ''}test image {index:,}"
    return [Chosen(title, Image.fromarray(images.image(int(index))), images.label(int(index)), int(index))]


def _without_test_set(config: TrainConfig, problem: CoreError) -> list[Chosen]:
    """A photograph to go on with where the test set was never here; where it is gone or damaged, the problem."""
    missing_images(config, problem, "Until then, here is a photograph of a cat.")
    if not isinstance(problem, DataMissingError):
        return []
    return [Chosen("example photograph", example_image(), EXAMPLE_LABEL)]


def _decode(files: list[tuple[str, bytes]], advice: str) -> list[Chosen]:
    """The pictures in (name, bytes) pairs; a sentence for each that can't be read."""
    if not files:
        st.info(advice, icon=":material/add_photo_alternate:")
    chosen = []
    for name, data in files:
        try:
            chosen.append(cache.uploaded(name, data))
        except ImageError as error:
            error_box(error)
    return chosen
