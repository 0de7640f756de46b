"""What a training is given: its batches as they are stored, and as chance changes them for the network."""

import streamlit as st
from PIL import Image

from core.config import TrainConfig
from core.data.batches import Batch, steps_in_epoch
from core.errors import CoreError, DataMissingError
from core.export.pictures import enlarged
from dashboard import image_sets, state
from dashboard.components.status import error_box
from dashboard.images import png_url
from dashboard.markdown import plain

_MOST = 18
_LEAST = 0.005  # of an image: less is 0 %
_SIDE = 80  # pixels on the screen: three side by side on a telephone
_HELP = (
    "Mirrored, shifted, cut out and mixed (CutMix) as the settings say, with the shares of the classes that they stand "
    "for. On a GPU chance draws other numbers. Presets with smaller inputs first shrink them besides."
)


@st.fragment
def training_images(config: TrainConfig, count: int) -> None:
    """Some images of the batch of any step, folded away. count: how many images the training has."""
    place = st.expander(
        "Training images", icon=":material/photo_library:", key=state.TRAINING_IMAGES, on_change="rerun"
    )
    if not place.open:
        return
    with place:
        num_steps = config.num_epochs * steps_in_epoch(count, config.batch_size)
        state.keep_below(state.BATCH_STEP, num_steps + 1)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            step = st.number_input(
                f"Step, 1 to {num_steps:,}", 1, num_steps, key=state.BATCH_STEP, persist_state="session", width=180
            )
            is_given = st.toggle(
                "As the network gets them", True, key=state.BATCH_GIVEN, persist_state="session", help=_HELP
            )
        try:
            batch = image_sets.training_batch(config, step - 1, _MOST)
        except DataMissingError:
            st.caption("CIFAR-10 is not on this computer yet: the training downloads it first.")
        except CoreError as error:
            error_box(error)
        else:
            _pictures(batch, is_given)


def _pictures(batch: Batch, is_given: bool) -> None:
    st.caption(f"{len(batch.labels)} of the {batch.size} images of this step.")
    pictures = batch.given if is_given else batch.stored
    words = [_words(shares) for shares in batch.shares] if is_given else batch.labels
    with st.container(horizontal=True, gap="small"):
        for picture, said in zip(pictures, words, strict=True):
            large = enlarged(Image.fromarray(picture), 2 * _SIDE)
            st.image(png_url(large), caption=plain(said), alt=said, width=_SIDE)


def _words(shares: dict[str, float]) -> str:
    """The class; of a mixture the classes with their shares, as far as they can be seen."""
    seen = {name: share for name, share in shares.items() if share >= _LEAST}
    return next(iter(seen)) if len(seen) == 1 else ", ".join(f"{name} {share:.0%}" for name, share in seen.items())
