"""Charts of classes, whatever a folder calls them: numbers, dates, markup."""

import numpy as np
import pytest

from core.config import make_config
from core.history import History
from core.outcomes import Outcomes
from core.prediction import Prediction
from core.runs.metrics import STEP_COLUMNS
from dashboard import charts, comparison_charts, judgement_charts

DIGITS, DATES, HOSTILE = ("0", "1", "2"), ("2012-10-01", "2012-11", "1e3"), ("<b>a", "x & y", '<a href="//e.org">"q"')


def prediction(names):
    return Prediction(names, np.float32([0.2, 0.5, 0.3]))


def class_charts(names, truth):
    """(the axis that bears classes, the figure) of every chart of classes."""
    a, b = prediction(names), Prediction(names, np.float32([0.6, 0.1, 0.3]))
    paired = comparison_charts.paired_probabilities
    outcomes = Outcomes(np.array([0, 1, 2]), np.float32([[1, 0, 0], [0, 1, 0], [1, 0, 0]]), names)
    return [
        ("y", charts.probability_bars(a, 3, truth)),
        ("y", paired({"before": a, "now": b}, 3, truth, comparison_charts.BEFORE_AND_NOW)),
        ("y", charts.class_accuracies([0.1, None, 1.0], names)),
        ("y", paired({"A": a, "B": b}, 3, truth)),
        ("y", judgement_charts.class_intervals(outcomes)),
    ]


@pytest.mark.parametrize("names", [DIGITS, DATES, HOSTILE])
def test_a_class_axis_takes_names_for_names(names):
    for axis, figure in class_charts(names, names[1]):
        assert figure.layout[f"{axis}axis"].type == "category"
        for trace in figure.data:
            assert {label.removeprefix("<b>").removesuffix("</b> (true)") for label in trace[axis]} == {
                name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for name in names
            }


def test_charts_of_classes_grow_with_them_until_there_are_too_many_for_numbers():
    heights = []
    for count in (10, 20, 100):
        names = [f"c{i}" for i in range(count)]
        bars = charts.class_accuracies([0.5] * count, names)
        heights.append(bars.layout.height)
        assert bool(bars.data[0].texttemplate) == (count <= 20)
    assert heights == [460, 800, 800]


def test_the_true_class_is_marked_in_all_that_know_it():
    marked = [figure for _, figure in class_charts(DIGITS, "1") if "<b>1</b> (true)" in figure.data[0].y]
    assert len(marked) == 3


def test_the_shares_of_a_single_epoch_are_seen_too():
    labels = np.zeros(2, np.int64)
    outcomes = Outcomes(labels, np.array([[0.9, 0.1], [0.2, 0.8]], np.float32), ("cat", "dog"))
    one = judgement_charts.learning_shares(History((1,), (outcomes,)))
    two = judgement_charts.learning_shares(History((1, 2), (outcomes, outcomes)))
    assert [(trace.type, trace.name, list(trace.y)) for trace in one.data] == [
        ("bar", "correct throughout", [0.5]),
        ("bar", "correct again", [0]),
        ("bar", "forgotten", [0]),
        ("bar", "not yet correct", [0.5]),
    ]
    assert one.layout.barmode == "stack"
    assert {trace.type for trace in two.data} == {"scatter"}
    assert (one.layout.xaxis.dtick, two.layout.xaxis.dtick) == (1, 1), "no epoch one and a half"


def logged(norms):
    return {name: np.arange(1.0, 1 + len(norms)) for name in STEP_COLUMNS} | {"gradient_norm": np.array(norms)}


def panels_by_title(norms, **settings):
    panels = charts.training_panels(logged(norms), [], make_config(**settings), steps_per_epoch=3, look=charts.Look())
    return {panel.title: panel for panel in panels}


def lines(panel):
    return [line.y.tolist() for line in panel.series]


def test_the_gradient_is_shown_with_what_it_was_clipped_to_and_how_often():
    clipped = panels_by_title([5.0, 0.5, 2.0, 0.1], clip_norm=1)["Gradient"]
    assert lines(clipped) == [[5.0, 0.5, 2.0, 0.1], [1.0, 1.0]]
    assert clipped.note == "before clipping; 2 of 4 steps were clipped"
    plain = panels_by_title([5.0, 0.5, 2.0, 0.1], clip_norm=0)["Gradient"]
    assert (lines(plain), plain.note) == ([[5.0, 0.5, 2.0, 0.1]], "")
    one_known = panels_by_title([np.nan, 0.5, 2.0], clip_norm=1)["Gradient"]
    assert one_known.note == "before clipping; 1 of 2 steps were clipped", "one step's overflow hides no other"
    assert lines(panels_by_title([], clip_norm=1)["Gradient"]) == [[], []]


def test_a_run_from_before_gradients_were_recorded_has_no_empty_chart_of_them():
    assert list(panels_by_title([np.nan] * 3)) == ["Loss", "Accuracy", "Learning rate", "Speed"]


def test_the_pace_says_that_smaller_inputs_come_first():
    notes = [panels_by_title([1.0], progressive=is_on)["Speed"].note for is_on in (True, False)]
    assert notes == ["a mean of recent steps; smaller inputs come first", "a mean of recent steps"]


def test_several_runs_are_laid_over_each_other_with_what_any_of_them_recorded():
    old, new = (comparison_charts.Curves(name, logged(norms), [], 3) for name, norms in (
        ("old", [np.nan, np.nan]), ("new", [2.0, 3.0])))  # fmt: skip
    panels = comparison_charts.overlaid_panels([old, new], charts.Look(log_loss=True))
    assert [(panel.title, panel.y_log, len(panel.series)) for panel in panels] == [
        ("Loss", True, 4), ("Accuracy", False, 4), ("Learning rate", False, 2), ("Gradient", True, 2)
    ]  # fmt: skip
    names = {line.name for line in panels[3].series}
    assert names == {"old", "new"}
    titles = [panel.title for panel in comparison_charts.overlaid_panels([old], charts.Look())]
    assert titles == ["Loss", "Accuracy", "Learning rate"]
