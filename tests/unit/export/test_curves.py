"""core.export.curves: thinned without losing a spike, and a sentence for who can't see the chart."""

from __future__ import annotations

import json
import re

import numpy as np

from core.export.curves import class_charts, learning_charts, thinned
from core.runs.metrics import STEP_COLUMNS


def test_thinning_keeps_every_extreme_and_the_order() -> None:
    x = np.arange(100_000.0)
    y = np.sin(x / 500)
    y[[12_345, 77_777]] = 50, -50
    y[5] = y[50_000] = np.nan
    kept_x, kept_y = thinned(x, y, 1500)
    assert 1000 < len(kept_x) <= 1500
    assert kept_x == sorted(set(kept_x))
    assert {50, -50} <= set(kept_y)
    expected = np.nan_to_num(y[np.array(kept_x, dtype=int)])
    np.testing.assert_allclose([value or 0.0 for value in kept_y], expected, rtol=1e-5)


def test_a_short_curve_stays_whole_and_a_gap_a_gap() -> None:
    assert thinned(np.array([1.0, 2, 3]), np.array([0.5, np.nan, np.inf])) == ([1.0, 2.0, 3.0], [0.5, None, None])


def charts(html: str) -> dict[str, dict]:
    found = re.findall(r'<script type="application/json" data-chart="(\w+)">(.*?)</script>', html)
    return {name: json.loads(spec) for name, spec in found}


def test_the_confusion_matrix_shows_shares_and_counts() -> None:
    html = class_charts(np.array([[8, 2], [0, 0]]), ("cat", "dog"))
    matrix = charts(html)["confusion"]["data"][0]
    assert matrix["z"] == [[0.8, 0.2], [0.0, 0.0]]
    assert matrix["text"] == [[8, 2], [0, 0]]
    assert charts(html)["classes"]["data"][0]["x"] == [0.8, None], "nothing is said of a class without images"
    assert "the most frequent mistake takes cat for dog, 2 times" in html
    assert "best cat with 80%, worst cat with 80%" in html


def test_a_matrix_without_a_mistake_names_none() -> None:
    html = class_charts(np.diag([3, 4]), ("cat", "dog"))
    assert "Confusion matrix of 7 images without a mistake." in html
    assert "takes cat for cat" not in html


def test_many_classes_are_left_to_the_bars() -> None:
    html = class_charts(np.eye(101, dtype=int), [f"class {i}" for i in range(101)])
    assert list(charts(html)) == ["classes"]


def test_curves_before_the_first_validation() -> None:
    steps = {name: np.array([1.0, 2.0]) for name in STEP_COLUMNS}
    found = charts(learning_charts(steps, []))
    assert [line["name"] for line in found["loss"]["data"]] == ["training"]


def test_what_was_recorded_of_each_step_is_drawn_and_nothing_else() -> None:
    steps = {name: np.array([1.0, 2.0]) for name in STEP_COLUMNS} | {"learning_rate": np.array([3e-8, 1.23456e-4])}
    found = charts(learning_charts(steps, []))
    assert list(found) == ["loss", "accuracy", "learning_rate", "gradient_norm", "images_per_second"]
    assert found["learning_rate"]["data"][0]["y"] == [3e-8, 1.23456e-4], "the smallest is not 0"
    older = charts(learning_charts(steps | {"gradient_norm": np.full(2, np.nan)}, []))
    assert list(older) == ["loss", "accuracy", "learning_rate", "images_per_second"]
