"""python -m core survey: what takes minutes to find out of a checkpoint, kept beside its weights for the dashboard."""

from __future__ import annotations

import argparse
import contextlib
import json

from core.arguments import add_checkpoint_flags, add_images_flag, plain_console, say_doubt, with_images
from core.data.images import ImageSet
from core.data.sources import load_test_images
from core.errors import InspectionError, RunError
from core.inspection.atlas import ATLAS_FILE, Atlas, compute_atlas
from core.inspection.embedding import EMBEDDING_FILE, Embedding, embed
from core.outcomes import OUTCOMES_FILE, Outcomes, judge
from core.paths import data_dir
from core.progress import OnProgress, no_progress, on_terminal
from core.runs.checkpoints import Checkpoint, find_checkpoint, open_model
from core.runs.run import load_run

HELP = "What the pages want to know of all test images, ahead of them: answers, channels, neighbours; some minutes."
_out = plain_console()


def survey(checkpoint: Checkpoint, images: ImageSet, progress: OnProgress = no_progress) -> tuple[Outcomes, Atlas]:
    """What `checkpoint` says of the test images, what its channels do on them, where it can place them: all is kept.

    Raises CoreError as judge and compute_atlas do, OSError where it can't be kept.
    """
    model, count = open_model(checkpoint), len(images)
    outcomes = judge(model, images, lambda done: progress(done, count, f"Judged {done:,} of {count:,} images"))
    _keep(outcomes, checkpoint, OUTCOMES_FILE)
    atlas = compute_atlas(model, images, lambda done: progress(done, count, f"Channels on {done:,} of {count:,}"))
    _keep(atlas, checkpoint, ATLAS_FILE)
    with contextlib.suppress(InspectionError):  # too few images, or a dead network: the rest is worth keeping
        embedding = embed(model, images, lambda done: progress(done, count, f"Placed {done:,} of {count:,} images"))
        _keep(embedding, checkpoint, EMBEDDING_FILE)
    return outcomes, atlas


def _keep(found: Outcomes | Atlas | Embedding, checkpoint: Checkpoint, file: str) -> None:
    if not checkpoint.run.is_readable:  # else its folder would come back in part
        raise RunError(f"Run {checkpoint.run.id!r} was deleted meanwhile: there is nothing to keep its answers for.")
    found.save(checkpoint.derived(file))


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_checkpoint_flags(parser)
    add_images_flag(parser)


def run(options: argparse.Namespace) -> int:
    taken = load_run(options.runs_dir, options.run_id)
    checkpoint = find_checkpoint(taken, options.which)
    config = with_images(taken.config, options)
    with on_terminal() as progress:
        images = load_test_images(config, data_dir=data_dir(), progress=progress)
        say_doubt(images, taken, options)
        outcomes, atlas = survey(checkpoint, images, progress)
    dead = sum(int(layer.dead.sum()) for layer in atlas.layers.values())
    folder = checkpoint.derived(ATLAS_FILE).parent
    if options.json:
        found = {"num_images": len(images), "accuracy": outcomes.accuracy, "dead_channels": dead}
        print(json.dumps({"output": str(folder)} | found))
    else:
        _out.print(f"{len(images):,} images, accuracy {outcomes.accuracy:.2%}, {dead} dead channels; kept in {folder}")
    return 0
