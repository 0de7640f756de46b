"""The slider over a run's epochs: by hand, playing, or following a run that trains."""

import re
from collections.abc import Sequence

import streamlit as st

from dashboard import links, state

_NUMBER = re.compile(r"\d{1,6}")


def time_slider(epochs: Sequence[int], *, is_live: bool, is_ticking: bool) -> int:
    """The epoch to show. While it plays, each call goes one further; the end stops it.

    is_ticking: whether the page calls this again and again. Only the page can start and stop that, so it is redrawn.
    """
    if is_playing() is not is_ticking:
        st.rerun()
    links.check_link(state.EPOCH, epochs, "epoch")
    if is_live:  # a link to an older epoch opens that one
        st.session_state.setdefault(state.FOLLOW, _chosen() in (None, epochs[-1]))
    now = _shown(epochs, is_live=is_live and not is_playing())
    if is_playing():
        later = [epoch for epoch in epochs if epoch > now]
        if later:
            now = later[0]
        else:
            _play(False)
            st.rerun()
    st.session_state[state.EPOCH] = now
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _play_button(epochs, now)
        if len(epochs) > 1:
            # An address leaves out the default: without an epoch it means the newest. On the way back it decides.
            now = st.select_slider(
                "Epoch", epochs, epochs[-1], key=state.EPOCH, bind="query-params", on_change=_by_hand, width="stretch"
            )
        if is_live:
            st.toggle(
                "Follow", key=state.FOLLOW, persist_state="session", help="Always show the newest epoch of this run."
            )
    return now


def _play_button(epochs: Sequence[int], now: int) -> None:
    if is_playing():
        st.button("Pause", icon=":material/pause:", key="pause", on_click=_play, args=(False,))
    else:
        st.button(
            "Play", icon=":material/play_arrow:", key="play", on_click=_start, args=(epochs, now),
            disabled=len(epochs) < 2,
        )  # fmt: skip


def _start(epochs: Sequence[int], now: int) -> None:
    """From here on, or from the beginning where this is the end."""
    if now == epochs[-1]:
        st.session_state[state.EPOCH] = epochs[0]
    st.session_state[state.FOLLOW] = False
    _play(True)


def _by_hand() -> None:
    st.session_state[state.FOLLOW] = False
    _play(False)


def is_playing() -> bool:
    return bool(st.session_state.get(state.PLAYING))


def _play(playing: bool) -> None:
    st.session_state[state.PLAYING] = playing


def _shown(epochs: Sequence[int], *, is_live: bool) -> int:
    """The newest epoch while one follows a run that trains, else the chosen one or the one nearest to it."""
    chosen = _chosen()
    if chosen is None or (is_live and st.session_state[state.FOLLOW]):
        return epochs[-1]
    return min(epochs, key=lambda epoch: abs(epoch - chosen))


def _chosen() -> int | None:
    """The epoch that the session, else the address, gives as a number."""
    value = str(st.session_state.get(state.EPOCH, st.query_params.get(state.EPOCH)))
    return int(value) if _NUMBER.fullmatch(value) else None
