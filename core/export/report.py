"""A run as one HTML file that opens anywhere, offline: what it learnt, how well, and what it looks like inside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from core.data.images import ImageSet, balanced_limit, doubt_about
from core.diagnosis.rules import diagnose
from core.errors import CoreError, ExportError
from core.export.curves import class_charts, learning_charts
from core.export.files import whole
from core.export.html import code, paragraph, picture, section, table, text
from core.export.pictures import enlarged, maps_sheet, standing
from core.export.settings import setting_rows, train_command
from core.follow import summary
from core.inspection.feature_maps import feature_maps
from core.inspection.filters import filter_sheet
from core.inspection.mosaic import sheet_columns, to_levels
from core.model.alexnet import CONV_LAYERS, AlexNet
from core.outcomes import OUTCOMES_FILE, Outcomes, judge
from core.prediction import network_input, predict
from core.progress import OnProgress, no_progress
from core.runs.checkpoints import Checkpoint
from core.runs.metrics import MetricsReader
from core.wording import before_packing, changed_rate, duration

_HERE = Path(__file__).parent
_JUDGED = 250  # test images, where nobody has judged all of them yet
_MISTAKES = 24
_STAGES = 4
_SHEET = 380  # pixels that a mosaic is at least wide


@dataclass(frozen=True)
class Subject:
    """What a report is about. images: gives the test images, or raises DataError where they aren't here.

    picture: what the feature maps are shown for; picture_name: what to call it. command: makes this report again, and
    tells no path of this computer.
    """

    checkpoint: Checkpoint
    model: AlexNet
    images: Callable[[], ImageSet]
    picture: Image.Image
    picture_name: str
    command: str


def export_report(subject: Subject, path: Path, progress: OnProgress = no_progress) -> None:
    """Write the report, about 6 MB, most of it the plotting library. Raises ExportError where it can't be written."""
    reader = MetricsReader(subject.checkpoint.run.path)

    def judging(done: int) -> None:
        progress(2, _STAGES, f"Judging test images: {done:,}")

    progress(0, _STAGES, "Curves")
    parts = [_head(reader, subject), _settings(reader, subject), _curves(reader, subject), _classes(reader, subject)]
    progress(1, _STAGES, "Filters and feature maps")
    parts += [_filters(subject), _maps(subject)]
    progress(2, _STAGES, "Mistakes")
    parts += [_mistakes(subject, judging), _origin(subject)]
    progress(3, _STAGES, "Writing")
    page = _page(subject.checkpoint.run.id, "".join(parts))
    with whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    progress(_STAGES, _STAGES, "Done")


def _page(title: str, body: str) -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ExportError("A report needs the package plotly: python -m pip install plotly") from error
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{text(title)} · AlexNet Live</title><style>{style}</style></head><body><main>{body}</main>"
        f"<script>{get_plotlyjs()}</script><script>{script}</script></body></html>\n"
    )


def _head(reader: MetricsReader, subject: Subject) -> str:
    run, epochs = subject.checkpoint.run, reader.epochs()
    record, counts = summary(run), run.data.get("counts", {})
    figures = {
        f"Test accuracy{before_packing(run)}": _percent(record["test_accuracy"]),
        f"Best validation accuracy{before_packing(run)}": _percent(record["val_accuracy"]),
        "Epochs completed": f"{epochs[-1]['epoch'] if epochs else 0} of {record['num_epochs']}",
        "Training time": duration(record["seconds"]),
        "Training images": f"{counts['train']:,}" if "train" in counts else "not known",
        "Parameters": f"{sum(p.numel() for p in subject.model.parameters()) / 1e6:.1f} M",
    }
    boxes = "".join(f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in figures.items())
    words = (
        f"AlexNet (2012) on {run.data_name}; the run is {record['state']}. Shown are its weights "
        f"{standing(subject.checkpoint)}."
    )
    return f'<header><h1>{text(run.id)}</h1>{paragraph(words, "quiet")}</header><dl class="figures">{boxes}</dl>'


def _settings(reader: MetricsReader, subject: Subject) -> str:
    config = subject.checkpoint.run.config
    rows = setting_rows(config)
    differing = [(name, value) for name, value, differs in rows if differs and name != "preset"]
    lead = f"Preset {config.preset}" + (", but for these:" if differing else ", nothing changed.")
    own = table(("Setting", "Value"), differing, "What differs from the preset") if differing else ""
    every = table(("Setting", "Value"), [row[:2] for row in rows], "All settings")
    by_hand = changed_rate(reader.rate_changes())
    lead += f" {by_hand}" if by_hand else ""
    return section("Settings", paragraph(lead), own, f"<details><summary>All settings</summary>{every}</details>")


def _curves(reader: MetricsReader, subject: Subject) -> str:
    steps, epochs = reader.steps(), reader.epochs()
    if not len(steps["step"]):
        return section("Learning curves", paragraph("No step has been logged yet."))
    rows = [
        (record["epoch"], f"{record['step']:,}", f"{record['train_loss']:.4f}", _percent(record["train_accuracy"]),
         f"{record['val_loss']:.4f}", _percent(record["val_accuracy"]))
        for record in epochs
    ]  # fmt: skip
    header = ("Epoch", "Step", "Training loss", "Training accuracy", "Validation loss", "Validation accuracy")
    listed = f"<details><summary>As a table</summary>{table(header, rows, 'A row per epoch')}</details>" if rows else ""
    said = [paragraph(str(finding)) for finding in diagnose(subject.checkpoint.run, reader)]
    return section("Learning curves", *said, learning_charts(steps, epochs), listed)


def _classes(reader: MetricsReader, subject: Subject) -> str:
    """Of the test where the run has got that far, else of the latest validation."""
    tests = [event for event in reader.events() if event.get("event") == "test"]
    epochs = reader.epochs()
    if tests:
        counts, before = tests[-1]["confusion"], before_packing(subject.checkpoint.run)
        words = f"On {tests[-1]['num_images']:,} test images, with the best checkpoint{before}."
    elif epochs:
        counts, words = epochs[-1]["val_confusion"], f"On the validation images, after epoch {epochs[-1]['epoch']}."
    else:
        return section("Classes", paragraph("The network has not been judged yet."))
    return section("Classes", paragraph(words), class_charts(np.array(counts), subject.checkpoint.class_names))


def _filters(subject: Subject) -> str:
    kernels = subject.model.conv1.weight.detach().float().cpu().numpy()
    sheet = enlarged(filter_sheet(kernels, subject.checkpoint.input_spec.image_size), _SHEET)
    caption = (
        f"The {len(kernels)} filters of conv1, 11 × 11 pixels, as far as they act: stretched images are smooth. "
        "Each is on its own scale; grey is 0."
    )
    return section("What the first layer looks for", picture(sheet, caption, caption, "sheet"))


def _maps(subject: Subject) -> str:
    """All channels of all five layers for one picture."""
    (prediction,) = predict(subject.model, [subject.picture])
    top = ", ".join(f"{name} {probability:.1%}" for name, probability in prediction.top(3))
    seen = Image.fromarray(network_input(subject.picture, subject.checkpoint.input_spec))
    name = subject.picture_name
    eyes = picture(seen, f"What the network sees of {name}", f"What the network sees of {name}: {top}.", "seen")
    sheets = []
    for layer in CONV_LAYERS:
        maps = feature_maps(subject.model, subject.picture, layer, "relu")
        levels = to_levels(maps)
        count, height, width = maps.values.shape
        caption = (
            f"{count} channels of {height} × {width}, {sheet_columns(count)} in a row, each from its least value "
            f"(dark) to its greatest (bright); {len(levels.silent)} hardly respond."
        )
        drawn = picture(maps_sheet(levels, _SHEET), f"All feature maps of {layer}", caption, "sheet")
        sheets.append(f"<div><h3>{layer}, after ReLU</h3>{drawn}</div>")
    return section("What every layer makes of one picture", eyes, f'<div class="pair">{"".join(sheets)}</div>')


def _mistakes(subject: Subject, on_batch: Callable[[int], object]) -> str:
    title = "Worst mistakes"
    try:
        images = subject.images()
    except CoreError:  # its text would say where they should lie
        return section(title, paragraph("Not shown: the test images aren't on this computer."))
    if images.class_names != subject.model.class_names:
        return section(title, paragraph("Not shown: the test images have other classes than the network knows."))
    fingerprint = images.fingerprint()  # of all of them
    doubt = doubt_about(fingerprint, subject.checkpoint.run.data)
    stored = Outcomes.load(subject.checkpoint.derived(OUTCOMES_FILE))
    if stored is None or stored.images != fingerprint:
        images = balanced_limit(images, _JUDGED, seed=0)
        stored = judge(subject.model, images, on_batch)
    wrong = stored.select(wrong=True)
    words = (
        f"Of {len(stored):,} test images {len(wrong):,} are taken for something else"
        + (f"; here those of the greatest loss, at most {_MISTAKES}." if len(wrong) else ".")
    )  # fmt: skip
    names = stored.class_names
    thumbs = []
    for index in wrong[:_MISTAKES]:
        true, said = names[stored.labels[index]], names[stored.predictions[index]]
        caption = f"{true}, taken for {said} with {stored.confidences[index]:.0%}"
        small = Image.fromarray(images.image(int(index)))
        small.thumbnail((128, 128))
        thumbs.append(picture(small, f"A picture of {true}", caption, "thumb"))
    return section(title, paragraph(f"{words} {doubt}".rstrip()), f'<div class="thumbs">{"".join(thumbs)}</div>')


def _origin(subject: Subject) -> str:
    """On what it was trained, and how to get the run and this file again."""
    run, checkpoint = subject.checkpoint.run, subject.checkpoint
    environment = dict(run.environment)
    started = environment.pop("started", None)
    rows: list[tuple[str, object]] = [
        (name.replace("_", " ").capitalize().replace("Cpu", "CPU"), value) for name, value in environment.items()
    ]
    if isinstance(started, int | float):
        rows.append(("Started", f"{datetime.fromtimestamp(started):%Y-%m-%d %H:%M}"))
    if "fingerprint" in run.data:
        rows.append(("Fingerprint of the images", run.data["fingerprint"]))
    rows += [("Weights, sha256", checkpoint.fingerprint), ("Report written", f"{datetime.now():%Y-%m-%d %H:%M}")]
    return section(
        "How it was made",
        table(("What", "Value"), rows, "Where the training ran, and on what"),
        paragraph("The same training again (with the path of your own images, where it took a folder):"),
        code(train_command(run.config)),
        paragraph("This report again, where the run is (with the path of a runs folder or picture that it names):"),
        code(subject.command),
    )


def _percent(value: float | None) -> str:
    return "not yet" if value is None else f"{value:.1%}"
