"""core.export.report: one small file with everything in it, whatever its texts are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.images import ImageSet
from core.errors import DataMissingError
from core.export.report import Subject, export_report
from core.files import write_json
from core.model.alexnet import AlexNet
from core.outcomes import judge
from core.runs.checkpoints import Checkpoint, find_checkpoint, open_model
from core.runs.run import Run, create_run
from core.runs.writer import RunWriter


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._silent = False
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


@pytest.fixture
def subject(checkpoint: Checkpoint, model: AlexNet, test_images: ImageSet, picture: Image.Image) -> Subject:
    return Subject(checkpoint, model, lambda: test_images, picture, "the example photograph", "python again")


def write(subject: Subject, path: Path) -> Page:
    export_report(subject, path)
    assert path.stat().st_size < 10_000_000
    return Page(path.read_text(encoding="utf-8"))


def test_every_section_is_there_and_every_picture_described(
    subject: Subject, trained_run: Run, model: AlexNet, test_images: ImageSet, tmp_path: Path
) -> None:
    page = write(subject, tmp_path / "report.html")
    for heading in ("Settings", "Learning curves", "Classes", "What the first layer looks for",
                    "What every layer makes of one picture", "Worst mistakes", "How it was made"):  # fmt: skip
        assert heading in page.text
    accuracy = (trained_run.end or {})["test_accuracy"]
    assert f"Test accuracy {accuracy:.1%}" in page.text
    assert "Epochs completed 2 of 2" in page.text
    assert "batch_size 4" in page.text
    assert "python -m core train --preset smoke --data-source folder --data-dir images" in page.text
    for layer, channels in {"conv1": 96, "conv2": 256, "conv3": 384, "conv4": 384, "conv5": 256}.items():
        assert f"{layer}, after ReLU {channels} channels" in page.text
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    wrong = int((~judge(model, test_images).correct).sum())
    assert len(pictures) == 7 + wrong
    assert all(attributes["alt"] for attributes in pictures)
    charts = [attributes for _, attributes in page.tags if attributes.get("role") == "img"]
    assert [attributes["id"] for attributes in charts] == [
        "loss", "accuracy", "learning_rate", "gradient_norm", "images_per_second", "confusion", "classes"
    ]  # fmt: skip
    assert all(attributes["aria-label"] for attributes in charts)


@pytest.fixture
def begun(trained_run: Run, runs_dir: Path, test_images: ImageSet, picture: Image.Image) -> Callable[..., Subject]:
    """begun(notes=[...]): what a report is about of a run that has only begun; its data.json holds what is given."""

    def of(**data: object) -> Subject:
        run = create_run(runs_dir, trained_run.config, {}, "begun")
        write_json(run.path / "data.json", data)
        (run.path / "checkpoints").symlink_to(trained_run.path / "checkpoints")
        (run.path / "last.json").write_bytes((trained_run.path / "last.json").read_bytes())
        found = find_checkpoint(run, "last")
        return Subject(found, open_model(found), lambda: test_images, picture, "a cat", "python again")

    return of


def test_it_asks_nothing_of_a_network_and_tells_no_path(subject: Subject, image_tree: Path, tmp_path: Path) -> None:
    page = write(subject, tmp_path / "report.html")
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "data:").startswith("data:"), tag
    assert str(image_tree.parent) not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_no_text_becomes_a_tag(hostile: Subject, tmp_path: Path) -> None:
    page = write(hostile, tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)</script>" in page.text, "shown as it is written"
    assert "<script>alert(1)" not in html
    assert "onerror='alert(2)'" not in html
    assert len(re.findall(r"<script", html)) == 9 + html.count('"<script"'), "seven charts, plotly and its drawing"
    assert not [tag for tag, _ in page.tags if tag == "b"]


def test_what_was_judged_before_is_used(
    subject: Subject, checkpoint: Checkpoint, model: AlexNet, test_images: ImageSet, tmp_path: Path
) -> None:
    outcomes = judge(model, test_images)
    said = np.roll(np.eye(3, dtype=np.float32)[outcomes.labels], 1, axis=1)  # each image is taken for the next class
    kept = checkpoint.derived("outcomes-test.npz")
    replace(outcomes, probabilities=said).save(kept)
    try:
        page = write(subject, tmp_path / "report.html")
    finally:
        kept.unlink()
    assert "Of 6 test images 6 are taken for something else" in page.text
    assert "circle, taken for cross with 100%" in page.text
    worst = [attributes["alt"] for tag, attributes in page.tags if tag == "img"][-6:]
    names = [outcomes.class_names[label] for label in outcomes.labels]
    assert worst == [f"A picture of {name}" for name in names], "all cost the same, so they keep their order"


def test_without_the_test_images_the_rest_is_written(subject: Subject, tmp_path: Path) -> None:
    def gone() -> ImageSet:
        raise DataMissingError("No images in /elsewhere/data.")

    page = write(replace(subject, images=gone), tmp_path / "report.html")
    assert "Worst mistakes Not shown: the test images aren't on this computer. How it was made" in page.text
    assert "/elsewhere" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_test_images_of_other_classes_are_not_shown(subject: Subject, test_images: ImageSet, tmp_path: Path) -> None:
    others = replace(test_images, class_names=("circle", "cross", "moon"))
    page = write(replace(subject, images=lambda: others), tmp_path / "report.html")
    assert "Worst mistakes Not shown: the test images have other classes than the network knows. How" in page.text


@pytest.mark.parametrize("changed", [False, True])
def test_a_word_of_doubt_stands_with_changed_test_images(
    begun: Callable[..., Subject], test_images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    monkeypatch.setattr("core.export.report._JUDGED", 3)
    subject = begun(test_fingerprint="0" * 16 if changed else test_images.fingerprint())
    page = write(subject, tmp_path / "report.html")
    assert "Of 3 test images" in page.text
    assert ("The test images have changed since the run began" in page.text) == changed


def test_what_was_said_of_this_computers_files_stays_here(begun: Callable[..., Subject], tmp_path: Path) -> None:
    subject = begun(notes=["The decoded images could not be kept in /elsewhere/data."], fingerprint="abc")
    page = write(subject, tmp_path / "report.html")
    assert "Fingerprint of the images abc" in page.text
    assert "could not be kept" not in page.text


def test_a_run_that_has_only_begun_has_a_report(begun: Callable[..., Subject], tmp_path: Path) -> None:
    page = write(begun(), tmp_path / "report.html")
    assert "Test accuracy not yet" in page.text
    assert "No step has been logged yet." in page.text
    assert "The network has not been judged yet." in page.text


def test_it_says_what_the_curves_show(begun: Callable[..., Subject], tmp_path: Path) -> None:
    subject = begun(class_names=["cat", "<b>dog"])
    with RunWriter(subject.checkpoint.run) as writer:
        for step in range(1, 301):
            writer.log("step", step=step, epoch=1, seconds=1.0, loss=0.693, accuracy=0.5, learning_rate=1e-3)
    assert "It learns nothing yet. After 300 steps" in write(subject, tmp_path / "report.html").text


def test_it_says_that_the_rate_was_changed_by_hand(begun: Callable[..., Subject], tmp_path: Path) -> None:
    subject = begun()
    assert "by hand" not in write(subject, tmp_path / "before.html").text
    with RunWriter(subject.checkpoint.run) as writer:
        writer.log("event", event="learning rate", step=1200, factor=5)
    page = write(subject, tmp_path / "after.html")
    assert "The learning rate was changed by hand: × 5 from step 1,201 on." in page.text


def test_an_epoch_under_way_does_not_count_as_completed(
    begun: Callable[..., Subject], trained_run: Run, tmp_path: Path
) -> None:
    subject = begun()
    lines = (trained_run.path / "metrics-0001.jsonl").read_bytes().splitlines(keepends=True)
    first_epoch = next(number for number, line in enumerate(lines, 1) if b'"kind":"epoch"' in line)
    (subject.checkpoint.run.path / "metrics-0001.jsonl").write_bytes(b"".join(lines[: first_epoch + 1]))
    write_json(subject.checkpoint.run.path / "progress.json", {"step": 4, "epoch": 2})
    assert "Epochs completed 1 of 2" in write(subject, tmp_path / "report.html").text


def test_a_packed_run_has_a_report(
    packed_run: Run, test_images: ImageSet, picture: Image.Image, tmp_path: Path
) -> None:
    found = find_checkpoint(packed_run)
    subject = Subject(found, open_model(found), lambda: test_images, picture, "a cat", "python again")
    page = write(subject, tmp_path / "report.html")
    assert "AlexNet (2012) on a copy of CIFAR-10; the run is finished." in page.text
    assert re.search(r"validation accuracy \d+\.\d% before packing\.", page.text)
    assert re.search(r"Test accuracy before packing \d+\.\d%", page.text)
    assert "with the best checkpoint before packing." in page.text
