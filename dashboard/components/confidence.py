"""How far a network can be believed: its calibration, and its accuracy on each class."""

import streamlit as st

from core.outcomes import Outcomes, calibration
from dashboard import judgement_charts


def show_calibration(outcomes: Outcomes) -> None:
    """The reliability diagram and what it comes to."""
    found = calibration(outcomes)
    tendency = "surer" if found.bias > 0 else "less sure"
    st.markdown("#### Does it keep its word?")
    st.caption(
        "Of the images of which it is 80 % sure, 80 % should be correct: bars up to the dashed line. "
        f"**Expected calibration error {found.ece:.1%}**; on the whole it is {abs(found.bias):.1%} {tendency} than it "
        "should be.",
        help="The mean distance of confidence and accuracy over 15 bins of equal width (ECE, Guo et al. 2017).",
    )
    st.plotly_chart(
        judgement_charts.reliability(found), key="reliability",
        alt=f"Reliability diagram; the expected calibration error is {found.ece:.1%}",
    )  # fmt: skip


def show_classes(outcomes: Outcomes) -> None:
    """The accuracy of each class."""
    st.markdown("#### Accuracy of each class")
    st.caption("With 95 % intervals (Wilson): where the accuracy on ever more images of the class might lie.")
    st.plotly_chart(
        judgement_charts.class_intervals(outcomes), key="class_intervals",
        alt=f"Accuracy of each class with 95 % intervals; of all images {outcomes.accuracy:.1%} are correct",
    )  # fmt: skip
