"""The Compare page: two checkpoints on one picture, several runs in one chart."""

import json
import shutil
from pathlib import Path

import pytest

from core.runs.metrics import encode
from core.runs.run import Run
from dashboard.markdown import plain

KEYS = ("fingerprint", "val_fingerprint")
END = {"state": "finished", "reason": "", "test_accuracy": 0.5}
SAME_DATA = {"counts": {"train": 10, "val": 2, "test": 6}, "fingerprint": "f", "synthetic": True, "notes": []}


@pytest.fixture
def open_compare(open_page):
    """open_compare(runs_dir, run_b="mine", runs="mine"): the page, reached by that address."""

    def open_(folder, **address):
        at = open_page(folder).switch_page("app_pages/compare.py")
        for name, value in address.items():
            at.query_params[name] = value
        return at.run()

    return open_


@pytest.fixture
def two_runs(write_run, runs_dir, trained_run, packed_run):
    """The user's own run, the newest, and a packed one with other weights."""
    run = Run(runs_dir / packed_run.id)
    shutil.copytree(packed_run.path, run.path)
    write_run("mine", weights_of=trained_run, end=END, data=SAME_DATA)
    return runs_dir


def mosaics(at):
    """What the three mosaics in the browser get: A, B, B - A."""
    found = [part for part in components(at) if "panels" not in part]
    assert len(found) == 3
    return found


def components(at):
    return [json.loads(component.proto.json) for component in at.get("bidi_component")]


def curves(at):
    """Names of the lines of each chart over the runs, one a run: that of the legend."""
    panels = [panel for part in components(at) for panel in part.get("panels", ())]
    return {p["title"]: [trace["name"] for trace in p["traces"] if trace["showlegend"]] for p in panels}


def test_two_runs_stand_side_by_side_with_their_difference(open_compare, two_runs, said):
    at = open_compare(two_runs, layer="conv3", channel="17")
    assert not at.exception
    assert not at.error
    assert (at.selectbox(key="run").value, at.selectbox(key="run_b").value) == ("mine", "shipped")
    a, b, difference = mosaics(at)
    for side in (a, b, difference):
        assert side["ids"] == list(range(384))
        assert side["selected"] == 17
        assert side["tile"] == [13, 13]
    assert len({a["png"], b["png"], difference["png"]}) == 3
    assert "don't correspond by number" in said(at)
    assert "share one colour scale" in said(at)
    captions = [caption for image in at.image for caption in image.captions]
    for name in ("A", "B", "B − A"):
        assert any(caption.startswith(f"{name}, channel 17") for caption in captions)
    numbers = at.dataframe[0].value
    assert numbers.index.tolist() == ["A", "B", "B − A"]
    assert (numbers["min"] <= numbers["mean"]).all()
    assert (numbers["mean"] <= numbers["max"]).all()


def test_both_predictions_of_the_picture_are_shown(open_compare, two_runs):
    at = open_compare(two_runs)
    (chart,) = (chart for chart in at.get("plotly_chart") if "paired" in chart.proto.id)
    bars = json.loads(chart.proto.spec)["data"]
    assert [bar["name"] for bar in bars] == ["A", "B"]
    for bar in bars:
        assert sum(bar["x"]) == pytest.approx(1, abs=1e-4)
    assert chart.proto.alt.startswith("A: ")


def test_the_channels_come_in_the_order_of_how_they_differ(open_compare, two_runs):
    at = open_compare(two_runs, layer="conv2")
    for order in ("difference", "correlation"):
        at.segmented_control(key="differ").set_value(order).run()
        assert not at.exception
        ids = [side["ids"] for side in mosaics(at)]
        assert ids[0] == ids[1] == ids[2] != list(range(256))
        assert sorted(ids[0]) == list(range(256))


@pytest.mark.parametrize("scale", ["channel", "layer", "fixed"])
@pytest.mark.parametrize("stage", ["conv", "pool"])
def test_every_scale_and_kind_of_stage_is_drawn(open_compare, two_runs, scale, stage):
    at = open_compare(two_runs, layer="conv5", stage=stage, scale=scale)
    assert not at.exception
    assert not at.error
    assert [len(side["ids"]) for side in mosaics(at)] == [256] * 3


def test_with_one_run_the_other_checkpoint_is_compared(open_compare, trained_run, said):
    at = open_compare(trained_run.path.parent)
    assert not at.exception
    assert at.selectbox(key="run_b").value == "trained"
    assert at.segmented_control(key="checkpoint").value == "best"
    assert at.segmented_control(key="checkpoint_b").value == "last"
    at.segmented_control(key="checkpoint").set_value("last").run()
    assert at.segmented_control(key="checkpoint_b").value == "best", "it stood at its default, which moved"
    at.segmented_control(key="checkpoint_b").set_value("last").run()
    assert not at.exception
    assert "A and B are the same weights" in said(at)
    assert at.multiselect(key="runs").value == ["trained"]


def test_what_stands_at_its_default_follows_and_a_choice_stays(open_compare, write_run, two_runs, trained_run):
    write_run("newest", weights_of=trained_run, end=END)
    at = open_compare(two_runs)
    assert (at.selectbox(key="run").value, at.selectbox(key="run_b").value) == ("newest", "mine")
    assert at.multiselect(key="runs").value == ["newest", "mine"]
    at.selectbox(key="run").set_value("mine").run()
    assert not at.exception
    assert at.selectbox(key="run_b").value == "shipped"
    assert at.multiselect(key="runs").value == ["mine", "shipped"]
    at.selectbox(key="run_b").set_value("newest").run()
    at.multiselect(key="runs").set_value(["mine"]).run()
    at.selectbox(key="run").set_value("shipped").run()
    assert not at.exception
    assert at.selectbox(key="run_b").value == "newest"
    assert at.multiselect(key="runs").value == ["mine"]


def test_runs_that_only_learnt_from_other_images_compare(open_compare, write_run, runs_dir, trained_run, said):
    for name in ("few", "many"):
        write_run(name, weights_of=trained_run, end=END, data=SAME_DATA | {"fingerprint": name})
    assert "their accuracies don't compare" not in said(open_compare(runs_dir))


def test_of_a_long_series_as_many_are_drawn_as_can_be_told_apart(open_compare, write_run, two_runs, said):
    names = [f"lr-{number}" for number in range(9)]
    for name in names:
        write_run(name, end=END, data=SAME_DATA)
    at = open_compare(two_runs)
    at.session_state["runs"] = names  # as starting them does
    at.switch_page("app_pages/compare.py").run()
    assert not at.exception
    assert at.multiselect(key="runs").value == names[:7]
    assert "Of the series the first 7 are drawn" in said(at)


def test_a_link_opens_the_same_comparison(open_compare, write_run, two_runs, trained_run):
    write_run("newest", weights_of=trained_run, end=END)
    at = open_compare(
        two_runs, run="mine", run_b="newest", checkpoint_b="last", layer="conv4", stage="conv",
        channel="300", differ="correlation", scale="layer", runs="shipped",
    )  # fmt: skip
    assert not at.exception
    assert not at.warning
    values = {key: at.selectbox(key=key).value for key in ("run", "run_b")}
    values |= {
        key: at.segmented_control(key=key).value for key in ("checkpoint_b", "layer", "stage", "differ", "scale")
    }
    assert list(values.values()) == ["mine", "newest", "last", "conv4", "conv", "correlation", "layer"]
    assert at.number_input(key="channel").value == 300
    assert at.multiselect(key="runs").value == ["shipped"]


def test_the_address_names_b_so_that_a_newer_run_changes_no_link(open_compare, write_run, two_runs, trained_run):
    at = open_compare(two_runs)
    address = at.query_params
    assert (address["run_b"], address["checkpoint_b"]) == ("shipped", "best")
    write_run("newest", weights_of=trained_run, end=END)
    at = open_compare(two_runs, **address)
    assert not at.warning
    assert at.selectbox(key="run_b").value == "shipped"
    assert at.multiselect(key="runs").value == ["mine", "shipped"]


@pytest.mark.parametrize(
    "address",
    [
        {"run_b": "../x", "checkpoint_b": "nope", "differ": "nope", "runs": "**no**"},
        {"run_b": "", "checkpoint_b": "", "differ": "<script>", "runs": "", "channel": "1e9", "scale": "NaN"},
    ],
)
def test_an_address_that_names_nothing_falls_back(open_compare, two_runs, address):
    at = open_compare(two_runs, **address)
    assert not at.exception
    assert not at.error
    assert at.selectbox(key="run_b").value == "shipped"
    assert len(mosaics(at)) == 3
    if address["run_b"]:
        warnings = " ".join(warning.value for warning in at.warning)
        assert plain("'../x'") in warnings
        assert plain("'**no**'") in warnings


def test_other_classes_and_other_data_are_said(open_compare, write_run, runs_dir, trained_run, said):
    for name, fingerprint in (("older", "one"), ("newer", "two")):
        write_run(name, weights_of=trained_run, end=END, data=SAME_DATA | dict.fromkeys(KEYS, fingerprint))
    (runs_dir / "older" / "checkpoints").unlink()
    shutil.copytree(trained_run.path / "checkpoints", runs_dir / "older" / "checkpoints", copy_function=link)
    at = open_compare(runs_dir)
    assert "B was trained on other data" in said(at)
    assert "their accuracies don't compare" in said(at)
    for manifest in (runs_dir / "older" / "checkpoints").glob("*.json"):
        content = json.loads(manifest.read_text())
        content["class_names"], content["input_spec"]["image_size"] = ["x", "y", "z"], 40
        manifest.unlink()
        manifest.write_text(json.dumps(content))
    at = open_compare(runs_dir)
    assert not at.exception
    assert "B knows other classes (x, y, z)" in said(at)
    assert "B to 40." in said(at)


def link(source, target):
    """Weights are too large to be copied for a test that reads them."""
    Path(target).hardlink_to(source)


def test_the_curves_of_the_chosen_runs_lie_over_each_other(open_compare, write_run, two_runs, said):
    write_run("third", end=END, data=SAME_DATA, settings={"learning_rate": 0.01, "flip": False})
    at = open_compare(two_runs)
    both = ["mine, training", "shipped"]  # the first has not ended an epoch
    expected = {"Loss": both, "Accuracy": both, "Learning rate": [], "Gradient": []}
    assert curves(at) == expected
    at.multiselect(key="runs").set_value(["mine", "third"]).run()
    for axis in ("Epoch", "Time", "Step"):
        at.segmented_control(key="x").set_value(axis).run()
        assert not at.exception
        names = ["mine, training", "third, training"]
        assert curves(at) == {"Loss": names, "Accuracy": names, "Learning rate": [], "Gradient": []}
    results, settings = at.dataframe[1].value, at.dataframe[2].value
    assert results["run_id"].tolist() == ["mine", "third"]
    assert results["test_accuracy"].tolist() == [50, 50]
    assert results["val_accuracy"].isna().tolist() == [False, True], "the third has no checkpoint"
    assert settings.index.tolist() == ["learning rate", "flip"]
    assert settings.loc["flip"].tolist() == ["yes", "no"]
    at.multiselect(key="runs").set_value([]).run()
    assert not at.exception
    assert curves(at) == expected, "none chosen: A and B"


def test_a_rate_changed_by_hand_is_no_setting_but_said(open_compare, write_run, runs_dir, trained_run, said):
    write_run("a", weights_of=trained_run, end=END)
    changed = write_run("b", weights_of=trained_run, end=END)
    with (changed.path / "metrics-0001.jsonl").open("ab") as file:
        file.write(encode({"kind": "event", "event": "learning rate", "step": 25, "factor": 5}))
    at = open_compare(runs_dir)
    assert "b: The learning rate was changed by hand: × 5 from step 26 on." in said(at)
    assert "All settings are equal." in said(at)


def test_equal_settings_are_said_in_words(open_compare, write_run, runs_dir, trained_run, said):
    for name in ("a", "b"):
        write_run(name, weights_of=trained_run, end=END)
    at = open_compare(runs_dir)
    assert "All settings are equal." in said(at)
    assert "the same weights" in said(at)


def test_a_run_that_trains_is_compared_while_it_does(open_compare, write_run, two_runs, trained_run):
    run = write_run("trains", weights_of=trained_run)
    with run.lock():
        at = open_compare(two_runs)
        assert not at.exception
        assert at.selectbox(key="run").value == "trains"
        assert at.dataframe[1].value["state"].tolist()[0] == "running"
    at.run()
    assert not at.exception
    assert at.dataframe[1].value["state"].tolist()[0] == "interrupted"


def test_a_damaged_checkpoint_is_said_and_the_curves_stay(open_compare, write_run, two_runs, trained_run):
    run = write_run("bad", weights_of=trained_run, end=END)
    (run.path / "checkpoints").unlink()
    (run.path / "checkpoints").mkdir()
    for manifest in (trained_run.path / "checkpoints").glob("*.json"):
        content = json.loads(manifest.read_text())
        content["files"][f"{manifest.stem}.safetensors"]["sha256"] = "of a file that is gone"
        (run.path / "checkpoints" / manifest.name).write_text(json.dumps(content))
    at = open_compare(two_runs, run="mine", run_b="bad")
    assert not at.exception
    assert "is missing" in at.error[0].value
    assert curves(at)


def test_without_a_run_the_way_to_one_is_shown(open_compare, runs_dir, said):
    at = open_compare(runs_dir)
    assert not at.exception
    assert "No trained network yet" in said(at)
