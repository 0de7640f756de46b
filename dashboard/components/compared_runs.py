"""Several runs: their curves in one chart, their results, the settings in which they differ."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.errors import CoreError
from core.paths import runs_dir
from core.runs.differences import differing_settings, settings_of
from core.runs.run import Run, list_runs
from core.wording import changed_rate
from dashboard import cache, links, state
from dashboard.charts import X_TITLES
from dashboard.comparison_charts import COLORS, Curves, overlaid_panels
from dashboard.components.curve_picker import pick_look
from dashboard.components.live_chart import live_charts
from dashboard.components.results import COLUMNS, result
from dashboard.components.status import error_box
from dashboard.markdown import plain

_COLUMNS = ["run_id", "state", "val_accuracy", "test_accuracy", "step", "minutes"]


def pick_runs(default: Sequence[str]) -> list[Run]:
    """The runs whose curves to overlay; those of A and B where none is chosen, as after the browser's way back."""
    runs = {run.id: run for run in list_runs(runs_dir()) if run.is_readable}
    links.check_links(state.RUNS, runs, "run")
    ours = [name for name in dict.fromkeys(default) if name in runs]
    links.follow_default(state.RUNS, ours)
    if len(st.session_state[state.RUNS]) > len(COLORS):  # a long series
        st.session_state[state.RUNS] = st.session_state[state.RUNS][: len(COLORS)]
        st.caption(f"Of the series the first {len(COLORS)} are drawn: more lines could not be told apart.")
    chosen = st.multiselect(
        "Runs", list(runs), key=state.RUNS, bind="query-params", max_selections=len(COLORS),
        placeholder="Those of A and B",
    )  # fmt: skip
    return [runs[name] for name in chosen or ours]


def compared_runs(runs: list[Run], live: bool) -> None:
    """Draw them; meant as a fragment that ticks while one of them is active. The end of the last redraws the page."""
    if live and not any(run.state.is_active for run in runs):
        st.rerun()
    try:
        _curves(runs)
        _changed_rates(runs)
        _results(runs)
        _settings(runs)
    except CoreError as error:
        error_box(error)


def _curves(runs: list[Run]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        look = pick_look()
    st.caption("Thin: training. Thick, with a mark at each epoch: validation.")
    panels = overlaid_panels([_logged(run) for run in runs], look)
    live_charts(panels, x_title=X_TITLES[look.x_axis], key="overlaid", revision="")


def _changed_rates(runs: list[Run]) -> None:
    for run in runs:
        if changed := changed_rate(cache.metrics(run).rate_changes()):
            st.caption(f":material/speed: {plain(run.id)}: {changed}")


def _logged(run: Run) -> Curves:
    reader = cache.metrics(run)
    reader.poll()
    return Curves(run.id, reader.steps(), reader.epochs(), run.progress.steps_per_epoch)


def _results(runs: list[Run]) -> None:
    table = pd.DataFrame([result(run) for run in runs], columns=_COLUMNS)
    st.dataframe(
        table, column_config=COLUMNS, hide_index=True, placeholder="–", alt=f"The results of {len(table)} runs"
    )
    if len({(run.data.get("val_fingerprint"), run.data.get("test_fingerprint")) for run in runs}) > 1:
        st.caption(
            ":material/warning: Not all of these runs were judged on the same images: their accuracies don't compare."
        )


def _settings(runs: list[Run]) -> None:
    if len(runs) < 2:
        return
    differing = differing_settings({run.id: settings_of(run) for run in runs})
    if differing.empty:
        st.markdown("All settings are equal.")
    else:
        st.markdown("##### Settings that differ")
        differing.index = differing.index.str.replace("_", " ")
        st.dataframe(differing, alt=f"{len(differing)} settings that differ: {', '.join(differing.index)}")
