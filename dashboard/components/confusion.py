"""The confusion matrix as a table of buttons, and the choice of the images of one cell."""

from typing import Any, get_args

import numpy as np
import streamlit as st

from core.outcomes import Order, Outcomes
from dashboard import links, state
from dashboard.components.frontend import read, script
from dashboard.html_charts import confusion_html

_ANY, _WRONG = "any class", "a wrong class"
_MOST_CLASSES = 60
_MARGIN = -1  # stands for a whole row or column

_COMPONENT = st.components.v2.component(
    "alexnet_confusion",
    html="<div class='scroll' role='group'></div>",
    css=read("confusion.css"),
    js=script("confusion.js"),
)


def confusion_table(outcomes: Outcomes, true: str, predicted: str) -> None:
    """Counts of true class by predicted class; a click chooses a cell, or the row or column of a class.

    Of many classes a picture: the browser can't lay out a button for each of a hundred thousand cells.
    """
    names = outcomes.class_names
    if len(names) > _MOST_CLASSES:
        st.html(confusion_html(outcomes.confusion, names))
        return
    st.caption("Click a cell to see its images, a class to see those of its row or column.")
    right = int(outcomes.correct.sum())
    data: dict[str, Any] = {
        "names": list(names),
        "counts": outcomes.confusion.tolist(),
        "selected": [names.index(name) if name in names else _MARGIN for name in (true, predicted)],
        "alt": f"Confusion matrix of {len(names)} classes: {right:,} of {len(outcomes):,} images are on its diagonal.",
    }
    _COMPONENT(data=data, key=state.CONFUSION, height="content", on_picked_change=lambda: _take(names))


def _take(names: tuple[str, ...]) -> None:
    """Choose the cell that was clicked just now."""
    row, column = (st.session_state.get(state.CONFUSION) or {}).get("picked") or (_MARGIN, _MARGIN)
    if (row, column) != (_MARGIN, _MARGIN):
        state.choose_cell(_ANY if row == _MARGIN else names[row], _WRONG if column == _MARGIN else names[column])


def pick_cell(outcomes: Outcomes) -> tuple[str, str, Order]:
    """The true and the predicted class to look at, by name or "any class" or "a wrong class", and in which order."""
    choice: dict[str, str] = {}
    names = list(outcomes.class_names)
    for key, label, options in (
        (state.TRUE, "True class", [_ANY, *names]),
        (state.PREDICTED, "Predicted class", [_WRONG, _ANY, *names]),
    ):
        links.check_link(key, options, label.lower())
        state.keep_valid(key, options, options[0])
        choice[key] = st.selectbox(label, options, key=key, bind="query-params", on_change=state.first_page, width=160)
    order: Order = st.segmented_control(
        "Greatest first", get_args(Order), default="loss", required=True, key=state.ORDER, bind="query-params",
        on_change=state.first_page,
        help="**loss**: the worst mistakes.  \n**confidence**: those that the network is surest of.",
    )  # fmt: skip
    return choice[state.TRUE], choice[state.PREDICTED], order


def images_of(outcomes: Outcomes, true: str, predicted: str, order: Order) -> np.ndarray:
    """Positions of the images that `pick_cell` chose, in that order."""
    names = outcomes.class_names
    numbers = (names.index(name) if name in names else None for name in (true, predicted))
    return outcomes.select(*numbers, wrong=predicted == _WRONG, by=order)


def captions_of(
    outcomes: Outcomes, positions: np.ndarray, true: str = _ANY, predicted: str = _ANY, order: Order = "loss"
) -> list[str]:
    """What stands under each image: the classes where they aren't the same for all, and what it is ordered by."""
    names, predictions = outcomes.class_names, outcomes.predictions
    said = outcomes.losses if order == "loss" else outcomes.confidences
    lines = []
    for index in positions:
        truth = [names[outcomes.labels[index]]] if true not in names else []
        guess = [f"→ {names[predictions[index]]}"] if predicted not in names else []
        value = f"{said[index]:.2f}" if order == "loss" else f"{said[index]:.1%}"
        lines.append("\n".join([*truth, *guess, value]))
    return lines
