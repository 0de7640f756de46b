"""core.model.alexnet: names, shapes and outputs of the network, against a plain one written out by hand."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from core.data.images import CIFAR10_CLASSES
from core.model import CONV_LAYERS, AlexNet, InputSpec
from core.model.alexnet import normalize

SHAPES = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 96, 5, 5),
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 384, 3, 3),
    "conv5": (256, 384, 3, 3),
    "fc6": (4096, 9216),
    "fc7": (4096, 4096),
    "fc8": (10, 4096),
}


def plain_alexnet(weights: dict[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
    """The table of the paper in torch's own functions, and the rms of what enters the two LRN layers."""

    def conv(x: torch.Tensor, name: str, stride: int = 1, padding: int = 0) -> torch.Tensor:
        return functional.relu(
            functional.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride, padding)
        )

    def norm_and_pool(x: torch.Tensor) -> torch.Tensor:
        entering.append(float(x.pow(2).mean().sqrt()))
        return functional.max_pool2d(functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=2.0), 3, 2)

    entering: list[float] = []
    x = norm_and_pool(conv(x, "conv1", stride=4))
    x = norm_and_pool(conv(x, "conv2", padding=2))
    x = conv(conv(conv(x, "conv3", padding=1), "conv4", padding=1), "conv5", padding=1)
    x = functional.max_pool2d(x, 3, 2).reshape(len(x), -1)
    for name in ("fc6", "fc7"):
        x = functional.relu(x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"])
    return x @ weights["fc8.weight"].T + weights["fc8.bias"], entering


@pytest.fixture(scope="module")
def network() -> AlexNet:
    model = AlexNet().eval().requires_grad_(False)
    model.initialize(torch.Generator().manual_seed(0))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):  # zeros would hide a bias that is left out
            parameter.normal_(std=5.0, generator=torch.Generator().manual_seed(len(name)))
    return model


def test_the_state_dict_holds_the_named_layers_and_58_million_parameters(network: AlexNet) -> None:
    expected = {f"{name}.weight": shape for name, shape in SHAPES.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in SHAPES.items()}
    assert {name: tuple(value.shape) for name, value in network.state_dict().items()} == expected
    assert sum(p.numel() for p in network.parameters()) == 58_322_314


def test_the_layers_are_in_the_order_of_the_paper(network: AlexNet) -> None:
    assert [name for name, _ in network.named_children()] == [
        "conv1", "relu1", "lrn1", "pool1", "conv2", "relu2", "lrn2", "pool2", "conv3", "relu3", "conv4", "relu4",
        "conv5", "relu5", "pool5", "flatten", "dropout6", "fc6", "relu6", "dropout7", "fc7", "relu7", "fc8",
    ]  # fmt: skip
    assert tuple(name for name in SHAPES if name.startswith("conv")) == CONV_LAYERS


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_outputs_equal_a_plain_implementation_where_lrn_matters(network: AlexNet, layout: torch.memory_format) -> None:
    images = torch.randn(3, 3, 227, 227, generator=torch.Generator().manual_seed(1)) * 100
    weights = {name: value.double() for name, value in network.state_dict().items()}
    expected, entering = plain_alexnet(weights, images.double())
    assert all(30 < rms < 300 for rms in entering)
    found = network(images.contiguous(memory_format=layout)).double()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert float((found - expected).norm() / expected.norm()) < 1e-5


def test_lrn_is_seen_in_the_outputs(network: AlexNet) -> None:
    """The check above means nothing if a network without LRN passes it too."""
    images = torch.randn(1, 3, 227, 227, generator=torch.Generator().manual_seed(1)) * 100
    network.lrn1.forward = lambda x: x / 2**0.75
    try:
        changed = network(images)
    finally:
        del network.lrn1.forward
    expected = network(images)
    assert float((changed - expected).norm() / expected.norm()) > 0.1


def test_lrn_alpha_for_small_inputs_is_the_papers_for_large_ones() -> None:
    """The same LRN for values divided by s, with alpha times s squared; a network's twin has it too."""
    x = torch.randn(2, 96, 5, 5, generator=torch.Generator().manual_seed(1)).relu() * 100
    with torch.device("meta"):
        paper, small = AlexNet(), AlexNet(lrn_alpha=1e-4 * 100**2)
    for lrn in (small.lrn1, small.lrn2, small.without_weights().lrn1):
        torch.testing.assert_close(lrn(x / 100) * 100, paper.lrn1(x))
    assert float((paper.lrn1(x) / (x / 2**0.75)).nan_to_num(1).min()) < 0.9


def test_three_classes() -> None:
    model = AlexNet(num_classes=3, class_names=("ant", "bee", "cat")).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 227, 227)).shape == (2, 3)
    assert (model.num_classes, model.class_names) == (3, ("ant", "bee", "cat"))
    assert sum(p.numel() for p in model.parameters()) == 58_322_314 - 7 * 4097


def test_names_of_classes_default_and_must_fit_their_number() -> None:
    with torch.device("meta"):
        assert AlexNet().class_names == CIFAR10_CLASSES
        assert AlexNet(2).class_names == ("class 0", "class 1")
        with pytest.raises(ValueError, match="3 classes need as many names, got 2"):
            AlexNet(3, class_names=("a", "b"))


def test_activations_are_the_forward_pass(network: AlexNet) -> None:
    images = torch.randn(1, 3, 227, 227, generator=torch.Generator().manual_seed(2))
    layers = list(network.activations(images))
    assert [name for name, _ in layers] == [name for name, _ in network.named_children()]
    assert torch.equal(layers[-1][1], network(images))


def test_fresh_weights_follow_he_and_the_seed() -> None:
    model = AlexNet()
    model.initialize(torch.Generator().manual_seed(4))
    for name, shape in SHAPES.items():
        weight = model.get_parameter(f"{name}.weight").detach()
        fan_in = weight[0].numel()
        expected = 0.01 if name == "fc8" else (2 / fan_in) ** 0.5
        assert float(weight.std()) == pytest.approx(expected, rel=0.02), shape
        assert abs(float(weight.mean())) < expected * 0.02
        assert not model.get_parameter(f"{name}.bias").any()
    first = model.fc8.weight.clone()
    model.initialize(torch.Generator().manual_seed(4))
    assert torch.equal(model.fc8.weight, first)
    model.initialize(torch.Generator().manual_seed(5))
    assert not torch.equal(model.fc8.weight, first)


def test_dropout_drops_its_share_keeps_the_mean_and_uses_its_own_generator() -> None:
    with torch.device("meta"):
        model = AlexNet(dropout=0.25)
    layer = model.dropout6
    ones = torch.ones(100, 1000)
    outputs = []
    for _ in range(2):
        model.use_generator(torch.Generator().manual_seed(7))
        torch.rand(5)  # somebody else draws from the global generator
        outputs.append(layer(ones))
    assert torch.equal(*outputs)
    assert float((outputs[0] == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert outputs[0].unique().tolist() == [0, pytest.approx(1 / 0.75)]
    assert not torch.equal(model.dropout7(ones), outputs[0])  # the generator has moved on
    model.set_dropout(0)
    assert layer(ones) is ones
    model.set_dropout(0.5)
    assert layer.eval()(ones) is ones


@pytest.mark.parametrize("size", [227, 131])
def test_the_way_with_fewer_passes_is_the_same_network(size: int) -> None:
    model = AlexNet(dropout=0.0).double()
    model.initialize(torch.Generator().manual_seed(0))
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(len(parameter)))
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found, plain = model(x, size), model.eval()(x, size)
    torch.testing.assert_close(found, plain)
    both = [torch.autograd.grad(logits.square().sum(), list(model.parameters())) for logits in (found, plain)]
    for a, b in zip(*both, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("capability", "most"), [("AVX2", 5e-2), ("DEFAULT", 1e-5)])
@pytest.mark.parametrize("size", [227, 131])
def test_the_kernels_of_the_way_with_fewer_passes_as_well(
    size: int, capability: str, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Winograd's, which AVX2 stands for, moves a sixth digit: that decides here and there which value a pooling takes,
    or which unit a ReLU lets through, and so moves the gradients below by some per cent; not those of fc8, above all.
    """
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    model = AlexNet(dropout=0.0, lrn_alpha=3.0).to(memory_format=torch.channels_last)
    model.initialize(torch.Generator().manual_seed(0))
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found, plain = model(x, size), model.eval()(x, size)
    torch.testing.assert_close(found, plain, rtol=1e-4, atol=1e-5)
    names, parameters = zip(*model.named_parameters(), strict=True)
    both = [torch.autograd.grad(logits.square().sum(), parameters) for logits in (found, plain)]
    errors = {name: float((a - b).norm() / b.norm()) for name, a, b in zip(names, *both, strict=True)}
    assert max(errors.values()) < most
    assert max(errors["fc8.weight"], errors["fc8.bias"]) < min(most, 2e-4)


@pytest.mark.parametrize("side", [8, 32, 64, 227, 300])
@pytest.mark.parametrize("spec", [InputSpec(), InputSpec(32, (0.0,) * 3, (255.0,) * 3)], ids=["standard", "unit"])
def test_normalize_equals_interpolate(side: int, spec: InputSpec) -> None:
    pixels = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    expected = functional.interpolate((pixels.double() - mean) / std, (227, 227), mode="bilinear", align_corners=False)
    kept = pixels.clone()
    found = normalize(pixels, spec)
    assert found.dtype == torch.float32
    # The positions of the weights are float32: half a unit in the last place of 300 pixels, times a pixel's contrast.
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-4)
    assert torch.equal(pixels, kept)
    torch.testing.assert_close(normalize(pixels.float(), spec), found, rtol=0, atol=1e-6)
