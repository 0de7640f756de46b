"""core.runs.differences: of the settings only what differs, as text."""

from __future__ import annotations

from pathlib import Path

from core.config import make_config
from core.runs.differences import differing_settings, settings_of
from core.runs.run import create_run


def test_equal_settings_leave_an_empty_table_with_the_runs_as_columns() -> None:
    found = differing_settings({"a": {"seed": 0}, "b": {"seed": 0}})
    assert found.empty
    assert found.columns.tolist() == ["a", "b"]
    assert differing_settings({}).empty
    assert differing_settings({"a": {"seed": 0}}).empty


def test_only_what_differs_is_listed_in_the_order_of_the_settings() -> None:
    a = make_config(preset="laptop", seed=1, data_source="shapes").model_dump()
    b = a | {"learning_rate": 8e-5, "flip": False, "train_limit": 500, "pinned_images": (3, 17)}
    found = differing_settings({"a": a, "b": b, "c": a})
    assert found.index.tolist() == ["train_limit", "learning_rate", "flip", "pinned_images"]
    assert found["a"].tolist() == ["–", "0.0008", "yes", "–"] == found["c"].tolist()
    assert found["b"].tolist() == ["500", "8e-05", "no", "3, 17"]


def test_a_setting_that_a_run_lacks_is_unset() -> None:
    found = differing_settings({"old": {"seed": 0}, "new": {"seed": 0, "cutmix": 0.5}})
    assert found.loc["cutmix"].tolist() == ["–", "0.5"]


def test_numbers_of_another_type_but_equal_are_no_difference() -> None:
    assert differing_settings({"a": {"warmup": 0}, "b": {"warmup": 0.0}}).empty


def test_what_auto_became_counts(tmp_path: Path) -> None:
    config = make_config()
    a = create_run(tmp_path, config, {"device": "CPU, 2 threads", "precision": "float32"}, "a")
    b = create_run(tmp_path, config, {"device": "NVIDIA H100"}, "b")
    found = differing_settings({run.id: settings_of(run) for run in (a, b)})
    assert found.loc["device used"].tolist() == ["CPU, 2 threads", "NVIDIA H100"]
    assert found.loc["precision used"].tolist() == ["float32", "unknown"]
    assert len(found) == 2
