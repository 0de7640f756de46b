"""One run, live: where it stands, what can be done with it, its curves."""

from functools import partial

import numpy as np
import streamlit as st

from core.diagnosis.record import loss_window
from core.diagnosis.rules import diagnose
from core.errors import CoreError
from core.paths import data_dir
from core.runs.checkpoints import available, best_accuracy
from core.runs.metrics import MetricsReader
from core.runs.progress import Progress
from core.runs.run import Run, RunState
from core.training import jobs
from core.wording import before_packing, changed_rate, stopped_early
from dashboard import cache, charts, state
from dashboard.components.curve_picker import pick_look
from dashboard.components.delete_control import delete_control
from dashboard.components.live_chart import live_charts
from dashboard.components.packed_run import packed_run
from dashboard.components.queue import stop
from dashboard.components.rate_control import rate_control
from dashboard.components.status import error_box, progress_line, status_line
from dashboard.html_charts import confusion_html
from dashboard.markdown import plain


def live_run(run: Run, drawn_as: RunState) -> None:
    """Draw the run; meant as a fragment that ticks while the run is active. A change of state redraws the page."""
    try:
        _draw(run, drawn_as)
    except CoreError as error:
        error_box(error)


def _draw(run: Run, drawn_as: RunState) -> None:
    now = run.state
    if now is not drawn_as or state.has_message():  # left by a button of this fragment, and said by the page
        st.rerun()
    if run.is_packed:
        packed_run(run)
    reader = cache.metrics(run)
    reader.poll()
    progress = run.progress
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        status_line(run, now)
        _controls(run, now, reader)
    _say(run, now, reader)
    if now.is_active:
        st.progress(progress.fraction, progress_line(progress))
    elif not _has_begun(run, reader):
        return
    _figures(run, progress, reader, now)
    _diagnosis(run, reader)
    _curves(run, progress, reader)
    _classes(run, reader)


def _has_begun(run: Run, reader: MetricsReader) -> bool:
    """Whether there is anything of it to be seen."""
    return bool(available(run)) or len(reader.recent("step", 1)) > 0


def _controls(run: Run, now: RunState, reader: MetricsReader) -> None:
    if now.is_active or now.can_resume:
        rates = reader.recent("learning_rate", 1)
        rate_control(run, rates[0] if len(rates) else None)
    if now.is_active:
        verb, after = ("Cancel", "It") if now is RunState.WAITING else ("Stop", "Saves the weights first; the run")
        stopping = run.stop_requested
        st.button(
            "Stopping" if stopping else verb, icon=":material/stop:", on_click=stop, args=(run,),
            disabled=stopping, key="stop", help=f"{after} can be resumed.",
        )  # fmt: skip
    elif now.can_resume:
        other = jobs.active()
        st.button(
            "Resume" if other is None else "Add to the queue", icon=":material/resume:", on_click=_resume,
            args=(run, other is not None), key="resume", type="primary",
            help="Goes on from the last checkpoint" + (f", once run {plain(other.id)} has ended." if other else "."),
        )  # fmt: skip
    if not (now.is_active or run.is_packed):
        delete_control(run)


def _resume(run: Run, in_turn: bool) -> None:
    try:
        jobs.resume(run, data_dir=data_dir(), in_turn=in_turn)
    except CoreError as error:
        state.leave_message(str(error))


def _say(run: Run, now: RunState, reader: MetricsReader) -> None:
    """What a user should know beyond the curves."""
    if run.data.get("synthetic"):
        st.caption(":material/info: Synthetic shapes, drawn by a program: nothing is learnt about photographs.")
    if source := run.config.pretrained:
        st.caption(f":material/info: Begun with the weights of run {plain(source)}.")
    if early := stopped_early(reader.events()):
        st.caption(f":material/info: {early}")
    if now is RunState.FAILED:
        st.error(plain((run.end or {}).get("reason", "")), icon=":material/error:")
    if now is RunState.STOPPED and not _has_begun(run, reader):
        st.info(f"{plain((run.end or {}).get('reason', ''))} It can still begin.", icon=":material/schedule:")
    if now is RunState.INTERRUPTED and available(run):
        st.warning("The process that trained this run ended without a word. Resume goes on from its last checkpoint.")
    elif now is RunState.INTERRUPTED:
        st.warning("The process that was to train this run ended before it began. Resume begins it.")
    if now is RunState.STALLED:
        st.warning("This run has not reported for over a minute. It may be on a long step, or its process hangs.")
    for note in run.data.get("notes", ()):
        st.caption(f":material/warning: {plain(note)}")
    if changed := changed_rate(reader.rate_changes()):
        st.caption(f":material/speed: {changed}")
    if reader.damaged:
        st.caption(f":material/warning: Damaged lines of the metrics that were skipped: {reader.damaged}.")


def _figures(run: Run, progress: Progress, reader: MetricsReader, now: RunState) -> None:
    """Four numbers that say how it goes."""
    card = partial(st.metric, border=True, height="stretch")
    window = loss_window(run.config)
    losses = reader.recent("loss", window)
    epochs = reader.epochs()
    tests = [event for event in reader.events() if event.get("event") == "test"]
    accuracies = [record["val_accuracy"] for record in epochs]
    with st.grid(4, min_column_width=150):
        loss_help = f"Mean of the last {window} steps."
        card("Training loss", f"{losses.mean():.3f}" if len(losses) else "–", help=loss_help)
        card("Validation accuracy", f"{accuracies[-1]:.1%}" if epochs else "–", delta=_change(accuracies))
        if tests:
            images = f"{tests[-1]['num_images']:,} images that training never saw"
            test_help = f"Best checkpoint{before_packing(run)}, on {images}."
            card("Test accuracy", f"{tests[-1]['accuracy']:.1%}", help=test_help)
        else:
            best = best_accuracy(run)
            card("Best validation", "–" if best is None else f"{best:.1%}", help="Of the epochs that were saved.")
        if now.is_active:
            memory = f"{progress.memory_bytes / 1e9:.1f} GB" if progress.memory_bytes else "–"
            card("Memory", memory, help="Of the GPU that trains, or of the process where a CPU does.")
        else:
            card("Training time", f"{progress.seconds / 60:.1f} min")


def _change(accuracies: list[float]) -> str | None:
    """By how much the last epoch moved the accuracy; None where that can't be seen."""
    if len(accuracies) < 2 or abs(accuracies[-1] - accuracies[-2]) < 0.0005:
        return None
    return f"{accuracies[-1] - accuracies[-2]:+.1%}"


def _diagnosis(run: Run, reader: MetricsReader) -> None:
    for finding in diagnose(run, reader):
        if finding.advice:
            st.info(
                f"**{plain(finding.name)}.** {plain(finding.evidence)}  \n{plain(finding.advice)}",
                icon=":material/lightbulb:",
            )
        else:
            st.caption(f":material/lightbulb: {plain(finding.name)}. {plain(finding.evidence)}")


def _curves(run: Run, progress: Progress, reader: MetricsReader) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        look = pick_look()
    panels = charts.training_panels(
        reader.steps(), reader.epochs(), run.config, steps_per_epoch=progress.steps_per_epoch, look=look
    )
    live_charts(panels, x_title=charts.X_TITLES[look.x_axis], key="curves", revision=run.id)


def _classes(run: Run, reader: MetricsReader) -> None:
    """How the validation images of each class fared after the latest epoch."""
    epochs = reader.epochs()
    names = run.data.get("class_names")
    if not epochs or not names:
        return
    st.markdown(f"#### Validation images by class, after epoch {epochs[-1]['epoch']}")
    left, right = st.columns(2)
    left.plotly_chart(
        charts.class_accuracies(epochs[-1]["val_per_class_accuracy"], names), key="classes",
        config={"displayModeBar": False}, alt="Validation accuracy of each class",
    )  # fmt: skip
    right.html(confusion_html(np.array(epochs[-1]["val_confusion"]), names))
