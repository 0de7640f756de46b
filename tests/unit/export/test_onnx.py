"""core.export.onnx: onnxruntime gives the network's answers, for any number of pictures, from pixels alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image, ImageOps
from torch import nn

from core.errors import ExportError
from core.export.onnx import export_onnx
from core.model.alexnet import AlexNet
from core.prediction import predict
from core.runs.checkpoints import Checkpoint


@pytest.fixture(scope="module")
def file(
    checkpoint: Checkpoint, model: AlexNet, picture: Image.Image, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("onnx") / "alexnet.onnx"
    difference = export_onnx(checkpoint, model, path, picture=picture)
    assert 0 <= difference < 1e-4
    assert [found.name for found in path.parent.iterdir()] == ["alexnet.onnx"], "one file, no external data"
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def session(file: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("count", [1, 5])
def test_the_answers_are_those_of_predict(
    session: onnxruntime.InferenceSession, model: AlexNet, picture: Image.Image, count: int
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (count - 1, 50, 70, 3), dtype=np.uint8)
    pictures = [picture, *map(Image.fromarray, noise)]
    size = session.get_inputs()[0].shape[1]
    pixels = [np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)) for image in pictures]
    logits, probabilities = session.run(None, {"pixels": np.stack(pixels)})
    expected = np.stack([prediction.probabilities for prediction in predict(model, pictures)])
    assert probabilities.shape == logits.shape == (count, 3)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), expected, atol=1e-5)


def test_the_file_says_what_it_is(file: Path, session: onnxruntime.InferenceSession, checkpoint: Checkpoint) -> None:
    onnx.checker.check_model(str(file), full_check=True)
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["class_names"]) == ["circle", "cross", "star"]
    assert json.loads(about["input_spec"])["mean"] == list(checkpoint.input_spec.mean)
    assert about["run_id"] == "trained"
    assert about["weights_sha256"] == checkpoint.fingerprint
    nodes = [node.name for node in onnx.load(file).graph.node]
    assert nodes[5:] == [
        "conv1", "relu1", "lrn1", "pool1", "conv2", "relu2", "lrn2", "pool2", "conv3", "relu3", "conv4", "relu4",
        "conv5", "relu5", "pool5", "flatten", "fc6", "relu6", "fc7", "relu7", "fc8", "softmax",
    ]  # fmt: skip


def test_rounding_of_great_logits_is_no_difference(
    checkpoint: Checkpoint, model: AlexNet, picture: Image.Image, tmp_path: Path
) -> None:
    loud = AlexNet(3, class_names=model.class_names, input_spec=model.input_spec, lrn_alpha=3.0).eval()
    loud.load_state_dict({name: 1e5 * value if name.startswith("fc8") else value
                          for name, value in model.state_dict().items()})  # fmt: skip
    assert export_onnx(checkpoint, loud, tmp_path / "x.onnx", picture=picture) < 1e-4
    pixels = np.asarray(ImageOps.fit(picture, (model.input_spec.image_size,) * 2, Image.Resampling.BILINEAR))[None]
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"pixels": pixels})
    (tmp_path / "x.onnx").unlink()
    (prediction,) = predict(loud, [picture])
    assert np.abs(logits).max() > 100
    np.testing.assert_allclose(torch.from_numpy(logits).softmax(1)[0], prediction.probabilities, atol=1e-4)


class Doubled(AlexNet):
    """A network that the graph doesn't describe."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(x) + 1


def test_a_file_with_other_answers_is_not_handed_over(
    checkpoint: Checkpoint, model: AlexNet, picture: Image.Image, tmp_path: Path
) -> None:
    other = Doubled(3, class_names=model.class_names, input_spec=model.input_spec).eval()
    other.load_state_dict(model.state_dict())
    with pytest.raises(ExportError, match=r"differ from the network's by .* nothing was written"):
        export_onnx(checkpoint, other, tmp_path / "x.onnx", picture=picture)
    assert not list(tmp_path.iterdir())


def test_a_layer_without_counterpart_is_a_sentence(
    checkpoint: Checkpoint, picture: Image.Image, tmp_path: Path
) -> None:
    with torch.device("meta"):
        odd = AlexNet(3)
    odd.conv1 = nn.Sigmoid()
    with pytest.raises(ExportError, match="conv1 has no counterpart in ONNX here: it is a Sigmoid"):
        export_onnx(replace(checkpoint), odd, tmp_path / "x.onnx", picture=picture)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_library_is_named(
    checkpoint: Checkpoint, model: AlexNet, picture: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    missing: str,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ExportError, match=f"needs the package {missing}: python -m pip install onnx onnxruntime"):
        export_onnx(checkpoint, model, tmp_path / "x.onnx", picture=picture)
