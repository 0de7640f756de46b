"""The Train page: its empty state, its form, a run in each state, and the way from start to stop to resume."""

import re
import time

import numpy as np
import pytest

from core.errors import ConfigError, RunError
from core.presets import preset_values
from core.runs.metrics import encode
from core.runs.run import Run, RunState, list_runs
from core.training import jobs
from dashboard.markdown import plain

TINY = {
    "train_limit": 20, "val_limit": 10, "val_fraction": 0.1, "num_epochs": 1, "batch_size": 4, "dropout": 0.0,
}  # fmt: skip


def fill_in(at, **values):
    for name, value in values.items():
        at.number_input(key=f"new_{name}_smoke").set_value(value)
    return at.run()


def names(elements):
    return [element.label for element in elements]


def test_without_a_run_the_form_is_open_and_says_what_it_will_cost(open_page, runs_dir, said):
    at = open_page(runs_dir)
    assert not at.exception
    assert "the first run takes one to four minutes" in said(at)
    assert "1,000 training images · about 58 million parameters · about **" in said(at)
    assert not at.button(key="start").disabled
    assert not at.get("bidi_component")
    assert not at.dataframe


def test_each_preset_brings_its_own_settings(open_page, runs_dir, said):
    at = open_page(runs_dir)
    at.segmented_control(key="preset").set_value("laptop").run()
    assert not at.exception
    for name, value in preset_values("laptop").items():
        if name not in ("preset", "optimizer", "schedule"):
            widgets = at.toggle if isinstance(value, bool) else at.number_input
            assert widgets(key=f"new_{name}_laptop").value == value, name
    assert at.selectbox(key="new_optimizer_laptop").value == "muon"
    assert "5,760 training images" in said(at), "the shapes are fewer than the preset asks for"


def test_a_limit_that_is_emptied_means_all(open_page, runs_dir, said):
    at = fill_in(open_page(runs_dir), train_limit=None)
    assert not at.exception
    assert at.number_input(key="new_train_limit_smoke").value is None
    assert at.number_input(key="new_val_limit_smoke").value == 200
    assert "5,400 training images" in said(at)
    assert at.run().number_input(key="new_train_limit_smoke").value is None


def test_the_form_says_which_setting_is_out_of_its_limits(open_page, runs_dir):
    at = fill_in(open_page(runs_dir), val_fraction=0.0)
    assert not at.exception
    assert [error.value for error in at.error] == [plain("val_fraction: input should be greater than 0, got 0.0.")]
    assert at.button(key="start").disabled
    fill_in(at, val_fraction=0.1)
    assert not at.error
    assert not at.button(key="start").disabled


def test_a_number_beyond_all_limits_is_said_and_the_way_back_is_a_click(open_page, runs_dir):
    at = fill_in(open_page(runs_dir), learning_rate=1e9, batch_size=100_000)
    assert not at.exception
    assert plain("batch_size: input should be less than or equal to 8192, got 100000.") == at.error[0].value
    assert at.button(key="start").disabled
    at.button(key="as_preset").click().run()
    assert not at.exception
    assert not at.error
    assert at.number_input(key="new_learning_rate_smoke").value == 3e-4
    assert at.number_input(key="new_batch_size_smoke").value == 16


def test_a_device_that_is_not_here_is_said_and_nothing_can_be_started(open_page, runs_dir, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    at = open_page(runs_dir)
    at.selectbox(key="new_device_smoke").set_value("cuda").run()
    assert not at.exception
    assert ["cuda was asked for" in error.value for error in at.error] == [True]
    assert at.button(key="start").disabled


def test_pins_are_for_runs_on_the_images_they_were_chosen_from(open_page, trained_run, runs_dir):
    at = open_page(trained_run.path.parent, "feature_maps", image="4")
    at.button(key="pin").click().run()
    assert at.button(key="pin").label == "Unpin"
    at.session_state["new_run"] = True
    at.switch_page("app_pages/train.py").run()
    assert not at.exception
    assert at.text_input(key="new_pinned_images_smoke_shapes 0").value == ""
    at.segmented_control(key="source").set_value("folder").run()
    folder = str(trained_run.config.data_dir)
    at.text_input(key="folder").set_value(folder).run()
    assert not at.exception
    at.number_input(key="new_seed_smoke").set_value(1).run()
    assert at.text_input(key=f"new_pinned_images_smoke_{folder} 1").value == "", "it may split off other test images"
    at.number_input(key="new_seed_smoke").set_value(0).run()
    pinned = at.text_input(key=f"new_pinned_images_smoke_{folder} 0")
    assert pinned.value == "4"
    assert not at.button(key="start").disabled
    pinned.set_value("photo, 6").run()
    assert [error.value for error in at.error] == [
        plain("pinned_images: there is no test image 6; the test set has 0 to 5.")
    ]
    assert at.button(key="start").disabled


def test_what_goes_wrong_while_the_machine_is_timed_is_said(open_page, runs_dir, monkeypatch):
    def fail(*_):
        raise ConfigError("Out of GPU memory at batch_size 16; try 8.")

    monkeypatch.setattr("dashboard.costs.speed", fail)
    at = open_page(runs_dir)
    assert not at.exception
    assert [error.value for error in at.error] == [plain("Out of GPU memory at batch_size 16; try 8.")]


def test_a_folder_is_named_before_it_can_be_trained_on(open_page, runs_dir, image_tree, said):
    at = open_page(runs_dir)
    at.segmented_control(key="source").set_value("folder").run()
    assert not at.exception
    assert "Name the folder" in at.info[0].value
    assert at.button(key="start").disabled
    at.text_input(key="folder").set_value(str(image_tree)).run()
    assert not at.exception
    assert not at.error
    assert not at.info
    assert "16 training images" in said(at)
    assert not at.button(key="start").disabled


@pytest.mark.parametrize("make", ["missing", "empty", "file"])
def test_a_folder_without_classes_is_said_in_one_sentence(open_page, runs_dir, tmp_path, make):
    folder = tmp_path / "images"
    if make == "empty":
        folder.mkdir()
    elif make == "file":
        folder.write_text("not a folder")
    at = open_page(runs_dir)
    at.segmented_control(key="source").set_value("folder").run()
    at.text_input(key="folder").set_value(str(folder)).run()
    assert not at.exception
    assert len(at.error) == 1
    assert plain(folder) in at.error[0].value
    assert list_runs(runs_dir) == []


def test_nothing_can_be_started_on_a_folder_without_classes(open_page, runs_dir, tmp_path):
    at = open_page(runs_dir)
    at.segmented_control(key="source").set_value("folder").run()
    at.text_input(key="folder").set_value(str(tmp_path / "nowhere")).run()
    assert at.button(key="start").disabled


def test_a_finished_run_shows_its_curves_its_classes_and_its_test_accuracy(open_page, trained_run, said):
    at = open_page(trained_run.path.parent)
    assert not at.exception
    assert "Finished" in said(at)
    assert f"**{trained_run.id}**" in said(at)
    assert {"Training loss", "Validation accuracy", "Test accuracy", "Training time"} == set(names(at.metric))
    assert "Validation images by class, after epoch 2" in said(at)
    assert [chart.proto.component_name for chart in at.get("bidi_component")] == ["alexnet_live_chart"]
    assert (len(at.get("plotly_chart")), len(at.get("html"))) == (1, 1)
    table = at.dataframe[0].value
    assert table["run_id"].tolist() == [trained_run.id]
    assert table["progress"].tolist() == ["2 of 2"]
    assert not {"stop", "resume", "start"} & {button.key for button in at.button}, "the form is folded away"


@pytest.mark.parametrize(("count", "kind"), [(20, "<table"), (21, "<img")])
def test_the_confusion_matrix_of_many_classes_is_a_picture(open_page, write_run, runs_dir, count, kind):
    run = write_run("a", end={"state": "stopped", "reason": ""}, data={"class_names": [f"c{i}" for i in range(count)]})
    epoch = {"kind": "epoch", "epoch": 1, "step": 5, "seconds": 9, "val_loss": 1.0, "val_accuracy": 0.5}
    classes = {"val_per_class_accuracy": [0.5] * count, "val_confusion": np.eye(count, dtype=int).tolist()}
    with (run.path / "metrics-0001.jsonl").open("ab") as file:
        file.write(encode(epoch | classes))
    at = open_page(runs_dir)
    assert not at.exception
    (html,) = at.get("html")
    assert kind in html.proto.body


@pytest.mark.parametrize("axis", ["Step", "Epoch", "Time"])
def test_the_curves_are_drawn_on_each_axis(open_page, trained_run, axis):
    at = open_page(trained_run.path.parent)
    at.segmented_control(key="x").set_value(axis)
    at.toggle(key="log").set_value(True)
    at.slider(key="smoothing").set_value(0.99).run()
    assert not at.exception
    assert len(at.get("bidi_component")) == 1


@pytest.mark.parametrize(
    ("files", "badge", "sentence"),
    [
        ({"end": {"state": "failed", "reason": "C:\\_x\\.y is full."}}, "Failed", plain("C:\\_x\\.y is full.")),
        ({"end": {"state": "stopped", "reason": ""}}, "Stopped", ""),
        ({}, "Interrupted", "was to train this run ended before it began"),
    ],
)
def test_a_run_that_ended_early_says_how_and_can_be_resumed(
    open_page, write_run, runs_dir, said, files, badge, sentence
):
    write_run("a", progress={"step": 5, "num_steps": 20, "epoch": 1, "num_epochs": 4, "seconds": 90}, **files)
    at = open_page(runs_dir)
    assert not at.exception
    assert f" {badge}]" in said(at)
    assert sentence in said(at)
    assert not at.button(key="resume").disabled
    assert "stop" not in {button.key for button in at.button}
    assert not at.get("progress")
    assert len(at.error) == (badge == "Failed")


def test_a_run_whose_process_died_says_from_where_it_can_go_on(open_page, write_run, runs_dir, trained_run, said):
    write_run("a", weights_of=trained_run)
    assert "ended without a word. Resume goes on from its last checkpoint." in said(open_page(runs_dir))


@pytest.mark.parametrize(("age", "badge"), [(0, "Running"), (90, "Stalled")])
def test_a_run_that_is_being_written_can_be_stopped(open_page, write_run, runs_dir, said, age, badge):
    run = write_run(
        "a",
        progress={
            "phase": "training", "message": "Epoch 2 of 4", "step": 5, "num_steps": 20, "epoch": 2, "num_epochs": 4,
            "images_per_second": 51.4, "eta_seconds": 120, "heartbeat": time.time() - age,
        },
    )  # fmt: skip
    with run.lock():
        at = open_page(runs_dir)
        assert not at.exception
        assert f" {badge}]" in said(at)
        assert ("has not reported for over a minute" in said(at)) == (badge == "Stalled")
        bar = at.get("progress")[0]
        assert bar.value == 25
        assert bar.text == "Epoch 2 of 4 · step 5 of 20 · 51 images/s · about 2 min left"
        assert "resume" not in {button.key for button in at.button}
        assert not run.stop_requested
        at.button(key="stop").click().run()
        assert not at.exception
        assert run.stop_requested
        assert at.button(key="stop").disabled
    at.run()
    assert not at.exception
    assert " Interrupted]" in said(at), "its writer is gone without an end.json"


def test_a_stop_that_cannot_be_asked_for_is_said(open_page, write_run, runs_dir, monkeypatch):
    def refuse(_run):
        raise RunError("Run 'a' can't be stopped from here.")

    run = write_run("a", progress={"heartbeat": time.time()})
    with run.lock():
        at = open_page(runs_dir)
        monkeypatch.setattr(Run, "request_stop", refuse)
        at.button(key="stop").click().run()
        assert not at.exception
        assert [warning.value for warning in at.warning] == [plain("Run 'a' can't be stopped from here.")]
        assert not at.button(key="stop").disabled


def test_synthetic_data_notes_and_damage_are_said(open_page, write_run, runs_dir, said):
    run = write_run(
        "a",
        end={"state": "stopped", "reason": ""},
        data={"synthetic": True, "counts": {"train": 20, "val": 5, "test": 5}, "notes": ["2 images were left out."]},
    )
    with (run.path / "metrics-0001.jsonl").open("ab") as file:
        file.write(b'{"kind":"step","step":6,"crc32":"00000000"}\n')
    at = open_page(runs_dir)
    assert not at.exception
    assert "nothing is learnt about photographs" in said(at)
    assert "synthetic shapes, 20 training images" in said(at)
    assert plain("2 images were left out.") in said(at)
    assert "Damaged lines of the metrics that were skipped: 1." in said(at)


def test_what_the_metrics_show_is_said_in_words(open_page, write_run, runs_dir, said):
    run = write_run("a", end={"state": "stopped", "reason": ""}, data={"class_names": ["cat", "dog"]})
    assert "guessing gives" not in said(open_page(runs_dir)), "after five steps"
    step = {"kind": "step", "epoch": 1, "seconds": 1.0, "accuracy": 0.5, "learning_rate": 1e-3}
    for loss, where in ((0.693, "info"), (0.3, "caption")):
        lines = [encode({**step, "step": number, "loss": loss}) for number in range(1, 151)]
        (run.path / "metrics-0001.jsonl").unlink()
        (run.path / "metrics-0001.jsonl").write_bytes(b"".join(lines))
        at = open_page(runs_dir)
        assert not at.exception
        assert any("guessing gives 0" in element.value for element in at.get(where)), where


def test_the_newest_run_is_shown_unless_another_is_asked_for(open_page, write_run, runs_dir, said):
    for run_id in ("older", "newer"):
        write_run(run_id, end={"state": "stopped", "reason": ""})
    assert "**newer**" in said(open_page(runs_dir))
    assert "**older**" in said(open_page(runs_dir, run="older"))


def test_the_address_names_the_run_that_was_chosen_and_no_other(open_page, write_run, runs_dir, said):
    for run_id in ("older", "newer"):
        write_run(run_id, end={"state": "stopped", "reason": ""})
    at = open_page(runs_dir)
    assert "run" not in at.query_params
    at.session_state["run"] = "older"  # as a click in the table does
    at.run()
    assert at.query_params["run"] == "older"
    at.query_params["run"] = "newer"  # as the browser's way back does
    assert "**newer**" in said(at.run())
    at = open_page(runs_dir, run="gone")
    assert "The link asks for run 'gone', which isn't here" in said(at)
    assert "run" not in at.query_params


def test_every_page_opens_the_run_that_trains(open_page, write_run, runs_dir, trained_run, said):
    for run_id in ("resumed", "newer"):
        write_run(run_id, weights_of=trained_run)
    with Run(runs_dir / "resumed").lock():
        assert "**resumed**" in said(open_page(runs_dir))
        assert open_page(runs_dir, "predict").selectbox(key="run").value == "resumed"


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{}",
        '{"config": {"batch_size": -1}}',
        '{"config": {"colour": 1}}',
    ],
)
def test_a_run_whose_settings_are_damaged_does_not_take_the_page_down(open_page, write_run, runs_dir, said, config):
    write_run("good", end={"state": "stopped", "reason": ""})
    bad = write_run("bad", end={"state": "stopped", "reason": ""})
    (bad.path / "config.json").write_text(config)
    at = open_page(runs_dir)
    assert not at.exception
    assert "bad" in said(at)
    assert "good" in at.dataframe[0].value["run_id"].tolist()


def test_a_damaged_manifest_costs_one_number_only(open_page, write_run, runs_dir):
    run = write_run("a", end={"state": "stopped", "reason": ""}, best={"manifest": "step-1.json"})
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / "step-1.json").write_text("{")
    at = open_page(runs_dir)
    assert not at.exception
    assert not at.error
    assert {metric.label: metric.value for metric in at.metric}["Best validation"] == "–"
    assert len(at.get("bidi_component")) == 1, "the curves"
    assert at.dataframe[0].value["run_id"].tolist() == ["a"]


def test_start_a_second_start_stop_and_resume(open_page, runs_dir, said, wait_until):
    first, second = open_page(runs_dir), open_page(runs_dir)
    fill_in(first, **TINY | {"num_epochs": 500})
    first.button(key="start").click().run()
    assert not first.exception
    (run,) = list_runs(runs_dir)
    assert run.config.num_epochs == 500
    assert run.config.train_limit == 20
    assert "nothing is learnt about photographs" in said(first) or not run.data, "said as soon as it is known"

    second.button(key="start").click().run()  # drawn before the first began, so its button is still on
    assert not second.exception
    assert [warning.value for warning in second.warning] == [
        plain(f"Run '{run.id}' is already training here; stop it before starting another.")
    ]
    assert [run.id for run in list_runs(runs_dir)] == [run.id]
    assert " Running]" in said(second)

    wait_until(lambda: run.progress.step >= 2)
    first.run()
    assert not first.exception
    assert re.search(r" · step \d+ of 2,500 · ", first.get("progress")[0].text), "it may be validating or saving"
    first.button(key="stop").click().run()
    assert not first.exception
    wait_until(lambda: not run.state.is_active)
    assert run.state is RunState.STOPPED
    first.run()
    assert " Stopped]" in said(first)

    stopped_at = run.progress.step
    first.button(key="resume").click().run()
    assert not first.exception
    assert jobs.active() == run
    wait_until(lambda: run.progress.step > stopped_at)
    first.run()
    assert " Running]" in said(first)
    assert "nothing is learnt about photographs" in said(first)
