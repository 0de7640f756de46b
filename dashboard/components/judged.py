"""A set of images that a network judged."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import streamlit as st

from core.data.images import ImageSet, doubt_about
from core.errors import CoreError
from core.history import History
from core.outcomes import OUTCOMES_FILE, Outcomes
from core.runs.checkpoints import Checkpoint
from core.runs.run import Run
from core.runs.snapshots import snapshot_epochs, validated_epochs
from dashboard import image_sets, links, state, surveys
from dashboard.components.missing_images import missing_images
from dashboard.components.status import STAY

TEST, VALIDATION = "test", "validation"
_AT_ONCE = 500  # images that are judged without being asked: seconds
_SURE = 0.9


@dataclass(frozen=True)
class Judged:
    """images and outcomes belong together, one by one. name: test or validation. key: of the chosen image.

    images: None where they can't be had; problem says why they are not here. fingerprint: of the images, while they are
    there. about: who judged what, as one clause. history: what the epochs said of the same images, where that is kept.
    """

    name: str
    key: str
    images: ImageSet | None
    fingerprint: str
    problem: CoreError | None
    outcomes: Outcomes
    about: str
    history: History | None = None


def judged_images(checkpoint: Checkpoint, name: str, *, at_end: bool) -> Judged | None:
    """The test images or the validation images with what the network said of them; None, and a word, without it.

    at_end: what it said of the validation images after the last epoch, not after that of the checkpoint.
    Raises CoreError where what was kept is damaged.
    """
    return _test(checkpoint) if name == TEST else _validation(checkpoint, at_end)


def _test(checkpoint: Checkpoint) -> Judged | None:
    images, problem = _load(partial(image_sets.test_images, checkpoint.run))
    found = surveys.outcomes(checkpoint)
    if found is None and problem is not None:
        missing_images(checkpoint.run.config, problem)
        return None
    if found is None and images is not None:
        _judge(checkpoint, len(images))
        found = surveys.outcomes(checkpoint)
    if found is None:
        return None
    about = f"The weights after step {checkpoint.step:,} judged {len(found):,} test images"
    doubt = doubt_about(image_sets.test_fingerprint(checkpoint.run), checkpoint.run.data) if images else ""
    if doubt:
        st.warning(doubt, icon=":material/rule:")
    else:
        about += ", which training never saw"
    return Judged(TEST, state.IMAGE_INDEX, images, found.images, problem, found, about)


def _load(load: Callable[[], ImageSet]) -> tuple[ImageSet | None, CoreError | None]:
    """The images, or why they can't be had."""
    try:
        return load(), None
    except CoreError as error:
        return None, error


def _judge(checkpoint: Checkpoint, count: int) -> None:
    """Judge the test images: at once where they are few, else when asked to."""
    place = st.empty()
    if count > _AT_ONCE:
        with place.container():
            words = f"{_unjudged(checkpoint, count)} That takes up to a few minutes on a CPU and is kept."
            st.info(words, icon=":material/quiz:")
            with st.container(horizontal=True):
                asked = st.button("Judge the test images", icon=":material/play_arrow:", type="primary", key="judge")
                if validated_epochs(checkpoint.run):
                    st.button("See the validation images", icon=":material/history:", key="known", on_click=_see_known)
            if not asked:
                return
    with place.container():
        bar = st.progress(0.0, "Judging the test images")
        if count > _AT_ONCE:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button("Cancel", icon=":material/cancel:", key="cancel_judge")
                st.caption(STAY, width="content")

    def tell(done: int) -> None:
        bar.progress(done / count, f"Judged {done:,} of {count:,} test images")

    surveys.judge_test_images(checkpoint, tell)
    place.empty()


def _see_known() -> None:
    """The validation images: what each epoch said of them is kept."""
    st.session_state[state.SET] = VALIDATION
    state.first_page()


def _unjudged(checkpoint: Checkpoint, count: int) -> str:
    if surveys.keeps_others(checkpoint, OUTCOMES_FILE):
        return (
            f"The answers kept with this checkpoint are to another copy of the test images than the {count:,} on this "
            "computer. Judge these to replace them."
        )
    return f"This checkpoint has not judged the {count:,} test images yet."


def _validation(checkpoint: Checkpoint, at_end: bool) -> Judged | None:
    history = surveys.history(checkpoint.run, checkpoint.class_names)
    if history is None:
        st.info(_why_unknown(checkpoint.run), icon=":material/history:")
        return None
    epoch = history.epochs[-1] if at_end else history.nearest(checkpoint.epoch)
    outcomes = history.after(epoch)
    images, problem = _load(partial(image_sets.val_images, checkpoint.run))
    if images is not None and not _are_those_judged(checkpoint.run, images, outcomes):
        images = None
        st.info(
            "The validation images on this computer are not those that the epochs of this run were judged on: what was "
            "said of them is shown without pictures.", icon=":material/photo_library:",
        )  # fmt: skip
    about = f"After epoch {epoch} the network judged {len(outcomes):,} validation images"
    fingerprint = image_sets.val_fingerprint(checkpoint.run) if images else ""
    return Judged(VALIDATION, state.VAL_IMAGE, images, fingerprint, problem, outcomes, about, history)


def _why_unknown(run: Run) -> str:
    if snapshot_epochs(run) and not validated_epochs(run):
        return (
            "The first epoch of this run isn't finished: what it says of the validation images appears after it. Until "
            "then, look at the test images."
        )
    return (
        "This run kept no snapshots, so what it said of the validation images is not known. A new run keeps them; of "
        "this one, look at the test images."
    )


def _are_those_judged(run: Run, images: ImageSet, outcomes: Outcomes) -> bool:
    """Whether the validation images are those that `run` had; their labels alone are the same for many others."""
    found, recorded = image_sets.val_fingerprint(run), run.data.get("val_fingerprint")
    return recorded in (found, None) and np.array_equal(images.labels, outcomes.labels)


def pick_image(judged: Judged) -> int:
    """The number of the image to look at closely: what a click sets, a link carries and the keyboard reaches."""
    last = len(judged.outcomes) - 1
    links.check_link(judged.key, range(last + 1), f"{judged.name} image")
    state.keep_below(judged.key, last + 1)
    return int(
        st.number_input(
            f"{judged.name.capitalize()} image, 0 to {last:,}", 0, last, step=1, key=judged.key, bind="query-params",
            width=200, on_change=state.back_to_test_set if judged.name == TEST else None,
        )
    )  # fmt: skip


def figures(judged: Judged) -> None:
    """How well it judges, in one line."""
    outcomes = judged.outcomes
    wrong = len(outcomes) - int(outcomes.correct.sum())
    sure = int((~outcomes.correct & (outcomes.confidences > _SURE)).sum())
    st.markdown(
        f"{judged.about}: **{outcomes.accuracy:.1%} correct**, {wrong:,} mistakes, {sure:,} of them with over "
        f"{_SURE:.0%} confidence. Mean loss {outcomes.losses.mean():.3f}."
    )
