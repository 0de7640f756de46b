"""core.model.lrn: values and gradients against torch's own layer in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from core.model import local_response_norm

CHANNELS = (1, 2, 3, 5, 7, 96)  # also fewer than the window holds
LAYOUTS = (torch.contiguous_format, torch.channels_last)
# Largest relative error (norm) measured over all cases below: float32 9e-8, bfloat16 4.7e-3.
TOLERANCES = {torch.float32: 5e-7, torch.bfloat16: 1e-2}
SUM_TOLERANCES = {torch.float32: 5e-6, torch.bfloat16: 2e-2}  # of the bias's gradient, whose terms cancel out


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.detach().double() - expected.detach()).norm() / expected.detach().norm())


@pytest.mark.parametrize("layout", LAYOUTS, ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("rms", [0.2, 20, 100])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_values_and_gradients_equal_the_reference(
    dtype: torch.dtype, channels: int, rms: float, layout: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(channels)
    values = (torch.randn(2, channels, 9, 11, generator=generator) * rms).to(dtype).contiguous(memory_format=layout)
    gradient = torch.randn(2, channels, 9, 11, generator=generator).to(dtype)
    x, reference = values.clone().requires_grad_(), values.double().requires_grad_()
    found = local_response_norm(x)
    expected = functional.local_response_norm(reference, 5, alpha=1e-4, beta=0.75, k=2.0)
    found.backward(gradient)
    expected.backward(gradient.double())
    assert x.grad is not None
    assert reference.grad is not None
    assert (found.dtype, found.shape) == (dtype, values.shape)
    assert found.is_contiguous(memory_format=layout)
    assert relative_error(found, expected) < TOLERANCES[dtype]
    assert relative_error(x.grad, reference.grad) < TOLERANCES[dtype]
    assert torch.equal(x.detach(), values)  # the input is not written over


@pytest.mark.parametrize("rows", [7, 40])  # 40 x 40 pixels of 96 channels are shared out to all threads
@pytest.mark.parametrize("rms", [0.2, 20, 100])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_bias_and_relu_in_the_same_pass_equal_those_before(
    dtype: torch.dtype, channels: int, rms: float, rows: int
) -> None:
    generator = torch.Generator().manual_seed(channels)
    x, gradient = (torch.randn(2, 3, channels, rows, rows, generator=generator) * rms).to(dtype)
    bias = torch.randn(channels, generator=generator) * rms
    found_of, right_of = [x.clone().requires_grad_(), bias.clone().requires_grad_()], [x.double(), bias.double()]
    right_of = [value.requires_grad_() for value in right_of]
    found = local_response_norm(found_of[0], bias=found_of[1])
    rectified = (right_of[0] + right_of[1][:, None, None]).relu()
    expected = functional.local_response_norm(rectified, 5, alpha=1e-4, beta=0.75, k=2.0)
    found.backward(gradient)
    expected.backward(gradient.double())
    assert (found.dtype, found_of[1].grad.dtype) == (dtype, torch.float32)
    assert relative_error(found, expected) < TOLERANCES[dtype]
    for a, b, tolerance in zip(found_of, right_of, (TOLERANCES[dtype], SUM_TOLERANCES[dtype]), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert relative_error(a.grad, b.grad) < tolerance


def test_a_bias_of_another_type_or_length_is_added_by_torch() -> None:
    x = torch.ones(1, 8, 2, 2)
    expected = local_response_norm(x + 1)
    assert torch.equal(local_response_norm(x, bias=torch.ones(8, dtype=torch.bfloat16)), expected)
    assert torch.equal(local_response_norm(x, bias=torch.ones(1)), expected)
    with pytest.raises(RuntimeError, match="must match"):
        local_response_norm(x, bias=torch.ones(5))


def test_what_is_no_number_is_not_hidden_by_relu() -> None:
    x = torch.ones(1, 8, 2, 2)
    x[0, 3, 1, 1] = torch.nan
    found = local_response_norm(x, bias=torch.zeros(8))
    assert found[0, 1:6, 1, 1].isnan().all()
    assert int(found.isnan().sum()) == 5


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("constants", [{"alpha": 1.0, "k": 1.0}, {"alpha": 0.3, "k": 2.0}])
def test_other_windows_and_constants_equal_the_reference(size: int, constants: dict[str, float]) -> None:
    x = torch.randn(2, 6, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    found = local_response_norm(x, size, **constants)
    torch.testing.assert_close(found, functional.local_response_norm(x, size, beta=0.75, **constants))


@pytest.mark.parametrize("channels", [1, 3, 7])
@pytest.mark.parametrize("size", [2, 5])
def test_gradient_is_that_of_the_values(channels: int, size: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(1, channels, 2, 3, dtype=torch.float64, generator=generator) * 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: local_response_norm(x, size, alpha=0.5), (x,))


def test_zeros_stay_zeros_with_a_finite_gradient() -> None:
    x = torch.zeros(1, 8, 2, 2, requires_grad=True)
    found = local_response_norm(x)
    found.sum().backward()
    assert not found.any()
    torch.testing.assert_close(x.grad, torch.full_like(x, 2**-0.75))


def test_a_second_derivative_is_refused_and_not_wrong() -> None:
    x = torch.ones(1, 3, 2, 2, requires_grad=True)
    weights = torch.ones(1, 3, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad((local_response_norm(x) * weights).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
