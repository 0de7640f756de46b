"""The Take it away page: a card an export, prepared when asked for, with the command that does the same."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core.export.request import CHOICES, Request
from core.runs.checkpoints import find_checkpoint
from core.runs.run import Run
from core.runs.snapshots import read_pinned
from dashboard import exports
from dashboard.markdown import plain


@pytest.fixture(autouse=True)
def _nothing_is_prepared():
    exports.folder.clear()


@pytest.fixture
def cards(open_page, trained_run):
    return lambda **address: open_page(trained_run.path.parent, "take_away", **address)


def commands(at):
    """The command of each card, by kind."""
    return {code.value.split()[4]: code.value for code in at.code}


def downloads(at):
    """The label of each file that is ready, by kind."""
    return {button.proto.id.rpartition("export_")[2].removesuffix("_download"): button.proto.label
            for button in at.get("download_button")}  # fmt: skip


def test_every_export_has_a_card_and_a_command(cards, trained_run):
    at = cards(layer="conv3", stage="conv", image="4")
    assert not at.exception
    assert set(commands(at)) == set(CHOICES)
    where = f"--run-id trained --runs-dir {trained_run.path.parent}"
    assert commands(at)["png"].startswith(
        f"python -m core export png {where} --layer conv3 --stage conv --test-image 4 "
    )
    assert f"--pinned {read_pinned(trained_run).numbers[0]} " in commands(at)["animation"]
    assert "--which" not in commands(at)["onnx"]
    at.segmented_control(key="checkpoint").set_value("last").run()
    assert "--which last" in commands(at)["onnx"]
    assert downloads(at) == {}, "nothing is made before it is asked for"


@pytest.mark.parametrize("kind", ["csv", "png", "npz", "tensorboard", "animation", "report"])
def test_a_file_is_prepared_and_handed_over(cards, kind):
    at = cards()
    at.button(key=f"export_{kind}").click().run()
    assert not at.exception
    assert not at.error
    assert downloads(at)[kind].startswith("Download ")
    assert downloads(cards())[kind] == downloads(at)[kind], "another viewer finds it ready"


def test_a_choice_of_a_card_is_another_file(cards):
    at = cards()
    at.button(key="export_csv").click().run()
    assert "csv" in downloads(at)
    at.segmented_control(key="table").set_value("steps").run()
    assert "csv" not in downloads(at)
    assert "--table steps" in commands(at)["csv"]
    at.toggle(key="filters").set_value(True).run()
    assert "--filters --output" in commands(at)["png"], "neither a layer nor a stage, which it would refuse"
    at.toggle(key="all_layers").set_value(True).run()
    assert "--layer" not in commands(at)["npz"]


def test_another_picture_is_another_file_only_of_what_shows_it(cards):
    at = cards()
    for kind in ("csv", "npz"):
        at.button(key=f"export_{kind}").click().run()
    at.number_input(key="image").set_value(3).run()
    assert not at.exception
    assert set(downloads(at)) == {"csv"}


def test_a_file_lies_where_its_run_and_what_it_shows_say(trained_run, write_run, data_dir, monkeypatch):
    monkeypatch.setenv("ALEXNET_DATA_DIR", str(data_dir))
    request = Request("png", trained_run, find_checkpoint(trained_run), picture_name="a")
    moved = {
        kind for kind in CHOICES
        if exports.place(replace(request, kind=kind), "1")
        != exports.place(replace(request, kind=kind, picture_name="b"), "2")
    }  # fmt: skip
    assert moved == {"png", "npz", "report"}
    assert exports.place(replace(request, filters=True), "1") == exports.place(replace(request, filters=True), "2")
    run = write_run("a", end={"state": "stopped", "reason": ""})
    before = exports.place(Request("csv", run), "")
    (run.path / "config.json").write_text((run.path / "config.json").read_text().replace("a CPU", "another"))
    assert exports.place(Request("csv", run), "") != before, "a new run of a deleted one's name"


def test_a_report_is_another_file_once_the_test_images_were_judged(trained_run, tmp_path, data_dir, monkeypatch):
    monkeypatch.setenv("ALEXNET_DATA_DIR", str(data_dir))
    copy = shutil.copytree(trained_run.path, tmp_path / "copy")
    run = Run(copy)
    request = Request("report", run, find_checkpoint(run))
    before = exports.place(request, "")
    assert exports.place(request, "") == before
    answers = find_checkpoint(run).derived("outcomes-test.npz")
    answers.parent.mkdir(parents=True, exist_ok=True)
    answers.write_bytes(b"")
    assert exports.place(request, "") != before


def test_a_fixed_scale_and_an_upload_are_in_the_command(cards):
    at = cards()
    at.segmented_control(key="scale").set_value("fixed").run()
    assert "--scale fixed --greatest 1.0" in commands(at)["png"]
    at.segmented_control(key="from").set_value("Upload").run()
    picture = (Path(__file__).resolve().parents[2] / "core" / "data" / "examples" / "cat.jpg").read_bytes()
    at.file_uploader(key="upload").upload("my cat.jpg", picture, "image/jpeg").run()
    assert not at.exception
    assert "--image 'my cat.jpg'" in commands(at)["png"]


def test_what_cannot_be_made_is_said_on_its_card(open_page, write_run, runs_dir, trained_run, said):
    write_run("young", weights_of=trained_run)  # five steps, no epoch, no snapshots
    at = open_page(runs_dir, "take_away")
    assert "This run kept no snapshots" in said(at)
    assert "animation" not in commands(at)
    at.button(key="export_csv").click().run()
    assert not at.exception
    assert at.error[0].value == plain("Run 'young' has logged no epochs yet; try again a little later.")
    assert downloads(at) == {}


def test_without_a_run_the_next_step_is_said(open_page, runs_dir, said):
    at = open_page(runs_dir, "take_away")
    assert not at.exception
    assert "No trained network yet" in said(at)
    assert not at.code


def test_damaged_snapshots_cost_one_card_only(open_page, write_run, runs_dir, trained_run, said):
    run = write_run("a", weights_of=trained_run)
    folder = run.path / "snapshots"
    folder.mkdir()
    (folder / "epoch-0000.npz").symlink_to(trained_run.path / "snapshots" / "epoch-0000.npz")
    at = open_page(runs_dir, "take_away")
    assert not at.exception
    assert [plain("pinned.npz") in error.value for error in at.error] == [True]
    assert set(commands(at)) == set(CHOICES) - {"animation"}


def test_a_young_file_is_never_taken_from_under_another_viewer(tmp_path, monkeypatch):
    folder = tmp_path / "files"
    monkeypatch.setattr(exports, "folder", lambda: folder)
    for number in range(12):
        (folder / str(number)).mkdir(parents=True)
        if number % 2:
            os.utime(folder / str(number), (0, number))
    exports._forget_old_ones()
    assert {int(entry.name) for entry in folder.iterdir()} == {0, 2, 4, 6, 8, 10, 9, 11}, "six young, two of the old"


def test_a_full_disk_is_said(cards, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(exports, "folder", lambda: tmp_path / "file")
    at = cards()
    at.button(key="export_csv").click().run()
    assert not at.exception
    assert "No file can be prepared in" in at.error[0].value


def test_a_run_that_was_deleted_meanwhile_is_said_on_each_card(cards, tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "place", lambda *_: Run(tmp_path / "gone").environment)
    at = cards()
    assert not at.exception
    assert [error.value[:30] for error in at.error] == ["Run 'gone' has no readable con"] * len(CHOICES)
