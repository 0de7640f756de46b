"""python -m core: every command, its JSON, its exit codes, and one sentence on stderr where something is wrong."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import feature_maps, load_model, load_run, paths, predict
from core.__main__ import main
from core.config import TrainConfig, make_config
from core.data.uploads import open_image, open_picture
from core.runs.run import Run, RunState, create_run
from core.runs.writer import RunWriter
from core.training import ending

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("ALEXNET_RUNS_DIR", "checkpoints")
    monkeypatch.setenv("ALEXNET_DATA_DIR", "data")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def trained(trained_run: Run) -> list[str]:
    """The flags that name the trained run."""
    return ["--runs-dir", str(trained_run.path.parent), "--run-id", "trained"]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence on stderr of a command that must end with exit code 2."""
    try:
        code: Any = main(arguments)
    except SystemExit as end:
        code = end.code
    output = capsys.readouterr()
    assert code == 2
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "Traceback" not in output.err
    return output.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "The following arguments are required: command"),
        (["fly"], "invalid choice: 'fly'"),
        (["train", "--optimizer", "lion"], "optimizer: input should be 'adam', 'adamw', 'muon' or 'sgd', got 'lion'."),
        (["train", "--learning-rate", "0"], "learning_rate: input should be greater than 0, got '0'."),
        (["train", "--num-epochs", "many"], "num_epochs: input should be a valid integer"),
        (["train", "--preset", "fast"], "preset: 'fast' is not one of smoke, laptop, standard, seed-2021."),
        (["train", "--momentum", "1"], "nrecognized arguments: --momentum 1"),
        (["train", "--data-source", "folder"], "data_source 'folder' needs data_dir"),
        (["train", "--run-id", "../x"], "'../x' can't name a run"),
        (["train", "--resume"], "--resume goes with --run-id"),
        (["train", "--resume", "--run-id", "nobody"], "There is no run 'nobody'"),
        (["train", "--resume", "--run-id", "a", "--seed", "1"], "with no setting"),
        (["evaluate"], "required: --run-id"),
        (["evaluate", "--run-id", "nobody"], "There is no run 'nobody'"),
        (["evaluate", "--run-id", "a", "--split", "all"], "invalid choice: 'all'"),
        (["predict", "--run-id", "a"], "required: image"),
        (["predict", "x.png", "--run-id", "nobody"], "There is no run 'nobody'"),
        (["pack", "--run-id", "a"], "required: --output"),
        (["pack", "--run-id", "nobody", "--output", "x"], "There is no run 'nobody'"),
        (["pack", "--run-id", "a", "--output", "x", "--data-source", "folder"], "invalid choice: 'folder'"),
        (["stop", "--run-id", "nobody"], "There is no run 'nobody'"),
        (["rate", "--run-id", "a"], "required: --factor"),
        (["rate", "--run-id", "a", "--factor", "fast"], "invalid float value: 'fast'"),
        (["delete", "--run-id", "nobody"], "There is no run 'nobody'"),
        (["features", "--run-id", "a"], "required: --layer, --image, --output"),
        (["features", "--run-id", "a", "--layer", "conv9", "--image", "x", "--output", "y"], "invalid choice: 'conv9'"),
    ],
    ids=lambda value: " ".join(value)[:40] or "nothing" if isinstance(value, list) else "",
)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert sentence in refused(arguments, capsys)
    assert list(tmp_path.iterdir()) == []


COMMANDS = [
    "train", "evaluate", "predict", "features", "runs", "diagnose", "stop", "rate", "delete", "survey", "pack",
    "export", "bench",
]  # fmt: skip


def test_these_are_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = re.findall(r"^ {4}(\w+) ", capsys.readouterr().out, flags=re.MULTILINE)
    assert listed == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "--runs-dir" in text
    assert "--json" in text


def test_help_of_train_explains_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, field in TrainConfig.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert " ".join((field.description or "").split()) in text, name


@pytest.mark.usefixtures("narrow")
def test_train_trains_and_runs_lists_it(runs_dir: Path, image_tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [
        "train", "--runs-dir", str(runs_dir), "--run-id", "mine", "--json", "--data-source", "folder", "--data-dir",
        str(image_tree), "--val-fraction", "0.34", "--batch-size", "6", "--num-epochs", "1", "--optimizer", "sgd",
        "--no-flip", "--precision", "float32", "--device", "cpu",
    ]  # fmt: skip
    assert main(flags) == 0
    trained = json.loads(capsys.readouterr().out)
    assert (trained["run_id"], trained["state"], trained["step"]) == ("mine", "finished", 2)
    config = load_run(runs_dir, "mine").config
    assert (config.flip, config.num_epochs, config.preset) == (False, 1, "smoke")
    assert main(["runs", "--runs-dir", str(runs_dir), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [trained]
    assert main(["runs", "--runs-dir", str(runs_dir)]) == 0
    assert "mine" in capsys.readouterr().out
    assert "'mine' exists already" in refused(flags, capsys)
    assert "'mine' is finished" in refused(
        ["train", "--runs-dir", str(runs_dir), "--run-id", "mine", "--resume"], capsys
    )


def test_a_failed_training_says_why_and_ends_with_1(
    runs_dir: Path, image_tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("odd")

    monkeypatch.setattr("core.training.loop.begin", crash)
    flags = ["--data-source", "folder", "--data-dir", str(image_tree), "--val-fraction", "0.34", "--device", "cpu"]
    with pytest.raises(SystemExit) as end:
        main(["train", "--runs-dir", str(runs_dir), "--run-id", "mine", "--json", *flags])
    assert str(end.value.code) == "Run mine failed: ZeroDivisionError: odd. The full traceback is in mine/run.log."
    assert json.loads(capsys.readouterr().out)["state"] == "failed"


@pytest.mark.parametrize(("state", "code"), [(RunState.FINISHED, 0), (RunState.STOPPED, 130)])
def test_only_a_finished_training_ends_with_0(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, state: RunState, code: int
) -> None:
    """Whoever asked it to stop: a script must not go on with a run that a page has stopped."""
    monkeypatch.setattr(ending, "train", lambda *_: state)
    assert main(["train", "--runs-dir", str(runs_dir), "--device", "cpu"]) == code


def test_a_training_whose_end_cannot_be_written_ends_with_1_and_a_sentence(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ending, "train", lambda *_: RunState.FINISHED)
    monkeypatch.setattr(RunWriter, "end", full)
    with pytest.raises(SystemExit, match=r"Run mine is interrupted: its end could not be written to .*--resume\."):
        main(["train", "--runs-dir", str(runs_dir), "--run-id", "mine", "--device", "cpu"])


def test_a_run_that_another_process_writes_is_not_resumed(runs_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = create_run(runs_dir, make_config(), {}, "theirs")
    with RunWriter(run):
        assert "'theirs' is running" in refused(
            ["train", "--resume", "--run-id", "theirs", "--runs-dir", str(runs_dir)], capsys
        )
    assert run.state is RunState.INTERRUPTED


def test_a_run_is_held_from_the_terminal(runs_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = create_run(runs_dir, make_config(), {}, "mine")
    flags = ["--runs-dir", str(runs_dir), "--run-id", "mine"]
    assert "is interrupted: there is nothing to stop" in refused(["stop", *flags], capsys)
    assert main(["rate", *flags, "--factor", "0.5"]) == 0
    assert run.learning_rate_factor == 0.5
    assert "run mine learns at 0.5 times" in capsys.readouterr().out
    assert "by 0.001 to 1000, not by 5000" in refused(["rate", *flags, "--factor", "5000"], capsys)
    with RunWriter(run) as writer:
        assert main(["stop", *flags]) == 0
        assert writer.stop_requested
        assert "Run mine was asked to save and stop." in capsys.readouterr().out
        assert "is being written; stop it before you delete it" in refused(["delete", *flags], capsys)
        writer.end(RunState.FINISHED)
    assert "is finished: it learns no more" in refused(["rate", *flags, "--factor", "2"], capsys)
    assert main(["delete", *flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run_id": "mine"}
    assert not run.path.exists()


def test_diagnose_says_what_the_metrics_show(runs_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = create_run(runs_dir, make_config(learning_rate=1e-7), {}, "mine")
    flags = ["--runs-dir", str(runs_dir), "--run-id", "mine"]
    assert main(["diagnose", *flags]) == 0
    assert "Of run mine nothing can be said yet" in capsys.readouterr().out
    with RunWriter(run) as writer:
        writer.write_data({"class_names": ["cat", "dog"]})
        for step in range(1, 151):
            writer.log("step", step=step, loss=0.693)
        assert main(["diagnose", *flags]) == 0
        said = " ".join(capsys.readouterr().out.split())  # as wide as the terminal is
        assert said.startswith("It learns nothing yet. After 150 steps the training loss is 0.69, and guessing gives")
        assert main(["diagnose", *flags, "--json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)
        assert said == f"{found['name']}. {found['evidence']} {found['advice']}"
        writer.end(RunState.FAILED, "The loss is no number any more.")
    assert main(["diagnose", *flags]) == 0
    assert capsys.readouterr().out == "The loss is no number any more.\n"


def test_no_runs_yet_is_said_with_the_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert "No runs in checkpoints. Start one: python -m core train --preset smoke" in capsys.readouterr().out
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_damaged_run_does_not_hide_the_others(runs_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create_run(runs_dir, make_config(), {}, "whole")
    (create_run(runs_dir, make_config(), {}, "damaged").path / "config.json").write_text("")
    cut = create_run(runs_dir, make_config(), {}, "cut").path
    (cut / "checkpoints").mkdir()
    (cut / "checkpoints" / "step-1.json").write_text("{")
    (cut / "best.json").write_text('{"manifest": "step-1.json"}')
    assert main(["runs", "--runs-dir", str(runs_dir), "--json"]) == 0
    rows = {row["run_id"]: row["val_accuracy"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {"whole": None, "cut": None}


def test_the_accuracy_of_a_packed_run_is_that_before_packing(
    trained_run: Run, packed_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for run, is_said in ((trained_run, False), (packed_run, True)):
        assert main(["runs", "--runs-dir", str(run.path.parent)]) == 0
        assert ("before packing" in " ".join(capsys.readouterr().out.split())) == is_said


def test_predict_prints_what_core_predicts(
    trained: list[str], trained_run: Run, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(picture), str(picture), *trained, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    expected = predict(load_model(trained_run), [open_image(picture)])[0]
    assert len(rows) == 2
    for row in rows:
        assert list(row) == ["image", "label", "probabilities"]
        assert (row["image"], row["label"]) == (str(picture), expected.label)
        assert list(row["probabilities"]) == ["circle", "cross", "star"]
        assert list(row["probabilities"].values()) == pytest.approx(expected.probabilities.tolist(), rel=1e-5)
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert main(["predict", picture.name, *trained, "--which", "last"]) == 0
    assert "picture.png" in capsys.readouterr().out


def test_predict_holds_one_decoded_picture_at_a_time(
    trained: list[str], trained_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    opened: list[weakref.ref[Image.Image]] = []

    def watched(path: Path) -> Image.Image:
        assert not [picture for picture in opened if picture()]
        picture = open_picture(path)
        opened.append(weakref.ref(picture))
        return picture

    files = [tmp_path / f"{side}.png" for side in (32, 70, 300)]
    for side, path in zip((32, 70, 300), files, strict=True):
        Image.linear_gradient("L").resize((side, side + 9)).save(path)
    monkeypatch.setattr("core.__main__.open_picture", watched)
    assert main(["predict", *map(str, files), *trained, "--json"]) == 0
    found = [[*row["probabilities"].values()] for row in json.loads(capsys.readouterr().out)]
    expected = predict(load_model(trained_run), [open_picture(path) for path in files])
    assert len(opened) == 3
    assert found == [prediction.probabilities.tolist() for prediction in expected]


@pytest.mark.parametrize(("layer", "stage"), [("conv1", "lrn"), ("conv3", "conv"), ("conv5", "pool")])
def test_features_writes_what_core_computes(
    trained: list[str], trained_run: Run, picture: Path, capsys: pytest.CaptureFixture[str], layer: str, stage: str
) -> None:
    arguments = ["features", *trained, "--layer", layer, "--stage", stage, "--image", str(picture)]
    assert main([*arguments, "--output", "maps.npz", "--json"]) == 0
    expected = feature_maps(load_model(trained_run), open_image(picture), layer, stage).values
    with np.load("maps.npz") as written:
        assert written.files == ["values"]
        assert written["values"].dtype == np.float32
        np.testing.assert_array_equal(written["values"], expected)
    assert json.loads(capsys.readouterr().out) == {"output": "maps.npz", "shape": list(expected.shape)}


def test_features_writes_the_file_that_it_names(
    trained: list[str], picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["features", *trained, "--layer", "conv5", "--image", str(picture), "--output", "maps", "--json"])
    assert Path(json.loads(capsys.readouterr().out)["output"]).is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "missing.png"], "missing.png does not exist"),
        (["features", "--layer", "conv3", "--stage", "lrn", "--image", "picture.png", "--output", "x.npz"],
         "conv3 has no stage 'lrn': choose one of conv, relu."),
        (["features", "--layer", "conv3", "--image", "picture.png", "--output", "nowhere/x.npz"],
         "nowhere/x.npz can't be used: No such file or directory."),
    ],
)  # fmt: skip
def test_what_a_trained_run_cannot_do_is_a_sentence(
    trained: list[str], picture: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert sentence in refused([*arguments, *trained], capsys)


def test_a_run_without_a_checkpoint_is_a_sentence(
    runs_dir: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_run(runs_dir, make_config(), {}, "new")
    flags = ["--runs-dir", str(runs_dir), "--run-id", "new"]
    assert "'new' has no best checkpoint yet" in refused(["predict", str(picture), *flags], capsys)
    assert "'new' has no last checkpoint yet" in refused(["evaluate", *flags, "--which", "last"], capsys)


def test_evaluate_gives_the_numbers_of_the_training(
    trained: list[str], trained_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", *trained[:2], "--json"]) == 0
    (summary,) = json.loads(capsys.readouterr().out)
    found = {}
    for split in ("test", "val"):
        assert main(["evaluate", *trained, "--split", split, "--json"]) == 0
        told = capsys.readouterr()
        found[split] = json.loads(told.out)
        assert told.err == ""
        assert (found[split]["num_images"], found[split]["split"]) == (6, split)
        assert np.array(found[split]["confusion"]).sum() == 6
    assert found["test"]["accuracy"] == pytest.approx(summary["test_accuracy"])
    assert found["val"]["accuracy"] == pytest.approx(summary["val_accuracy"])
    assert main(["evaluate", *trained]) == 0
    assert "circle" in capsys.readouterr().out


def test_changed_test_images_are_judged_with_a_word_of_doubt(
    trained_run: Run, runs_dir: Path, image_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = create_run(runs_dir, trained_run.config, {}, "mine")
    (run.path / "checkpoints").symlink_to(trained_run.path / "checkpoints")
    shutil.copy(trained_run.path / "best.json", run.path)
    (run.path / "data.json").write_text(json.dumps(trained_run.data | {"test_fingerprint": "0" * 16}))
    flags = ["evaluate", "--runs-dir", str(runs_dir), "--run-id", "mine", "--json"]
    assert main(flags) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["num_images"] == 6
    assert told.err.startswith("The test images have changed since the run began")
    assert main([*flags, "--data-dir", str(image_tree)]) == 0
    assert capsys.readouterr().err == ""


def test_evaluate_takes_another_folder_of_the_same_classes(
    trained: list[str], image_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(image_tree, tmp_path / "copy")
    for path in sorted((tmp_path / "copy" / "test").rglob("*.png"))[::2]:
        path.unlink()
    assert main(["evaluate", *trained, "--json", "--data-dir", "copy"]) == 0
    assert json.loads(capsys.readouterr().out)["num_images"] == 3
    shutil.move("copy/train/star", "copy/train/moon")
    shutil.rmtree("copy/test")
    sentence = refused(["evaluate", *trained, "--data-dir", "copy"], capsys)
    assert sentence.startswith("The images have the classes circle, cross, moon, the network knows circle, cross,")
    assert "nowhere" in refused(["evaluate", *trained, "--data-dir", "nowhere"], capsys)


def test_evaluate_needs_neither_the_device_that_trained_nor_a_download(
    trained_run: Run, runs_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = trained_run.config.model_copy(update={"device": "cuda"})
    run = create_run(runs_dir, config, {}, "mine")
    (run.path / "checkpoints").symlink_to(trained_run.path / "checkpoints")
    shutil.copy(trained_run.path / "best.json", run.path)
    flags = ["evaluate", "--runs-dir", str(runs_dir), "--run-id", "mine"]
    assert main([*flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_images"] == 6
    elsewhere = config.to_json() | {"data_source": "cifar10", "data_dir": None}
    (run.path / "config.json").write_text(json.dumps({"config": elsewhere}))
    for split in ("test", "val", "train"):
        assert "CIFAR-10 is not on this computer yet" in refused([*flags, "--split", split], capsys)
    (Path("kept") / "cifar-10-batches-py").mkdir(parents=True)
    (Path("kept") / "cifar-10-batches-py" / "batches.meta").touch()
    assert "kept; the next run on it downloads it" in refused([*flags, "--data-dir", "kept"], capsys)


def test_runs_lie_where_the_dashboard_has_them(
    trained_run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_RUNS_DIR", str(trained_run.path.parent))
    assert main(["runs", "--json"]) == 0
    assert [row["run_id"] for row in json.loads(capsys.readouterr().out)] == ["trained"]
    monkeypatch.delenv("ALEXNET_RUNS_DIR")
    monkeypatch.delenv("ALEXNET_DATA_DIR")
    assert (paths.runs_dir(), paths.data_dir()) == (ROOT / "checkpoints", ROOT / "data")


def test_pack_makes_a_run_that_the_other_commands_read(
    trained: list[str], image_tree: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["pack", *trained, "--output", "given/small", "--rank", "4"]
    assert "'trained' was trained on a folder" in refused(arguments, capsys)
    assert main([*arguments, "--data-source", "cifar10", "--json"]) == 0
    packed = json.loads(capsys.readouterr().out)
    assert packed["output"] == str(Path("given/small"))
    files = [path.stat().st_size for path in Path("given/small").rglob("*.*")]
    assert packed["num_bytes"] == sum(files) < 9_500_000
    assert "given/small exists already" in refused([*arguments, "--data-source", "cifar10"], capsys)
    again = ["pack", *trained, "--output", "given/again", "--rank", "4", "--data-source", "cifar10", "--refit"]
    assert main(again) == 0
    assert json.loads(Path("given/again/config.json").read_text(encoding="utf-8"))["packed"]["refit"] is True
    small = ["--runs-dir", "given", "--run-id", "small"]
    assert main(["predict", str(picture), *small]) == 0
    assert main(["evaluate", *small, "--data-dir", str(image_tree)]) == 0
    assert "circle" in capsys.readouterr().out
    assert "'small' is finished" in refused(["train", "--resume", *small], capsys)
    assert not (tmp_path / "given" / "small" / "run.lock").exists()


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-m", "core", *arguments], capture_output=True, text=True, env=environment, timeout=100
        )

    listed = run("runs", "--json")
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "[]\n", "")
    missing = run("predict", "x.png", "--run-id", "nobody")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == "There is no run 'nobody' in checkpoints.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_letter_that_the_terminal_lacks_ends_no_command(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(["runs", "--runs-dir", str(runs_dir)]) == 0
    print("3 × 3")
    terminal.flush()
    assert terminal.buffer.getvalue().endswith(rb"3 \xd7 3" + b"\n")  # type: ignore[attr-defined]


def test_ctrl_c_ends_any_command_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("core.__main__.list_runs", interrupt)
    assert main(["runs"]) == 130
    assert capsys.readouterr().err == ""
