"""What a run will cost: how many images, how fast this machine is; counted and timed once for all viewers."""

import threading

import streamlit as st

from core.config import TrainConfig
from core.data.sources import count_images
from core.paths import runs_dir
from core.runs.run import list_runs
from core.training.cost import Speed, known_speed, measure_speed
from dashboard.slots import slot

_timing = threading.Lock()  # two measurements at a time would each find half a machine


def counts(config: TrainConfig) -> dict[str, int]:
    """How many images a run would use; a folder is walked at most twice a minute. Raises DataError."""
    deciding = (config.data_key, config.data_dir, config.val_fraction, config.train_limit, config.val_limit)
    return _counts(deciding, config)


@st.cache_data(max_entries=64, ttl=30, show_spinner="Counting the images")
def _counts(deciding: tuple[object, ...], _config: TrainConfig) -> dict[str, int]:  # noqa: ARG001 - the key
    return count_images(_config)


def speed(config: TrainConfig) -> Speed | None:
    """How fast this machine trains: as its latest run did, else measured once; None while a run would share it.

    Raises ConfigError where a step of `config` doesn't fit into the device's memory.
    """
    if recorded := known_speed(config, list_runs(runs_dir())):
        return recorded
    place = slot("speed", config.device, config.precision, config.batch_size, config.optimizer, config.num_threads)
    with _timing:
        if place.found is not None or _is_training():
            known: Speed | None = place.found
            return known
        said = st.empty()  # no spinner: its timer raises in the server's log where another choice stops this
        said.caption(":material/timer: Timing a few training steps on this machine")
        measured = measure_speed(config)
        said.empty()
        if not _is_training():  # a run that began meanwhile took its share
            place.found = measured
        return measured


def _is_training() -> bool:
    """Whether a run trains, in this process or another."""
    return any(run.state.is_active for run in list_runs(runs_dir()))
