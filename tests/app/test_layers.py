"""The page Layers over time: what the charts say is what the snapshots say."""

import json
import shutil

import numpy as np
import pytest

from core.files import load_arrays, save_arrays
from core.runs.layer_statistics import LAYERS, QUANTILES, RELU_LAYERS
from core.runs.run import Run
from core.runs.snapshots import layers_over_time, snapshot_epochs, snapshot_file
from dashboard.layer_charts import overview_panels, spread_panels
from dashboard.panels import panel_spec


@pytest.fixture
def layers(open_page, trained_run):
    return lambda **address: open_page(trained_run.path.parent, "layers", **address)


def panels_of(at):
    """The charts on the page, as the browser gets them."""
    return [panel for component in at.get("bidi_component") for panel in json.loads(component.proto.json)["panels"]]


def test_it_draws_all_layers_and_one_of_them(layers, trained_run):
    at = layers(layer="fc7")
    assert not at.exception
    assert not at.warning
    found = layers_over_time(trained_run)
    assert overview_panels(*found)[1].title == "Weights: how far from where they began"
    expected = [panel_spec(panel) for panel in [*overview_panels(*found), *spread_panels(*found, "fc7")]]
    assert panels_of(at) == json.loads(json.dumps(expected))
    assert [panel["title"] for panel in expected[4:]] == ["Weights of fc7", "Gradients of fc7", "Outputs of fc7"]
    at.segmented_control(key="layer").set_value("conv2").run()
    assert panels_of(at)[4]["title"] == "Weights of conv2"


def test_a_layer_without_maps_is_let_go_by_the_pages_that_show_maps(layers, said):
    at = layers(layer="fc6")
    at.switch_page("app_pages/feature_maps.py").run()
    assert not at.exception
    assert at.segmented_control(key="layer").value == "conv1"
    assert "The link asks for" not in said(at)


def test_the_charts_show_every_moment(trained_run):
    epochs, found = layers_over_time(trained_run)
    assert epochs.tolist() == [0, 1, 2]
    gradients, moved, zeros, silent = overview_panels(epochs, found)
    assert [len(panel.series) for panel in (gradients, moved, zeros, silent)] == [len(LAYERS)] * 2 + [
        len(RELU_LAYERS)
    ] * 2
    assert all((series.y > 0).all() for series in gradients.series)
    assert all(series.y[0] == 0 < series.y[1] < series.y[2] for series in moved.series)
    assert all((series.y >= 0).all() and (series.y <= 1).all() for series in (*zeros.series, *silent.series))
    assert len({(series.color, series.dash) for series in gradients.series}) == len(LAYERS), "told apart"
    for panel in spread_panels(epochs, found, "conv4"):
        values = np.stack([series.y for series in panel.series])
        assert len(values) == len(QUANTILES)
        assert (np.diff(values, axis=0) >= 0).all(), "each on top of the one before"
        assert panel.series[0].fill == 0


def test_a_gradient_of_zero_leaves_a_gap(trained_run):
    epochs, found = layers_over_time(trained_run)
    found.rms[-1, 1, 0] = 0.0
    conv1 = overview_panels(epochs, found)[0].series[0]
    assert np.isnan(conv1.y).tolist() == [False, False, True]


def without_statistics(run, runs_dir, run_id, epochs):
    """A copy whose snapshots of these epochs are those of an earlier version."""
    copy = Run(shutil.copytree(run.path, runs_dir / run_id, ignore=shutil.ignore_patterns("checkpoints", "derived")))
    for epoch in epochs:
        file = snapshot_file(copy, epoch)
        with np.load(file) as found:
            names = [name for name in found.files if not name.startswith("layers.")]
        save_arrays(file, load_arrays(file, names))
    return copy


def test_a_run_of_an_earlier_version_is_not_offered(open_page, runs_dir, trained_run, said):
    without_statistics(trained_run, runs_dir, "old", snapshot_epochs(trained_run))
    at = open_page(runs_dir, "layers")
    assert not at.exception
    assert "No run tells of its layers yet" in said(at)
    assert [link.label for link in at.page_link] == ["Start a run"]


def test_one_that_began_in_an_earlier_version_tells_what_it_can(open_page, runs_dir, trained_run):
    run = without_statistics(trained_run, runs_dir, "old", [0])
    assert layers_over_time(run)[0].tolist() == [1, 2]
    at = open_page(runs_dir, "layers", run="old")
    assert not at.exception
    assert panels_of(at)[1]["title"] == "Weights: how far from where they were after epoch 1"
    assert len(panels_of(at)) == 7


def test_a_damaged_snapshot_leaves_the_others(open_page, runs_dir, trained_run):
    run = without_statistics(trained_run, runs_dir, "a", [])
    snapshot_file(run, 1).write_bytes(b"x")
    assert layers_over_time(run)[0].tolist() == [0, 2]
    at = open_page(runs_dir, "layers", run="a")
    assert not at.exception
    assert len(panels_of(at)) == 7


def test_a_live_run_is_followed(open_page, write_run, runs_dir, trained_run):
    run = write_run("a", weights_of=trained_run)
    (run.path / "snapshots").mkdir()
    for epoch in (0, 1, 2):
        if epoch == 2:
            with run.lock():
                at = open_page(runs_dir, "layers")
                assert len(panels_of(at)[0]["traces"]) == len(LAYERS)
                before = panels_of(at)[0]["traces"][0]["y"]
                shutil.copy(snapshot_file(trained_run, epoch), run.path / "snapshots")
                at.run()
                assert panels_of(at)[0]["traces"][0]["y"] != before
        else:
            shutil.copy(snapshot_file(trained_run, epoch), run.path / "snapshots")
