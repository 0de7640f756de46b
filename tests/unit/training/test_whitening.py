"""core.training.whitening: conv1 begins with the patterns of the training images, the strong ones made quiet."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from core.config import make_config
from core.data.images import ImageSet
from core.data.shapes import make_shapes
from core.model.alexnet import InputSpec, normalize
from core.training.beginning import new_network
from core.training.whitening import whiten


def _images() -> ImageSet:
    images, _ = make_shapes(60, 10, seed=0)
    return images


def _conv(filters: int) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(3, filters, kernel_size=11, stride=4)


def test_outputs_are_uncorrelated_and_what_was_strong_has_variance_near_one() -> None:
    images, conv, spec = _images(), _conv(48), InputSpec()
    whiten(conv, images, spec)
    x = normalize(images.images, spec)
    y = functional.conv2d(x, conv.weight[:24].detach(), stride=8).transpose(0, 1).flatten(1).double()
    moments = y @ y.T / y.shape[1]
    variances = moments.diagonal()
    assert (moments - variances.diag()).abs().max() < 1e-3
    assert 0.9 < variances[0] <= 1
    assert (variances.diff() < 1e-6).all()
    before = functional.conv2d(x, _conv(24).weight.detach(), stride=8).transpose(0, 1).flatten(1).double()
    assert before.corrcoef().fill_diagonal_(0).abs().max() > 0.9  # the random ones say nearly the same


def test_filters_are_pairs_of_opposites_and_an_odd_one_is_left_as_it_was() -> None:
    conv, random = _conv(7), _conv(7)
    whiten(conv, _images(), InputSpec())
    weight = conv.weight.detach()
    torch.testing.assert_close(weight[:3], -weight[3:6])
    assert torch.equal(weight[6], random.weight[6])
    assert torch.equal(conv.bias, random.bias)  # type: ignore[arg-type]


def test_the_scale_of_the_input_does_not_matter() -> None:
    images, of_unit, of_standard = _images(), _conv(24), _conv(24)
    grey = InputSpec(32, (128.0,) * 3, (64.0,) * 3)
    whiten(of_standard, images, grey)
    whiten(of_unit, images, InputSpec(32, (128.0,) * 3, (640.0,) * 3))
    torch.testing.assert_close(of_unit.weight.abs(), 10 * of_standard.weight.abs(), rtol=1e-2, atol=1e-3)


def test_images_without_contrast_give_filters_all_the_same() -> None:
    black, conv = _images(), _conv(8)
    whiten(conv, replace(black, images=torch.zeros_like(black.images)), InputSpec(32, (0.0,) * 3, (1.0,) * 3))
    assert conv.weight.isfinite().all()


def test_a_network_begins_with_it_where_the_settings_say_so(narrow: None) -> None:
    images = _images()
    random, whitened, again = (
        new_network(make_config(whitening=wanted, seed=3), images).state_dict() for wanted in (False, True, True)
    )
    for name, value in whitened.items():
        assert torch.equal(value, random[name]) == (name != "conv1.weight"), name
        assert torch.equal(value, again[name]), name
