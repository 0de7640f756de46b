"""core.model.winograd: values and gradients against the plain convolution in float64."""

from __future__ import annotations

import copy

import pytest
import torch

from core.model import winograd
from core.model.winograd import Conv2d

pytest.importorskip("numba")


@pytest.fixture(autouse=True)
def _avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU on which it is faster in either precision; the products are done as on the one that is here."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(winograd, "_has_matrix_units", lambda: False)


def layer(channels: int, features: int, kernel: int, padding: int) -> Conv2d:
    torch.manual_seed(kernel)
    return Conv2d(channels, features, kernel, padding).to(memory_format=torch.channels_last)


def values_and_gradients(conv: Conv2d, x: torch.Tensor) -> list[torch.Tensor]:
    """Of the output, and of its product with fixed random numbers: by the input, the weight and the bias."""
    x = x.detach().requires_grad_()
    y = conv(x)
    factors = torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return [y.detach(), *torch.autograd.grad(y, (x, conv.weight, conv.bias), factors.to(y.dtype))]


@pytest.mark.parametrize("block_windows", [1, 20, winograd._BLOCK_WINDOWS], ids="in blocks of {}".format)
@pytest.mark.parametrize(
    ("side", "channels", "features", "kernel", "padding"),
    [
        pytest.param(27, 16, 32, 5, 2, id="conv2"),
        pytest.param(21, 32, 16, 5, 2, id="conv2 at 179 pixels"),
        pytest.param(15, 16, 16, 5, 2, id="conv2 at 131 pixels"),
        pytest.param(13, 48, 32, 3, 1, id="conv3"),
        pytest.param(7, 32, 16, 3, 1, id="conv3 at 131 pixels"),
        pytest.param(10, 16, 16, 3, 0, id="no padding"),
        pytest.param(1, 16, 32, 3, 1, id="one pixel"),
        pytest.param(8, 16, 16, 5, 4, id="wide padding"),
    ],
)
def test_values_and_gradients_equal_the_plain_convolution(
    side: int,
    channels: int,
    features: int,
    kernel: int,
    padding: int,
    block_windows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(winograd, "_BLOCK_WINDOWS", block_windows)
    conv = layer(channels, features, kernel, padding)
    x = torch.randn(5, channels, side, side, generator=torch.Generator().manual_seed(1))
    found = values_and_gradients(conv, x)
    assert "_WinogradConv" in str(conv(x, biased=False).grad_fn)
    expected = values_and_gradients(copy.deepcopy(conv).double(), x.double())
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        assert float((one - other).norm() / other.norm()) < 3e-4


@pytest.mark.parametrize(("side", "kernel"), [(27, 5), (13, 3)])
def test_in_bfloat16_it_is_as_exact_as_the_plain_convolution(
    side: int, kernel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv = layer(32, 48, kernel, kernel // 2)
    x = torch.randn(5, 32, side, side, generator=torch.Generator().manual_seed(1)).bfloat16()
    exact = values_and_gradients(copy.deepcopy(conv).double(), x.double())
    with torch.autocast("cpu", torch.bfloat16):
        found = values_and_gradients(conv, x)
        monkeypatch.setattr(winograd, "_has_matrix_units", lambda: True)
        plain = values_and_gradients(conv, x)
    assert [each.dtype for each in found] == [each.dtype for each in plain]
    for one, other, right in zip(found, plain, exact, strict=True):
        assert float((one - right).norm()) < 1.1 * float((other - right).norm())


def test_the_same_twice_is_the_same_to_the_bit() -> None:
    conv, x = layer(32, 16, 3, 1), torch.randn(6, 32, 13, 13, generator=torch.Generator().manual_seed(1))
    for one, other in zip(values_and_gradients(conv, x), values_and_gradients(conv, x), strict=True):
        assert torch.equal(one, other)


def test_the_layout_of_the_input_does_not_matter_and_the_output_is_channels_last() -> None:
    conv, x = layer(16, 16, 5, 2), torch.randn(3, 16, 27, 27, generator=torch.Generator().manual_seed(1))
    y = conv(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(y, conv(x.contiguous(memory_format=torch.channels_last)))


def test_the_bias_may_be_left_to_the_caller() -> None:
    conv, x = layer(16, 16, 5, 2), torch.randn(3, 16, 27, 27, generator=torch.Generator().manual_seed(1))
    assert torch.equal(conv(x, biased=False) + conv.bias[:, None, None], conv(x))


def test_a_divergence_is_seen() -> None:
    conv, x = layer(16, 16, 3, 1), torch.randn(3, 16, 13, 13, generator=torch.Generator().manual_seed(1))
    x[0, 3, 6, 6] = torch.nan
    assert conv(x)[0, :, 6, 6].isnan().all()
    x[0, 3, 6, 6] = torch.inf
    y = conv(x)
    assert not y[0, :, 6, 6].isfinite().any()
    (gradient,) = torch.autograd.grad(conv(x.nan_to_num(0, 0)), conv.weight, torch.full_like(y, torch.nan))
    assert gradient.isnan().all()


@pytest.mark.parametrize(
    "case",
    [
        "evaluation",
        "float64",
        "no AVX2",
        "bfloat16 with AVX2",
        "matrix units",
        "no kernels",
        "not square",
        "no images",
        "odd channels",
    ],
)
def test_elsewhere_it_is_the_plain_convolution(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    conv, x = layer(16, 16, 3, 1), torch.randn(3, 16, 13, 13, generator=torch.Generator().manual_seed(1))
    conv.train(case != "evaluation")
    if case == "float64":
        conv, x = conv.double(), x.double()
    if case == "odd channels":
        conv, x = layer(15, 16, 3, 1), x[:, :15]
    if case == "not square":
        x = x[:, :, :9]
    if case == "no images":
        x = x[:0]
    if case in ("no AVX2", "bfloat16 with AVX2"):
        monkeypatch.setattr(
            torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT" if case == "no AVX2" else "AVX2"
        )
    if case == "matrix units":
        monkeypatch.setattr(winograd, "_has_matrix_units", lambda: True)
    if case == "no kernels":
        monkeypatch.setattr(winograd, "kernels_for", lambda layer, x: None)
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "bfloat16 with AVX2"):
        found, expected = conv(x), torch.nn.functional.conv2d(x, conv.weight, conv.bias, padding=1)
    assert torch.equal(found, expected)
    assert found.dtype == expected.dtype
