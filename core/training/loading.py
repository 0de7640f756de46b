"""The images of a run: loaded, and on record as those that it trains on."""

from __future__ import annotations

from pathlib import Path

from core.config import TrainConfig
from core.data.images import DataSplits
from core.data.sources import load_data
from core.errors import DataError, StopRequested
from core.progress import OnProgress
from core.runs.writer import RunWriter
from core.training.distributed import current


def load(writer: RunWriter, config: TrainConfig, data_dir: Path) -> DataSplits:
    """The images of the writer's run. Raises DataError, also where they are not those that it began with."""
    data = load_data(config, data_dir=data_dir, progress=_progress(writer))
    _record(writer, data)
    return data


def _record(writer: RunWriter, data: DataSplits) -> None:
    """Write data.json; on a resume, refuse other data than the run began with."""
    known, found = writer.run.data, {}
    for key, kind, images in (
        ("fingerprint", "training", data.train),
        ("val_fingerprint", "validation", data.val),
        ("test_fingerprint", "test", data.test),
    ):
        found[key] = images.fingerprint()
        if known.get(key, found[key]) != found[key]:
            raise DataError(
                f"The {kind} images have changed since this run began (fingerprint {found[key]}, was {known[key]}); "
                "restore them, or start a new run."
            )
    writer.write_data(
        {
            "counts": data.counts(),
            "class_names": list(data.train.class_names),
            "image_size": data.train.image_size,
            "synthetic": data.train.synthetic,
            **found,
            "notes": list(data.notes),
        }
    )


def _progress(writer: RunWriter) -> OnProgress:
    def report(done: int, total: int, message: str) -> None:
        if writer.stop_requested and current().count == 1:  # of several, none may leave alone
            raise StopRequested("Stopped while loading the images.")
        writer.report(phase="loading", message=message, loaded=done / total if total else 0.0)

    return report
