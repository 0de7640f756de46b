"""core.model.stretched_conv: the folded convolution against the plain one on stretched images, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from core.model import AlexNet
from core.model.stretched_conv import _blocked_conv, stretch, stretched_conv


def conv1(dtype: torch.dtype = torch.float64) -> nn.Conv2d:
    generator = torch.Generator().manual_seed(1)
    conv = nn.Conv2d(3, 8, kernel_size=11, stride=4).to(dtype)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return conv.to(memory_format=torch.channels_last)


def images(side: int, count: int = 3, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(2), dtype=dtype)


def is_folded(output: torch.Tensor) -> bool:
    return "Folded" in type(output.grad_fn).__name__


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("side", "size"), [(32, 227), (32, 179), (32, 131), (24, 227), (64, 227), (8, 67), (2, 227)])
def test_values_and_gradients_are_those_of_the_plain_convolution(side: int, size: int, count: int) -> None:
    conv, x = conv1(), images(side, count)
    found = stretched_conv(x, conv, size)
    assert is_folded(found)
    assert found.is_contiguous(memory_format=torch.channels_last)
    expected = functional.conv2d(stretch(x, size), conv.weight, conv.bias, stride=4)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    gradient = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for of in conv.parameters():
        a, b = (torch.autograd.grad(y, of, gradient, retain_graph=True)[0] for y in (found, expected))
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12 * float(b.abs().max()))


@pytest.mark.parametrize(("side", "size"), [(32, 227), (32, 179), (32, 131), (227, 227), (40, 228), (2, 67)])
@pytest.mark.parametrize(("kernel", "stride"), [(11, 4), (5, 2), (3, 5), (8, 4)])
def test_a_convolution_over_blocks_is_the_plain_one(side: int, size: int, kernel: int, stride: int) -> None:
    """What a GPU does."""
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(8, 3, kernel, kernel, dtype=torch.float64, generator=generator)
    conv, x = nn.Conv2d(3, 8, kernel, stride, dtype=torch.float64), images(side)
    conv.weight.data.copy_(weight)
    found = _blocked_conv(x, conv, conv.bias, size, torch.float64)
    expected = conv(stretch(x, size))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    gradient = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    for of in conv.parameters():
        a, b = (torch.autograd.grad(y, of, gradient, retain_graph=True)[0] for y in (found, expected))
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12 * float(b.abs().max()))
    without = _blocked_conv(x, conv, None, size, torch.float64)
    torch.testing.assert_close(without + conv.bias[:, None, None], found, rtol=0, atol=1e-12)


def test_the_bias_can_be_left_to_who_calls() -> None:
    conv, x = conv1(), images(32)
    assert conv.bias is not None
    without = stretched_conv(x, conv, 227, biased=False)
    torch.testing.assert_close(without + conv.bias[:, None, None], stretched_conv(x, conv, 227), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("side", "size"), [(32, 227), (32, 131)])
def test_float32_is_as_exact_as_the_plain_convolution(side: int, size: int) -> None:
    conv, x = conv1(), images(side)
    exact = functional.conv2d(stretch(x, size), conv.weight, conv.bias, stride=4).detach()
    found = stretched_conv(x.float(), conv1(torch.float32), size).detach()
    assert found.dtype == torch.float32
    assert float((found - exact).abs().max() / exact.abs().max()) < 1e-6


def test_bfloat16_under_autocast_stays_within_its_rounding() -> None:
    conv, x = conv1(torch.float32), images(32, dtype=torch.float32)
    exact = conv(stretch(x, 227))
    with torch.autocast("cpu", torch.bfloat16):
        found, plain = stretched_conv(x, conv, 227), conv(stretch(x, 227))
    assert found.dtype == torch.bfloat16
    errors = [float((y - exact).detach().norm() / exact.detach().norm()) for y in (found, plain)]
    assert errors[0] < 1.2 * errors[1] < 1e-2
    gradient = torch.ones_like(exact)
    for of in conv.parameters():
        a = torch.autograd.grad(found, of, gradient.bfloat16(), retain_graph=True)[0]
        b = torch.autograd.grad(exact, of, gradient, retain_graph=True)[0]
        assert a.dtype == torch.float32
        assert float((a - b).norm() / b.norm()) < 1e-2


@pytest.mark.parametrize("side", [227, 300, 150])
def test_images_that_are_hardly_stretched_take_the_plain_way(side: int) -> None:
    conv, x = conv1(), images(side, 1)
    found = stretched_conv(x, conv, 227)
    assert not is_folded(found)
    torch.testing.assert_close(found, conv(stretch(x, 227)), rtol=0, atol=1e-12)


def test_the_plain_way_rounds_the_stretched_image_only() -> None:
    conv, x = conv1(torch.float32), images(150, 1, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = stretched_conv(x, conv, 227)
        with torch.autocast("cpu", enabled=False):
            large = stretch(x, 227)
        assert torch.equal(found, conv(large.contiguous(memory_format=torch.channels_last)))


def test_any_layout_and_no_image_at_all() -> None:
    conv, x = conv1(), images(32)
    other = stretched_conv(x.contiguous(memory_format=torch.channels_last), conv, 227)
    assert torch.equal(other, stretched_conv(x, conv, 227))
    none = stretched_conv(x[:0], conv, 227)  # the share of one of several processes in a small last batch
    assert none.shape == (0, 8, 55, 55)
    none.sum().backward()  # type: ignore[no-untyped-call]
    assert conv.weight.grad is not None
    assert not conv.weight.grad.any()


def test_a_gradient_for_the_image_takes_the_plain_way() -> None:
    x = images(32).requires_grad_()
    found = stretched_conv(x, conv1(), 227)
    assert not is_folded(found)
    assert torch.autograd.grad(found.sum(), x)[0].shape == x.shape


def test_a_first_call_without_gradients_leaves_a_training_possible() -> None:
    conv, x = conv1(), images(20)
    with torch.inference_mode():
        first = stretched_conv(x, conv, 227)
    second = stretched_conv(x, conv, 227)
    assert torch.equal(first, second)
    second.sum().backward()  # type: ignore[no-untyped-call]
    assert conv.weight.grad is not None


def test_the_network_stretches_by_itself() -> None:
    model = AlexNet().eval()
    model.initialize(torch.Generator().manual_seed(0))
    x = images(32, 2, torch.float32)
    with torch.inference_mode():
        for size in (131, 227):
            expected = model(stretch(x, size))
            torch.testing.assert_close(model(x, size), expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
            layers = dict(model.activations(x, size))
            assert layers["conv1"].shape[-1] == (size - 11) // 4 + 1
