"""The page Neighbours: where the network places a picture, and what is near it there."""

import base64
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from core.data.shapes import make_shapes
from core.inspection.embedding import EMBEDDING_FILE, Embedding, embed
from core.runs.checkpoints import find_checkpoint, load_model
from core.runs.run import Run
from dashboard.neighbour_charts import embedding_map

COMPUTE = "compute_embedding"


@pytest.fixture
def run(runs_dir, trained_run):
    """A copy of trained_run that knows nothing of its test images yet."""
    copy = Run(
        shutil.copytree(trained_run.path, runs_dir / "a", ignore=shutil.ignore_patterns("derived", "checkpoints"))
    )
    (copy.path / "checkpoints").symlink_to(trained_run.path / "checkpoints")
    return copy


@pytest.fixture
def page(open_page, runs_dir, run):
    return lambda **address: open_page(runs_dir, "neighbours", **address)


def thumbnails(at):
    """The numbers of the test images in each of the two lists."""
    return [json.loads(component.proto.json)["ids"] for component in at.get("bidi_component")]


def points(at):
    """The numbers of the test images on the map."""
    (chart,) = at.get("plotly_chart")
    found = []
    for trace in json.loads(chart.proto.spec)["data"]:
        if data := trace.get("customdata"):
            found += np.frombuffer(base64.b64decode(data["bdata"]), data["dtype"]).tolist() if "bdata" in data else data
    return sorted(found)


def test_it_is_computed_when_asked_to_and_kept(page, run, said):
    at = page(image="2")
    assert not at.exception
    assert not at.get("plotly_chart")
    at.button(key=COMPUTE).click().run()
    assert not at.exception
    assert not at.error
    assert COMPUTE not in [button.key for button in at.button]
    found = Embedding.load(find_checkpoint(run, "best").derived(EMBEDDING_FILE))
    assert len(found.numbers) == 6
    assert points(at) == list(range(6))
    near, alike = thumbnails(at)
    assert sorted(near) == sorted(alike) == [0, 1, 3, 4, 5], "all but the picture"
    order = np.linalg.norm(found.vectors - found.vectors[2], axis=1).argsort()
    assert near == [number for number in order.tolist() if number != 2]
    assert "**Nearest to the network**: " in said(at)
    assert "6 test images by what the network says of them. Click one to choose it." in said(at)
    assert not page(image="1").exception, "opened again it is there at once"
    assert thumbnails(page(image="1"))


def test_without_the_test_images_it_asks_for_them(open_page, packed_run, said):
    at = open_page(packed_run.path.parent, "neighbours")
    assert not at.exception
    assert "Neighbours are looked for among the test images" in said(at)
    assert COMPUTE not in [button.key for button in at.button]


def test_what_was_kept_serves_without_them(open_page, packed_run, runs_dir, trained_run, said):
    shutil.copytree(packed_run.path, runs_dir / "b")
    run = Run(runs_dir / "b")
    model, drawn = load_model(run), make_shapes(20, 12, seed=0)[1]
    drawn = replace(drawn, labels=drawn.labels % 3, class_names=model.class_names)
    embed(model, drawn).save(find_checkpoint(run, "best").derived(EMBEDDING_FILE))
    at = open_page(runs_dir, "neighbours", run="b")
    assert not at.exception
    assert points(at) == list(range(12))
    assert not thumbnails(at)
    assert "the pictures are not on this computer" in said(at)
    assert "Click one" not in said(at)
    assert "Nearest in their pixels" not in said(at)


def test_the_map_marks_picture_and_neighbours():
    names = tuple(f"<b>class {i}" for i in range(12))
    labels = np.arange(24) % 12
    plane = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    found = Embedding(
        np.arange(0, 48, 2, dtype=np.int32), labels, np.zeros((24, 3)), 1.0, np.zeros(4096), np.zeros((3, 4096)), plane,
        np.arange(0, 24, 2), "", names,
    )  # fmt: skip
    figure = embedding_map(found, np.array([1.0, 2.0]), np.array([0, 3, 4]))
    *classes, ringed, here = figure.data
    assert [trace.name for trace in classes] == [f"&lt;b&gt;class {i}" for i in range(12)]
    assert sorted(number for trace in classes for number in trace.customdata) == list(range(0, 48, 4))
    assert len({(trace.marker.color, trace.marker.symbol) for trace in classes}) == 12, "told apart"
    np.testing.assert_array_equal(np.stack([ringed.x, ringed.y], 1), plane[[0, 2]], "number 3 is not on the plane")
    assert (here.x.tolist(), here.y.tolist()) == ([1.0], [2.0])
