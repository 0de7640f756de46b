"""python -m core survey: what the dashboard would compute, kept beside the weights ahead of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.__main__ import main
from core.data.sources import load_test_images
from core.inspection.atlas import ATLAS_FILE, Atlas, compute_atlas
from core.inspection.embedding import EMBEDDING_FILE, Embedding, embed
from core.outcomes import OUTCOMES_FILE, Outcomes, judge
from core.runs.checkpoints import find_checkpoint, load_model
from core.runs.run import Run
from core.survey import survey


@pytest.fixture
def run(runs_dir: Path, trained_run: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("ALEXNET_DATA_DIR", str(data_dir))
    own = shutil.ignore_patterns("derived", "snapshots", "checkpoints")
    run = Run(shutil.copytree(trained_run.path, runs_dir / "mine", ignore=own))
    (run.path / "checkpoints").symlink_to(trained_run.path / "checkpoints")
    return run


def test_all_is_kept_as_computed_one_by_one(run: Run, data_dir: Path) -> None:
    images, model = load_test_images(run.config, data_dir=data_dir), load_model(run)
    heard: list[tuple[int, int, str]] = []
    survey(find_checkpoint(run), images, lambda *progress: heard.append(progress))
    outcomes, atlas = (find_checkpoint(run).derived(file) for file in (OUTCOMES_FILE, ATLAS_FILE))
    kept, expected = Outcomes.load(outcomes), judge(model, images)
    assert kept is not None
    assert kept.images == images.fingerprint()
    np.testing.assert_array_equal(kept.labels, expected.labels)
    np.testing.assert_allclose(kept.probabilities, expected.probabilities, atol=1e-6)
    found, whole = Atlas.load(atlas), compute_atlas(model, images)
    assert found is not None
    assert found.images == images.fingerprint()
    for layer, entry in whole.layers.items():
        np.testing.assert_allclose(found.layers[layer].mean, entry.mean, rtol=1e-5)
    placed = Embedding.load(find_checkpoint(run).derived(EMBEDDING_FILE))
    assert placed is not None
    assert placed.images == images.fingerprint()
    np.testing.assert_allclose(placed.vectors, embed(model, images).vectors, rtol=1e-2, atol=1e-2)
    ends = [message for done, total, message in heard if done == total == 6]
    assert ends == ["Judged 6 of 6 images", "Channels on 6 of 6", "Placed 6 of 6 images"]


def test_the_command_says_what_it_found(
    run: Run, capsys: pytest.CaptureFixture[str], data_dir: Path, monkeypatch
) -> None:
    flags = ["survey", "--run-id", "mine", "--runs-dir", str(run.path.parent)]
    assert main([*flags, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    kept = Outcomes.load(find_checkpoint(run).derived(OUTCOMES_FILE))
    assert kept is not None
    assert (record["num_images"], record["accuracy"]) == (6, kept.accuracy)
    assert Path(record["output"]).is_dir()
    assert main(flags) == 0
    assert f"6 images, accuracy {kept.accuracy:.2%}, {record['dead_channels']} dead channels" in capsys.readouterr().out


def test_images_of_other_classes_are_refused(run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tree = Path(shutil.copytree(run.config.data_dir or "", tmp_path / "tree"))
    for part in ("train", "test"):
        (tree / part / "star").rename(tree / part / "moon")
    flags = ["survey", "--run-id", "mine", "--runs-dir", str(run.path.parent), "--data-dir", str(tree)]
    assert main(flags) == 2
    assert "the network knows circle, cross, star: choose" in capsys.readouterr().err
