"""What a snapshot says of the numbers in each layer is what plain arithmetic says of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.data.images import ImageSet
from core.data.shapes import make_shapes
from core.model import AlexNet
from core.model.alexnet import normalize
from core.runs.layer_statistics import KINDS, LAYERS, QUANTILES, RELU_LAYERS, LayerStatistics, stacked
from core.training.layer_statistics import measure_layers


@pytest.fixture(scope="module")
def images() -> ImageSet:
    return make_shapes(20, 10, seed=3)[0].select(torch.arange(4))


@pytest.fixture
def model() -> AlexNet:
    network = AlexNet()
    network.initialize(torch.Generator().manual_seed(1))
    with torch.no_grad():
        network.conv2.bias[:40] = -30  # dead channels
        network.fc6.bias[:1000] = -30
    return network.train()


def test_it_is_what_plain_arithmetic_says(model: AlexNet, images: ImageSet) -> None:
    found = measure_layers(model, images, torch.float32)
    model.eval()
    outputs = dict(model.activations(normalize(images.images, model.input_spec)))
    functional.cross_entropy(outputs["fc8"], images.labels).backward()
    for i, layer in enumerate(LAYERS):
        weight = model.get_parameter(f"{layer}.weight")
        for kind, values in zip(KINDS, (weight, weight.grad, outputs[layer]), strict=True):
            plain = values.detach().numpy().ravel().astype(np.float64)
            rms = np.sqrt(np.square(plain).mean())
            kept = found.quantiles[KINDS.index(kind), i]
            assert found.rms[KINDS.index(kind), i] == pytest.approx(rms, rel=1e-5), (layer, kind)
            if len(plain) > 2e6:  # sorting takes a while, and tells no more than the others do
                continue
            below, up_to = ((compare(plain[:, None], kept)).mean(0) for compare in (np.less, np.less_equal))
            near = 1 / len(plain) if len(plain) <= 1 << 16 else 8e-3  # of many from a sample
            assert (below <= np.array(QUANTILES) + near).all(), (layer, kind)
            assert (up_to >= np.array(QUANTILES) - near).all(), (layer, kind)
    for i, layer in enumerate(RELU_LAYERS):
        zero = (outputs[layer] <= 0).numpy()
        assert found.zeros[i] == pytest.approx(zero.mean(), abs=1e-6)
        assert found.silent[i] == pytest.approx(zero.all((0, *range(2, zero.ndim))).mean(), abs=1e-6)
    assert found.silent[1] == pytest.approx(40 / 256, abs=0.02)
    assert found.silent[5] > 1000 / 4096


def test_it_changes_nothing_that_a_training_depends_on(model: AlexNet, images: ImageSet) -> None:
    generator = torch.Generator().manual_seed(7)
    model.use_generator(generator)
    before = generator.get_state(), torch.get_rng_state(), {n: p.clone() for n, p in model.state_dict().items()}
    first, second = (measure_layers(model, images, torch.float32) for _ in range(2))
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(second, name))
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(generator.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])
    assert all(torch.equal(value, before[2][name]) for name, value in model.state_dict().items())


def test_bfloat16_says_about_the_same(model: AlexNet, images: ImageSet) -> None:
    exact, rough = (measure_layers(model, images, precision) for precision in (torch.float32, torch.bfloat16))
    np.testing.assert_allclose(rough.rms, exact.rms, rtol=0.1)
    np.testing.assert_allclose(rough.zeros, exact.zeros, atol=0.02)


def test_how_far_the_weights_moved(model: AlexNet, images: ImageSet) -> None:
    first = measure_layers(model, images, torch.float32)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        noise = torch.randn(model.fc7.weight.shape, generator=generator) * model.fc7.weight.std()
        model.fc7.weight += 0.5 * noise
        model.conv1.weight *= 3
    moved = stacked([first, measure_layers(model, images, torch.float32)]).moved
    assert moved.shape == (2, len(LAYERS))
    assert not moved[0].any()
    expected = dict.fromkeys(LAYERS, 0.0) | {"conv1": 2.0, "fc7": 0.5}
    np.testing.assert_allclose(moved[1], [expected[layer] for layer in LAYERS], atol=0.03)


def test_several_moments_get_a_leading_axis(model: AlexNet, images: ImageSet) -> None:
    one = measure_layers(model, images, torch.float32)
    other = replace(one, zeros=one.zeros + 1)
    both = stacked([one, other])
    assert isinstance(both, LayerStatistics)
    assert both.quantiles.shape == (2, len(KINDS), len(LAYERS), len(QUANTILES))
    np.testing.assert_array_equal(both.zeros, [one.zeros, other.zeros])
