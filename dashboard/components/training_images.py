"""What a training is given: its batches as they are stored, and as chance changes them for the network."""

import streamlit as st
from PIL import Image

from core.config import TrainConfig
from core.data.batches import Batch, batch_at
from core.errors import CoreError, DataMissingError
from core.export.pictures import enlarged
from dashboard import cache, state
from dashboard.components.status import error_box
from dashboard.images import png_url
from dashboard.markdown import plain

_MOST = 18
_SIDE = 80  # pixels on the screen: three side by side on a telephone
_HELP = "Mirrored, shifted, cut out and mixed (CutMix) as the settings say. On a GPU chance draws other numbers."


@st.fragment
def training_images(config: TrainConfig, count: int) -> None:
    """Some images of a batch, folded away. count: how many there are; another makes the page look again."""
    place = st.expander(
        "Training images", icon=":material/photo_library:", key=state.TRAINING_IMAGES, on_change="rerun"
    )
    if not place.open:
        return
    with place:
        try:
            images = cache.training_images(config, count)
        except DataMissingError:
            st.caption("CIFAR-10 is not on this computer yet: the training downloads it first.")
        except CoreError as error:
            error_box(error)
        else:
            with st.container(horizontal=True, vertical_alignment="bottom"):
                num_steps = config.num_epochs * -(-len(images) // config.batch_size)
                state.keep_below(state.BATCH_STEP, num_steps + 1)
                step = st.number_input(
                    f"Step, 1 to {num_steps:,}", 1, num_steps, key=state.BATCH_STEP, persist_state="session", width=180
                )
                is_changed = st.toggle("Changed for the network", True, key=state.BATCH_CHANGED, help=_HELP)
            _pictures(batch_at(config, images, step - 1), is_changed)


def _pictures(batch: Batch, is_changed: bool) -> None:
    shown = min(len(batch.stored), _MOST)
    pixels = (batch.changed if is_changed else batch.stored.images)[:shown].permute(0, 2, 3, 1).numpy()
    st.caption(f"{shown} of the {len(batch.stored)} images of this step.")
    with st.container(horizontal=True, gap="small"):
        for i, picture in enumerate(pixels):
            words = _classes(batch, i) if is_changed else batch.stored.label(i)
            large = enlarged(Image.fromarray(picture), 2 * _SIDE)
            st.image(png_url(large), caption=plain(words), alt=words, width=_SIDE)


def _classes(batch: Batch, i: int) -> str:
    """The classes that the image stands for, the one with the greatest share first."""
    shares = {name: float(share) for name, share in zip(batch.stored.class_names, batch.targets[i], strict=True)}
    present = sorted((name for name in shares if shares[name] > 0), key=lambda name: -shares[name])
    return present[0] if len(present) == 1 else ", ".join(f"{name} {shares[name]:.0%}" for name in present)
