"""The network as ONNX, for any runtime: pixels in, probabilities out, compared with ours before it is handed over.

    session = onnxruntime.InferenceSession("alexnet.onnx")
    size = session.get_inputs()[0].shape[1]
    image = ImageOps.fit(Image.open("cat.jpg").convert("RGB"), (size, size), Image.Resampling.BILINEAR)
    logits, probabilities = session.run(None, {"pixels": np.asarray(image)[None]})
    names = json.loads(session.get_modelmeta().custom_metadata_map["class_names"])

The graph is written node by node rather than traced: each node and each tensor has the name of its layer, and tracing
would change torch for the whole process while a training runs in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from core.data.prepare import Picture, to_square
from core.errors import ExportError
from core.export.files import whole
from core.export.weights import about
from core.model.alexnet import INPUT_SIZE, AlexNet, Dropout, Flatten, LocalResponseNorm, normalize
from core.progress import OnProgress, no_progress
from core.runs.checkpoints import Checkpoint

OPSET = 19  # of May 2023, so that older runtimes read it; IR 9 is of the same release
IR_VERSION = 9
TOLERANCE = 1e-4  # of probabilities; of logits too, but relative to the greatest where that is above 1
_RANDOM_IMAGES = 3


def export_onnx(
    checkpoint: Checkpoint, model: AlexNet, path: Path, *, picture: Picture, progress: OnProgress = no_progress
) -> float:
    """Write the network to `path`; how far its answers are from ours: the greater of two figures.

    These are the greatest difference of a probability, and that of a logit, divided by the greatest logit (in absolute
    value) where that is above 1: float32 rounds in proportion.

    Input "pixels": uint8, N x S x S x 3, RGB, S the side of the stored images; stretching and normalising are part of
    the graph. Outputs "logits" and "probabilities": float32, N x classes. The metadata is that of core.export.weights.

    onnxruntime judges `picture` and random images with the file first. Raises ExportError where a library is missing,
    the file can't be written, or the figure is above 1e-4.
    """
    onnx, runtime = _libraries()
    with whole(path) as temporary:
        progress(0, 2, "Writing the graph and its weights")
        temporary.write_bytes(_model_proto(onnx, checkpoint, model).SerializeToString())
        progress(1, 2, "Comparing onnxruntime with the network")
        difference = _difference(runtime, temporary, model, picture)
        if not difference <= TOLERANCE:
            raise ExportError(
                f"onnxruntime's answers differ from the network's by {difference:.1e}, more than {TOLERANCE:g}; "
                "nothing was written. Update onnx and onnxruntime, and try again."
            )
    progress(2, 2, "Done")
    return difference


def _libraries() -> tuple[Any, Any]:
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ExportError(
            f"An ONNX file needs the package {error.name}: python -m pip install onnx onnxruntime"
        ) from error
    return onnx, onnxruntime


def _model_proto(onnx: Any, checkpoint: Checkpoint, model: AlexNet) -> Any:
    """The whole file as a protobuf message, weights included."""
    size, classes = model.input_spec.image_size, model.num_classes
    nodes, arrays = _input_nodes(onnx, model)
    x = "input"
    for name, layer in model.named_children():
        weights = {f"{name}.{key}": value.detach().cpu().numpy() for key, value in layer.named_parameters()}
        node = _layer_node(onnx, name, layer, [x, *weights])
        if node is not None:
            nodes.append(node)
            arrays |= weights
            x = name
    nodes[-1].output[0] = "logits"
    nodes.append(onnx.helper.make_node("Softmax", ["logits"], ["probabilities"], "softmax", axis=1))
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "AlexNet",
        [tensor("pixels", onnx.TensorProto.UINT8, ["N", size, size, 3])],
        [tensor(name, onnx.TensorProto.FLOAT, ["N", classes]) for name in ("logits", "probabilities")],
    )
    proto = onnx.helper.make_model(
        graph,
        producer_name="AlexNet Live",
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        doc_string="AlexNet (Krizhevsky, Sutskever, Hinton 2012); pixels: uint8, N x S x S x 3, RGB, centre square.",
    )
    onnx.helper.set_model_props(proto, about(checkpoint))
    for name, array in arrays.items():  # put in place here: make_graph and make_model would copy 233 MB each
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        proto.graph.initializer.add(name=name, data_type=kind, dims=array.shape, raw_data=array.tobytes())
    return proto


def _input_nodes(onnx: Any, model: AlexNet) -> tuple[list[Any], dict[str, np.ndarray]]:
    """From pixels to "input", as core.model.normalize computes it, and the constants that this takes."""
    spec, node = model.input_spec, onnx.helper.make_node
    nodes = [
        node("Cast", ["pixels"], ["float"], "cast", to=onnx.TensorProto.FLOAT),
        node("Transpose", ["float"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
        node("Sub", ["planes", "mean"], ["centred"], "centre"),
        node("Div", ["centred", "std"], ["normalised"], "normalise"),
        node("Resize", ["normalised", "", "", "input_size"], ["input"], "stretch", mode="linear", axes=[2, 3]),
    ]
    return nodes, {
        "mean": np.array(spec.mean, dtype=np.float32).reshape(1, 3, 1, 1),
        "std": np.array(spec.std, dtype=np.float32).reshape(1, 3, 1, 1),
        "input_size": np.array([INPUT_SIZE, INPUT_SIZE], dtype=np.int64),
    }


def _layer_node(onnx: Any, name: str, layer: nn.Module, inputs: list[str]) -> Any:
    """The node of one layer; None for one that does nothing when a network is used."""

    def node(operator: str, **attributes: Any) -> Any:
        return onnx.helper.make_node(operator, inputs, [name], name, **attributes)

    match layer:
        case nn.Conv2d():
            return node("Conv", strides=list(layer.stride), pads=[*layer.padding, *layer.padding])
        case nn.Linear():
            return node("Gemm", transB=1)
        case nn.ReLU():
            return node("Relu")
        case LocalResponseNorm():
            return node("LRN", size=5, alpha=layer.alpha, beta=0.75, bias=2.0)
        case nn.MaxPool2d():
            return node("MaxPool", kernel_shape=[layer.kernel_size] * 2, strides=[layer.stride] * 2)
        case Flatten():
            return node("Flatten", axis=1)
        case Dropout():
            return None
    raise ExportError(f"{name} has no counterpart in ONNX here: it is a {type(layer).__name__}.")


def _difference(runtime: Any, path: Path, model: AlexNet, picture: Picture) -> float:
    """What export_onnx returns, over `picture` and random images."""
    size = model.input_spec.image_size
    noise = np.random.default_rng(0).integers(0, 256, (_RANDOM_IMAGES, size, size, 3), dtype=np.uint8)
    pixels = np.concatenate([to_square(picture, size)[None], noise])
    with torch.inference_mode():
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(next(model.parameters()).device)
        expected = model(normalize(batch, model.input_spec)).float().cpu()
    greatest = max(1.0, float(expected.abs().max()))
    settings = runtime.SessionOptions()
    settings.log_severity_level = 3  # errors only
    session = runtime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    logits, probabilities = session.run(["logits", "probabilities"], {"pixels": pixels})
    return max(
        float(np.abs(logits - expected.numpy()).max()) / greatest,
        float(np.abs(probabilities - expected.softmax(1).numpy()).max()),
    )
