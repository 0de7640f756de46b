"""The form that starts a run: its settings, what it will cost, its name."""

import streamlit as st

from core.config import TrainConfig
from core.errors import CoreError
from core.paths import data_dir, runs_dir
from core.runs.names import check_new_run_id
from core.runs.run import Run
from core.training import jobs
from core.training.cost import estimate
from core.training.device import pick_device
from core.training.snapshots import check_pinned
from core.variations import named
from core.wording import duration
from dashboard import costs, state
from dashboard.components.series import chosen_series, pick_series
from dashboard.components.settings_form import chosen_settings, pick_settings
from dashboard.components.status import error_box
from dashboard.components.training_images import training_images
from dashboard.markdown import plain


def new_run() -> None:
    """Choose data and preset, see the cost, start."""
    busy = jobs.active()
    with st.container():  # of one piece, whatever it says: the button below keeps its place, also while it is drawn
        series = _checked_series()
        if busy is not None:
            st.caption(
                f":material/info: Run {plain(busy.id)} is training. Another begins after it, and after those that wait."
            )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Name", key=state.NAME, persist_state="session", placeholder="preset and time", width=260,
            help="Small letters, digits, dots, dashes and underscores. It is the name of the run's folder.",
        )  # fmt: skip
        st.button(
            _verb(len(series), busy), type="primary", icon=":material/play_arrow:", on_click=_start, key="start",
            args=(busy is not None,), disabled=not series,
        )  # fmt: skip
    if problem := _name_problem(series):
        error_box(problem)


def _verb(num_runs: int, busy: Run | None) -> str:
    runs = f" {num_runs} runs" if num_runs > 1 else ""
    return f"Start{runs or ' training'}" if busy is None else f"Add{runs} to the queue"


def _name_problem(series: dict[str, TrainConfig]) -> CoreError | None:
    """Why a run can't be called so. The button stays as it is: a click comes with what was typed last."""
    try:
        for run_id, _ in named(series, runs_dir(), _name()):
            if run_id is not None:
                check_new_run_id(runs_dir(), run_id)
    except CoreError as error:
        return error
    return None


def _checked_series() -> dict[str, TrainConfig]:
    """What is chosen, with its cost; nothing, and a sentence, where it can't be started."""
    try:
        config = pick_settings()
        if config is None:
            return {}
        series = pick_series(config)
        for varied in series.values():
            pick_device(varied)  # refuses one that isn't here
            check_pinned(varied, costs.counts(varied)["test"])
        _cost(list(series.values()))
        first = next(iter(series.values()))
        training_images(first, costs.counts(first)["train"])
    except CoreError as error:
        error_box(error)
        return {}
    return series


def _name() -> str | None:
    """What the run is to be called; None leaves that to its preset and the time."""
    return str(st.session_state.get(state.NAME) or "").strip() or None


def _start(in_turn: bool) -> None:
    """in_turn: whether the button said that something else is training."""
    started: list[Run] = []
    try:
        series = chosen_series(chosen_settings())
        if _name_problem(series):  # said beside the name
            return
        for run_id, config in named(series, runs_dir(), _name()):
            wait = in_turn or bool(started)
            run = jobs.start(config, runs_dir=runs_dir(), data_dir=data_dir(), run_id=run_id, in_turn=wait)
            started.append(run)
    except CoreError as error:
        state.leave_message(str(error))
    if started:
        st.session_state[state.NAME] = ""  # the next one needs another
        if len(started) > 1:
            st.session_state[state.RUNS] = [run.id for run in started]  # for Compare
            st.session_state[state.VARIED] = []
        if not in_turn:
            state.select_run(started[0].id)
            st.session_state[state.NEW_RUN] = False


@st.fragment(parallel=True)  # timing a machine takes seconds; the rest of the page doesn't wait
def _cost(configs: list[TrainConfig]) -> None:
    """How large the runs will be. Says itself what goes wrong: a fragment's errors don't reach its caller."""
    try:
        speed = costs.speed(configs[0])
        counts = [costs.counts(config) for config in configs]
    except CoreError as error:
        error_box(error)
        return
    each = [estimate(config, speed, count) for config, count in zip(configs, counts, strict=True)]
    time = "time not known while a run trains"
    if speed is not None:
        seconds = sum(cost.seconds or 0.0 for cost in each)
        time = f"about **{duration(seconds)}** on {speed.device} ({speed.precision})"
    disk = sum(cost.disk_bytes for cost in each) / 1e9
    st.caption(
        (f"**{len(configs)} runs**, one after the other · " if len(configs) > 1 else "")
        + f"{max(count['train'] for count in counts):,} training images · "
        f"about {each[0].parameters / 1e6:.0f} million parameters · {time} · "
        f"about {max(cost.memory_bytes for cost in each) / 1e9:.1f} GB of memory, up to {disk:.1f} GB on disk"
    )
