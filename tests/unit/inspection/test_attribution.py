"""core.inspection.attribution: the papers' formulas worked out by hand, Captum called by hand, nothing left behind."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, LayerAttribution, LayerGradCam, Occlusion, Saliency
from torch import nn
from torch.nn import functional

from core.data.prepare import to_batch
from core.errors import ImageError, InspectionError
from core.inspection.attribution import METHODS, SQUARE, STRIDE, Attribution, Method, attribute
from core.model import AlexNet
from core.model.alexnet import normalize

PICTURE = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
TARGET = 4


@pytest.fixture(scope="module")
def model() -> AlexNet:
    model = AlexNet().eval().requires_grad_(False)
    model.initialize(torch.Generator().manual_seed(0))
    model.fc8.weight.mul_(20)  # scores that differ
    return model


@pytest.fixture
def x(model: AlexNet) -> torch.Tensor:
    x = normalize(to_batch([PICTURE], model.input_spec.image_size), model.input_spec)
    return x.contiguous(memory_format=torch.channels_last)  # another layout adds up in another order


@dataclass(frozen=True)
class Explained:
    """An attribution, and what was told while it was computed."""

    attribution: Attribution
    told: list[tuple[int, int]]


def explain(model: AlexNet, method: Method) -> Explained:
    told: list[tuple[int, int]] = []
    found = attribute(model, PICTURE, method, TARGET, lambda done, total, _message: told.append((done, total)))
    return Explained(found, told)


@pytest.fixture(scope="module")
def explained(model: AlexNet) -> dict[Method, Explained]:
    return {method: explain(model, method) for method in METHODS}


def score(model: AlexNet, x: torch.Tensor, target: int = TARGET) -> torch.Tensor:
    return model(x)[:, target]


def test_grad_cam_is_the_sum_of_the_maps_weighted_by_their_mean_gradient(
    model: AlexNet, x: torch.Tensor, explained: dict[Method, Explained]
) -> None:
    maps = dict(model.activations(x))["relu5"].requires_grad_()
    y = maps
    for layer in list(model.children())[list(dict(model.named_children())).index("pool5") :]:
        y = layer(y)
    (gradient,) = torch.autograd.grad(y[0, TARGET], maps)
    coarse = (gradient.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
    expected = functional.interpolate(coarse, (227, 227), mode="bilinear", align_corners=False)[0, 0].detach().numpy()
    found = explained["grad-cam"].attribution
    assert expected.max() > 0
    assert not found.is_signed
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_saliency_is_the_largest_gradient_over_the_colours(
    model: AlexNet, x: torch.Tensor, explained: dict[Method, Explained]
) -> None:
    (gradient,) = torch.autograd.grad(score(model, x.requires_grad_()).sum(), x)
    found = explained["saliency"].attribution
    assert not found.is_signed
    np.testing.assert_array_equal(found.values, gradient[0].abs().amax(0).numpy())


def test_integrated_gradients_add_up_to_the_rise_of_the_score(
    model: AlexNet, x: torch.Tensor, explained: dict[Method, Explained]
) -> None:
    found = explained["integrated-gradients"].attribution
    rise = float((score(model, x) - score(model, torch.zeros_like(x)))[0])
    assert found.gap is not None
    assert found.values.sum() - rise == pytest.approx(found.gap, abs=1e-3 * abs(rise))
    assert abs(found.gap) < 0.05 * abs(rise)
    assert found.is_signed


def test_occlusion_is_what_covering_a_square_costs(
    model: AlexNet, x: torch.Tensor, explained: dict[Method, Explained]
) -> None:
    def places(pixel: int) -> list[int]:
        return [place for place in range(15) if place * STRIDE <= pixel < place * STRIDE + SQUARE]

    assert 14 * STRIDE + SQUARE == 227
    values = explained["occlusion"].attribution.values
    for row, column in ((0, 0), (226, 226), (100, 100), (15, 3), (226, 113)):
        corners = [(r * STRIDE, c * STRIDE) for r in places(row) for c in places(column)]
        covered = x.repeat(len(corners), 1, 1, 1)
        for picture, (top, left) in zip(covered, corners, strict=True):
            picture[:, top : top + SQUARE, left : left + SQUARE] = 0
        costs = score(model, x) - score(model, covered)
        assert values[row, column] == pytest.approx(float(costs.mean()), rel=1e-3, abs=1e-4), (row, column)


def by_hand(model: AlexNet, x: torch.Tensor, method: Method) -> torch.Tensor:
    """As Captum's documentation calls it."""
    if method == "grad-cam":
        maps = LayerGradCam(model, model.relu5).attribute(x.requires_grad_(), target=TARGET, relu_attributions=True)
        return LayerAttribution.interpolate(maps, (227, 227), interpolate_mode="bilinear")[0, 0]
    if method == "saliency":
        return Saliency(model).attribute(x.requires_grad_(), target=TARGET)[0].amax(0)
    if method == "integrated-gradients":
        return IntegratedGradients(model).attribute(x, target=TARGET, n_steps=32, internal_batch_size=16)[0].sum(0)
    return Occlusion(model).attribute(
        x, (3, SQUARE, SQUARE), strides=(3, STRIDE, STRIDE), target=TARGET, perturbations_per_eval=45
    )[0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_the_values_are_captums(
    model: AlexNet, x: torch.Tensor, explained: dict[Method, Explained], method: Method
) -> None:
    found = explained[method].attribution
    assert (found.method, found.target) == (method, TARGET)
    assert (found.values.dtype, found.values.shape) == (np.float32, (227, 227))
    expected = by_hand(model, x, method).detach().numpy()
    rounding = 1e-4 if method == "occlusion" else 1e-6  # its values are differences of scores that are much larger
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=rounding * np.abs(expected).max())


@pytest.mark.parametrize("method", METHODS[:2])
def test_another_class_has_another_explanation(model: AlexNet, method: Method) -> None:
    one, other = (attribute(model, PICTURE, method, target).values for target in (TARGET, 7))
    assert not np.allclose(one, other)


def test_the_slow_ones_work_in_batches_and_tell_their_progress(explained: dict[Method, Explained]) -> None:
    assert explained["occlusion"].told == [(done, 225) for done in (45, 90, 135, 180, 225)]
    assert explained["integrated-gradients"].told == [(16, 32), (32, 32)]
    assert explained["grad-cam"].told == explained["saliency"].told == []


def test_what_the_progress_raises_ends_the_work(model: AlexNet) -> None:
    def leave(done: int, total: int, message: str) -> None:
        assert done < total
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attribute(model, PICTURE, "integrated-gradients", TARGET, leave)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("in_use_by_a_training", [False, True])
def test_the_network_is_left_as_it_was(
    method: Method, in_use_by_a_training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"_STEPS": 2, "SQUARE": 127, "STRIDE": 100, "_PLACES": 4}.items():  # quick
        monkeypatch.setattr(f"core.inspection.attribution.{name}", value)
    model = AlexNet(3).train(in_use_by_a_training).requires_grad_(in_use_by_a_training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = attribute(model, PICTURE, method, 1)
    assert all(module.training is in_use_by_a_training for module in model.modules())
    assert not any(module._forward_hooks or module._backward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks or module._backward_pre_hooks for module in model.modules())
    assert all(parameter.requires_grad is in_use_by_a_training for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    np.testing.assert_array_equal(attribute(model, PICTURE, method, 1).values, first.values)  # without dropout


def test_sessions_that_share_a_network_do_not_mix(model: AlexNet) -> None:
    pictures = [np.roll(PICTURE, 10 * shift, axis=1) for shift in range(4)]
    expected = [attribute(model, picture, "grad-cam", TARGET).values for picture in pictures]
    found: dict[int, list[np.ndarray]] = {index: [] for index in range(4)}
    barrier = threading.Barrier(4)

    def session(index: int) -> None:
        barrier.wait()
        found[index] = [attribute(model, pictures[index], "grad-cam", TARGET).values for _ in range(3)]

    threads = [threading.Thread(target=session, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index in range(4):
        assert len(found[index]) == 3
        for values in found[index]:
            np.testing.assert_allclose(values, expected[index], rtol=1e-4, atol=1e-6)
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("target", [-1, 10])
def test_a_class_that_is_not_there_is_refused(model: AlexNet, target: int) -> None:
    with pytest.raises(InspectionError, match=f"classes 0 to 9, got {target}"):
        attribute(model, PICTURE, "saliency", target)


def test_a_method_that_is_not_there_is_refused(model: AlexNet) -> None:
    with pytest.raises(InspectionError, match="no attribution method 'lime': choose one of grad-cam, saliency"):
        attribute(model, PICTURE, "lime", TARGET)  # type: ignore[arg-type]


def test_an_array_that_is_no_image_is_refused(model: AlexNet) -> None:
    with pytest.raises(ImageError, match="uint8"):
        attribute(model, PICTURE.astype(np.float32), "saliency", TARGET)


def test_without_captum_it_is_said_what_to_install(model: AlexNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(InspectionError, match="pip install captum"):
        attribute(model, PICTURE, "saliency", TARGET)


def test_a_grad_cam_where_nothing_speaks_for_the_class_is_all_0() -> None:
    model = AlexNet(2).eval().requires_grad_(False)
    nn.init.zeros_(model.fc8.weight)
    values = attribute(model, PICTURE, "grad-cam", 0).values
    np.testing.assert_array_equal(values, np.zeros((227, 227), np.float32))
