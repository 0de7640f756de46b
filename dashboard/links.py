"""What the address asks for: checked before a widget is drawn, and kept so that a link opens what was seen."""

from collections.abc import Collection

import streamlit as st

from dashboard import state
from dashboard.markdown import plain


def check_link(key: str, options: Collection[object], what: str) -> None:
    """Say so where the address asks for something that isn't there; call it before the widget is drawn."""
    asked = st.query_params.get(key)
    if asked is not None and key not in st.session_state and asked not in map(str, options):
        _warn(f"The link asks for {what} {asked[:40]!r}, which isn't here; this is another.")


def check_links(key: str, options: Collection[str], what: str) -> None:
    """As check_link, where the address may ask for several; those that are there are kept."""
    missing = [name for name in st.query_params.get_all(key) if name not in options]
    chosen = st.session_state.get(key)
    if chosen is None and missing:
        _warn(f"The link asks for {what} {missing[0][:40]!r}, which isn't here.")
    if chosen is not None and not set(chosen) <= set(options):
        st.session_state[key] = [name for name in chosen if name in options]


def _warn(text: str) -> None:
    st.warning(plain(text), icon=":material/link_off:")


def keep_first(key: str, options: Collection[str]) -> None:
    """Choose the first option where neither the user nor the address has chosen one of them.

    For a widget without a default of its own: a link must open the same when another option comes first one day. What
    nobody chose gives way to another option that stands first now.
    """
    first, now = next(iter(options)), state.chosen(key)
    nobodys = state.unchosen(key)  # asked at each drawing: it notices what is chosen
    is_kept = now in options and (now == first or now != nobodys)
    value = str(now) if is_kept else first
    if is_kept and key in st.query_params:
        return
    # The widget's first drawing on this page, for which Streamlit keeps neither the value nor the address of the page
    # before; and it tells the browser only of what changes later on.
    if key not in st.session_state or key not in st.query_params:
        state.put_in_address(key, value)
    st.session_state[key] = value
    if not is_kept:
        state.note_unchosen(key)


def follow_default(key: str, default: object) -> None:
    """Set a choice not made yet to its default; later, one that still stands there moves with it.

    An address may leave out what stands at its default: so it opens what was seen. Call it before the widget is drawn.
    """
    if key not in st.session_state or st.session_state[key] == state.unchosen(key):
        st.session_state[key] = default
        state.note_unchosen(key)


def keep_run(run_ids: Collection[str]) -> None:
    """Keep to the chosen run, as a run picker would; forget one that is gone, or that nobody chose.

    The address comes first: a link, or the browser's way back, asks for what it names.
    """
    check_link(state.RUN, run_ids, "run")
    asked, chosen = st.query_params.get(state.RUN), state.selected_run()
    nobodys = state.unchosen(state.RUN)
    asked, chosen = (None if run_id == nobodys else run_id for run_id in (asked, chosen))
    if asked in run_ids:
        st.session_state[state.RUN] = asked
    elif chosen is not None and chosen in run_ids:
        state.select_run(chosen)
    else:
        st.session_state.pop(state.RUN, None)
        st.query_params.pop(state.RUN, None)
