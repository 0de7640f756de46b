"""core.runs.checkpoints: whole and right, or refused with a sentence."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from core.config import make_config
from core.errors import CheckpointError
from core.files import file_sha256
from core.model import AlexNet, InputSpec
from core.runs import checkpoints
from core.runs.checkpoints import available, find_checkpoint, load_model, load_training_state, save_checkpoint
from core.runs.run import Run, create_run
from core.runs.writer import RunWriter


class Small(nn.Module):
    """Carries what save_checkpoint asks of a network, at a few bytes."""

    class_names = ("a", "b")
    input_spec = InputSpec()
    lrn_alpha = 1e-4

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((7,), float(value)))


def save(writer: RunWriter, step: int, pointers: tuple[str, ...], model: nn.Module | None = None) -> None:
    state = {"moment": torch.full((3,), float(step))}
    save_checkpoint(
        writer,
        model or Small(step),
        state,
        step=step,
        epoch=0,
        seconds=1.5,
        val_accuracy=None,
        epoch_sums=[0.0, 0.0, 0.0],
        pointers=pointers,
    )


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RunWriter]:
    with RunWriter(create_run(tmp_path, make_config(), {}, "run")) as writer:
        yield writer


@pytest.fixture(scope="module")
def copied(trained_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The trained run's best weights, to be damaged."""
    path = tmp_path_factory.mktemp("copied") / "copied"
    (path / "checkpoints").mkdir(parents=True)
    name = find_checkpoint(trained_run, "best").name
    for file in ("config.json", "best.json", f"checkpoints/{name}.json", f"checkpoints/{name}.safetensors"):
        shutil.copy(trained_run.path / file, path / file)
    yield Run(path)
    shutil.rmtree(path)


def weights_of(run: Run) -> Path:
    return run.path / "checkpoints" / f"{find_checkpoint(run).name}.safetensors"


def files(run: Run) -> set[str]:
    return {path.name for path in (run.path / "checkpoints").iterdir()}


def test_a_network_comes_back_exactly(writer: RunWriter) -> None:
    spec = InputSpec(48, (1.5, 2.5, 3.5), (4.5, 5.5, 6.5))
    model = AlexNet(3, class_names=("ä", "b c", "d"), input_spec=spec, lrn_alpha=2.5)
    model = model.to(memory_format=torch.channels_last)
    try:
        save_checkpoint(
            writer, model, {}, step=12, epoch=3, seconds=4.5, val_accuracy=0.75, epoch_sums=[6.5, 2, 3],
            pointers=("best", "last"),
        )  # fmt: skip
        found = find_checkpoint(writer.run)
        assert (found.step, found.epoch, found.seconds, found.val_accuracy) == (12, 3, 4.5, 0.75)
        assert found.epoch_sums == [6.5, 2, 3]
        again = load_model(writer.run)
        assert (again.class_names, again.input_spec, again.lrn_alpha) == (model.class_names, spec, 2.5)
        assert not again.training
        assert not any(parameter.requires_grad for parameter in again.parameters())
        for name, value in model.state_dict().items():
            assert torch.equal(value, again.state_dict()[name]), name
    finally:
        shutil.rmtree(writer.run.path / "checkpoints")


def test_loading_draws_no_random_number(trained_run: Run) -> None:
    before = torch.get_rng_state()
    load_model(trained_run, "best")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.999999])
def test_a_flipped_bit_is_refused(copied: Run, place: float) -> None:
    path = weights_of(copied)
    offset = int(place * path.stat().st_size)

    def flip() -> None:
        with path.open("rb+") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    flip()
    try:
        with pytest.raises(CheckpointError, match=r"of run 'copied' is damaged \(its checksum differs\); choose the"):
            load_model(copied)
    finally:
        flip()
    load_model(copied)


def test_a_cut_file_is_refused(copied: Run) -> None:
    path = weights_of(copied)
    whole = path.rename(path.with_suffix(".kept"))
    try:
        path.write_bytes(whole.read_bytes()[:-1])
        with pytest.raises(CheckpointError, match="is damaged"):
            load_model(copied)
        path.write_bytes(b"")
        with pytest.raises(CheckpointError, match="is damaged"):
            load_model(copied)
        path.unlink()
        with pytest.raises(CheckpointError, match="is missing; choose the other checkpoint"):
            load_model(copied)
    finally:
        whole.rename(path)


def test_a_training_state_that_is_gone_says_how_to_go_on(copied: Run) -> None:
    with pytest.raises(CheckpointError, match="is missing; start a new run with this one's weights to begin with"):
        load_training_state(find_checkpoint(copied))


def edited(run: Run, name: str, change: Callable[[dict], object]) -> None:
    path = run.path / "checkpoints" / f"{name}.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("field", ["step", "epoch", "seconds", "val_accuracy", "class_names", "input_spec", "files"])
def test_a_manifest_without_a_field_is_refused_by_its_name(writer: RunWriter, field: str) -> None:
    save(writer, 1, ("best", "last"))
    edited(writer.run, "step-00000001", lambda manifest: manifest.pop(field))
    with pytest.raises(CheckpointError, match=rf"manifest step-00000001\.json of run 'run' is damaged: '{field}'"):
        find_checkpoint(writer.run)


def test_a_manifest_from_before_lrn_alpha_means_the_papers(writer: RunWriter) -> None:
    save(writer, 1, ("best", "last"))
    edited(writer.run, "step-00000001", lambda manifest: manifest.pop("lrn_alpha"))
    assert find_checkpoint(writer.run).lrn_alpha == 1e-4


def test_a_manifest_without_a_checksum_is_refused(writer: RunWriter) -> None:
    save(writer, 1, ("best", "last"))
    edited(writer.run, "step-00000001", lambda manifest: manifest["files"]["step-00000001.train.safetensors"].clear())
    with pytest.raises(CheckpointError):
        load_training_state(find_checkpoint(writer.run))


def test_a_newer_format_is_refused_as_newer(writer: RunWriter) -> None:
    save(writer, 1, ("best",))
    edited(writer.run, "step-00000001", lambda manifest: manifest.update(format_version=2))
    with pytest.raises(CheckpointError, match="newer"):
        find_checkpoint(writer.run)


def test_another_architecture_is_refused_naming_the_first_differences(writer: RunWriter) -> None:
    save(writer, 1, ("best", "last"))
    with pytest.raises(CheckpointError, match=r"is not this network: conv1\.bias, conv1\.weight, conv2\.bias differ"):
        load_model(writer.run)


def test_another_number_of_classes_is_refused(copied: Run) -> None:
    name = find_checkpoint(copied).name
    edited(copied, name, lambda manifest: manifest["class_names"].append("more"))
    try:
        with pytest.raises(CheckpointError, match=r"is not this network: fc8\.bias, fc8\.weight differ"):
            load_model(copied)
    finally:
        edited(copied, name, lambda manifest: manifest["class_names"].pop())


def test_no_checkpoint_yet_is_a_sentence(writer: RunWriter) -> None:
    assert available(writer.run) == ()
    for which in ("best", "last"):
        with pytest.raises(CheckpointError, match=f"'run' has no {which} checkpoint yet"):
            find_checkpoint(writer.run, which)
    with pytest.raises(CheckpointError, match="'first' names no checkpoint: choose best or last"):
        find_checkpoint(writer.run, "first")


def test_pointers_move_and_only_what_they_name_is_kept(writer: RunWriter) -> None:
    run = writer.run
    save(writer, 1, ("last",))
    assert available(run) == ("last",)
    save(writer, 2, ("best", "last"))
    save(writer, 3, ("last",))
    save(writer, 4, ("last",))
    assert "step-00000003.safetensors" in files(run)  # a viewer may be loading it: gone with the next save
    save(writer, 4, ("last",))
    assert (find_checkpoint(run, "best").step, find_checkpoint(run, "last").step) == (2, 4)
    assert files(run) == {  # to resume, only the last is needed
        "step-00000002.json", "step-00000002.safetensors",
        "step-00000004.json", "step-00000004.safetensors", "step-00000004.train.safetensors",
    }  # fmt: skip
    assert load_training_state(find_checkpoint(run, "last"))["moment"].tolist() == [4, 4, 4]
    with pytest.raises(CheckpointError, match=r"step-00000002\.train\.safetensors of run 'run' is missing"):
        load_training_state(find_checkpoint(run, "best"))


def test_a_checkpoint_that_a_running_training_has_replaced_is_said_to_be_so(writer: RunWriter) -> None:
    save(writer, 1, ("best", "last"))
    held = find_checkpoint(writer.run)
    for step in (2, 3):
        save(writer, step, ("best", "last"))
    with pytest.raises(CheckpointError, match="is missing; a newer checkpoint has replaced it, so reload the page"):
        load_training_state(held)


def test_a_pointer_that_cannot_be_read_for_a_moment_costs_no_checkpoint(
    writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(writer, 1, ("best", "last"))
    save(writer, 2, ("last",))
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_pointer", lambda run, which: None)
        save(writer, 3, ("last",))
    kept = {"step-00000001.safetensors", "step-00000003.safetensors", "step-00000003.train.safetensors"}
    assert kept <= files(writer.run)


def test_what_was_derived_from_weights_goes_with_them_also_where_it_came_late(writer: RunWriter) -> None:
    derived = writer.run.path / "derived"
    for step in range(1, 5):
        save(writer, step, ("last",))
    for name in ("step-00000001-late", "step-00000004-kept"):
        (derived / name).mkdir(parents=True)
    save(writer, 5, ("last",))
    assert [path.name for path in derived.iterdir()] == ["step-00000004-kept"]


def test_the_manifest_is_written_after_the_files_and_the_pointer_after_it(
    writer: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = []
    replace = Path.replace

    def record(path: Path, target: Path) -> Path:
        order.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", record)
    save(writer, 1, ("best", "last"))
    assert order == [
        "step-00000001.safetensors", "step-00000001.train.safetensors", "step-00000001.json", "best.json", "last.json"
    ]  # fmt: skip


@pytest.mark.parametrize("interrupted_at", range(5))
def test_a_save_that_breaks_off_anywhere_leaves_the_earlier_checkpoint(
    writer: RunWriter, monkeypatch: pytest.MonkeyPatch, interrupted_at: int
) -> None:
    save(writer, 1, ("best", "last"))
    replace, calls = Path.replace, []

    def break_off(path: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) > interrupted_at:
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", break_off)
    with pytest.raises(OSError, match="No space left"):
        save(writer, 2, ("best", "last"))
    monkeypatch.undo()
    for which in ("best", "last"):
        found = find_checkpoint(writer.run, which)
        expected = 2 if which == "best" and interrupted_at == 4 else 1
        assert found.step == expected
        weights = checkpoints._load_tensors(found, ".safetensors")
        assert weights["weight"].tolist() == [expected] * 7
    assert not [name for name in files(writer.run) if name.endswith(".tmp")]
    save(writer, 3, ("best", "last"))
    for step in (4, 4):  # and the next but one clears up
        save(writer, step, ("best", "last"))
    assert {name[:13] for name in files(writer.run)} == {"step-00000004"}


def test_the_same_step_is_not_written_twice(writer: RunWriter) -> None:
    save(writer, 5, ("last",))
    path = writer.run.path / "checkpoints" / "step-00000005.safetensors"
    first = path.stat().st_ino, path.stat().st_mtime_ns
    save_checkpoint(
        writer, Small(5), {}, step=5, epoch=1, seconds=2, val_accuracy=0.5, epoch_sums=[0, 0, 0], pointers=("best",)
    )
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == first
    assert find_checkpoint(writer.run, "best").val_accuracy == 0.5
    assert find_checkpoint(writer.run, "last").val_accuracy == 0.5


def test_what_an_attempt_left_that_died_before_its_pointers_is_not_taken_for_this_ones(writer: RunWriter) -> None:
    save(writer, 5, ("last",))
    save(writer, 6, (), Small(1))  # and then the power went
    save(writer, 6, ("last",), Small(2))
    last = find_checkpoint(writer.run, "last")
    assert load_file(last.run.path / "checkpoints" / f"{last.name}.safetensors")["weight"].unique().tolist() == [2]


def test_the_fingerprint_names_the_weights(writer: RunWriter) -> None:
    found = []
    for step, value in ((1, 1.0), (2, 1.0), (3, 2.0)):
        save(writer, step, ("best", "last"), Small(value))
        found.append(find_checkpoint(writer.run).fingerprint)
    assert found[0] == found[1] != found[2]


def test_a_pointer_out_of_the_folder_leads_nowhere(writer: RunWriter, tmp_path: Path) -> None:
    save(writer, 1, ("last",))
    (tmp_path / "step-00000009.json").write_text("{}")
    (writer.run.path / "best.json").write_text('{"manifest": "../../step-00000009.json"}')
    assert available(writer.run) == ("last",)


def test_a_file_that_is_no_safetensors_is_refused_unread(writer: RunWriter) -> None:
    """Even with a right checksum: a pickle must not be opened."""
    save(writer, 1, ("best", "last"))
    name = "step-00000001.safetensors"
    path = writer.run.path / "checkpoints" / name
    torch.save({"weight": torch.ones(7)}, path)
    entry = {"size": path.stat().st_size, "sha256": file_sha256(path)}
    edited(writer.run, "step-00000001", lambda manifest: manifest["files"].update({name: entry}))
    with pytest.raises(CheckpointError, match="can't be read"):
        load_model(writer.run)


def test_weights_are_plain_safetensors_for_any_other_tool(writer: RunWriter, tmp_path: Path) -> None:
    save(writer, 1, ("best", "last"), Small(2.5))
    tensors = load_file(writer.run.path / "checkpoints" / "step-00000001.safetensors")
    save_file(tensors, tmp_path / "again.safetensors")
    assert tensors["weight"].tolist() == [2.5] * 7


def test_a_reader_always_finds_the_last_checkpoint_while_the_writer_saves(writer: RunWriter) -> None:
    save(writer, 1, ("best", "last"))
    errors: list[CheckpointError] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                find_checkpoint(writer.run, "last")
            except CheckpointError as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(2, 100):
        save(writer, step, ("last",))
    done.set()
    reader.join()
    assert not errors
