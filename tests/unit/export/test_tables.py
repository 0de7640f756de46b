"""core.export.tables: what was logged, in the columns that the header names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.config import make_config
from core.errors import ExportError
from core.export.tables import export_csv
from core.runs.metrics import STEP_COLUMNS, MetricsReader, encode
from core.runs.run import Run, create_run


def test_steps_are_read_back_as_they_were_logged(trained_run: Run, tmp_path: Path) -> None:
    export_csv(trained_run, "steps", tmp_path / "steps.csv")
    reader = MetricsReader(trained_run.path)
    found = pd.read_csv(tmp_path / "steps.csv", float_precision="round_trip")
    assert tuple(found.columns) == STEP_COLUMNS
    assert found["step"].tolist() == [1, 2, 3, 4, 5, 6]
    for name, values in reader.steps().items():
        np.testing.assert_array_equal(found[name].to_numpy(float), values)


def test_epochs_carry_the_accuracy_of_each_class(trained_run: Run, tmp_path: Path) -> None:
    export_csv(trained_run, "epochs", tmp_path / "epochs.csv")
    reader = MetricsReader(trained_run.path)
    found = pd.read_csv(tmp_path / "epochs.csv", float_precision="round_trip")
    for (_, row), record in zip(found.iterrows(), reader.epochs(), strict=True):
        assert row["val_loss"] == record["val_loss"]
        assert row["val_accuracy of cross"] == record["val_per_class_accuracy"][1]


def test_what_is_not_known_is_an_empty_cell(runs_dir: Path, tmp_path: Path) -> None:
    run = create_run(runs_dir, make_config(), {}, "mine")
    record = {"kind": "epoch", "epoch": 1, "step": 3, "seconds": 1.5, "train_loss": 2.0, "train_accuracy": 0.25,
              "val_loss": 2.5, "val_accuracy": 0.5, "val_per_class_accuracy": [None, 0.5]}  # fmt: skip
    (run.path / "metrics-0001.jsonl").write_bytes(encode(record))
    (run.path / "data.json").write_text('{"class_names": ["a, b", "=1+1"]}', encoding="utf-8")
    export_csv(run, "epochs", tmp_path / "epochs.csv")
    header, row = (tmp_path / "epochs.csv").read_text(encoding="utf-8").splitlines()
    assert header.endswith('val_accuracy,"val_accuracy of a, b",val_accuracy of =1+1')
    assert row == "1,3,1.5,2.0,0.25,2.5,0.5,,0.5"


def test_steps_from_before_gradients_were_recorded_leave_their_column_empty(runs_dir: Path, tmp_path: Path) -> None:
    run = create_run(runs_dir, make_config(), {}, "older")
    old = {"kind": "step", "step": 1, "epoch": 1, "seconds": 0.5, "loss": 2.0, "accuracy": 0.5, "learning_rate": 0.001,
           "images_per_second": 70.0}  # fmt: skip
    lines = [old, old | {"step": 2, "gradient_norm": 2.5}]
    (run.path / "metrics-0001.jsonl").write_bytes(b"".join(map(encode, lines)))
    export_csv(run, "steps", tmp_path / "steps.csv")
    _, first, second = (tmp_path / "steps.csv").read_text(encoding="utf-8").splitlines()
    assert first == "1,1,0.5,2.0,0.5,0.001,,70.0"
    assert second == "2,1,0.5,2.0,0.5,0.001,2.5,70.0"


def test_a_run_that_has_logged_nothing_says_so(runs_dir: Path, tmp_path: Path) -> None:
    run = create_run(runs_dir, make_config(), {}, "new")
    for table in ("epochs", "steps"):
        with pytest.raises(ExportError, match=f"Run 'new' has logged no {table} yet"):
            export_csv(run, table, tmp_path / "x.csv")
    assert not (tmp_path / "x.csv").exists()
