"""The slider over a run's epochs: by hand, playing, or following a run that trains."""

import re
from collections.abc import Sequence

import streamlit as st

from core.runs.snapshots import to_epoch
from dashboard import links, state

_NUMBER = re.compile(r"\d{1,6}(\.\d{1,6})?")


def time_slider(epochs: Sequence[float], *, is_live: bool, is_ticking: bool) -> float:
    """The epoch to show. While it plays, each call goes one further; the end stops it.

    is_ticking: whether the page calls this again and again. Only the page can start and stop that, so it is redrawn.
    """
    if is_playing() is not is_ticking:
        st.rerun()
    links.check_link(state.EPOCH, epochs, "epoch")
    if is_live:  # a link to an older epoch opens that one; the epoch of another run, looked at before, says nothing
        is_link = state.EPOCH not in st.session_state
        st.session_state.setdefault(state.FOLLOW, not is_link or _chosen() in (None, epochs[-1]))
    now = _epoch_to_show(epochs, is_live=is_live)
    st.session_state[state.EPOCH] = now
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _play_button(epochs, now)
        if len(epochs) > 1:
            # An address leaves out the default: without an epoch it means the newest. On the way back it decides.
            now = st.select_slider(
                "Epoch", epochs, epochs[-1], key=state.EPOCH, bind="query-params", on_change=_by_hand, width="stretch",
                disabled=is_playing(),
            )  # fmt: skip
        if is_live:
            st.toggle(
                "Follow", key=state.FOLLOW, persist_state="session", help="Always show the newest epoch of this run."
            )
    return now


def _epoch_to_show(epochs: Sequence[float], *, is_live: bool) -> float:
    """It moves on from an epoch that the browser has shown: one that lags still reports the epoch before.

    While it plays, the slider can't be moved, so this is no wish of the user's, however often it comes; else it may be
    one the second time.
    """
    chosen = _chosen()
    before, to = _last_move()
    if to in epochs and chosen == before:
        if not is_playing():
            _forget_move()
        return to
    shown = epochs[-1] if chosen is None else min(epochs, key=lambda epoch: abs(epoch - chosen))
    now = shown
    if is_playing():
        later = [epoch for epoch in epochs if epoch > st.session_state[state.PLAYING]]
        if not later:
            _stop()
            st.rerun()
        st.session_state[state.PLAYING] = now = later[0]
    elif is_live and st.session_state[state.FOLLOW]:
        now = epochs[-1]
    _forget_move()
    if now != shown:
        st.session_state[state.MOVED] = shown, now
    return now


def _play_button(epochs: Sequence[float], now: float) -> None:
    if is_playing():
        st.button("Pause", icon=":material/pause:", key="pause", on_click=_stop)
    else:
        st.button(
            "Play", icon=":material/play_arrow:", key="play", on_click=_start, args=(epochs, now),
            disabled=len(epochs) < 2,
        )  # fmt: skip


def _start(epochs: Sequence[float], now: float) -> None:
    """From here on, or from the beginning where this is the end."""
    st.session_state[state.PLAYING] = now if now < epochs[-1] else -1
    _do_not_follow()


def _stop() -> None:
    """Stay with what the browser shows."""
    st.session_state.pop(state.PLAYING, None)
    _forget_move()


def _by_hand() -> None:
    """The user moved the slider, unless a browser that lags reports the epoch before the page's own move."""
    if not is_playing() and st.session_state[state.EPOCH] != _last_move()[0]:
        _do_not_follow()
        _forget_move()


def _do_not_follow() -> None:
    """The run that trains; a wish about one that doesn't is none about the next that does."""
    if state.FOLLOW in st.session_state:
        st.session_state[state.FOLLOW] = False


def _last_move() -> tuple[float | None, float]:
    """From where to where the page moved the slider itself, while the browser may not know yet; None where it does."""
    move: tuple[float | None, float] = st.session_state.get(state.MOVED, (None, -1))
    return move


def _forget_move() -> None:
    st.session_state.pop(state.MOVED, None)


def is_playing() -> bool:
    return state.PLAYING in st.session_state


def _chosen() -> float | None:
    """The epoch that the session, else the address, gives as a number."""
    value = str(state.chosen(state.EPOCH))
    return to_epoch(value) if _NUMBER.fullmatch(value) else None
