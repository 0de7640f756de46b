"""core.model.pool: values and gradients against torch's own layer."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from core.model.pool import max_pool

SIDES = ((3, 8), (4, 8), (5, 3), (6, 16), (13, 256), (55, 96))  # pixels, channels


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize(("side", "channels"), SIDES)
def test_values_and_gradients_equal_the_reference(
    dtype: torch.dtype, side: int, channels: int, layout: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(side)
    x = torch.randn(5, channels, side, side + 1, generator=generator).to(dtype).contiguous(memory_format=layout)
    found_of, right_of = x.clone().requires_grad_(), x.double().requires_grad_()
    found, expected = max_pool(found_of), functional.max_pool2d(right_of, 3, 2)
    assert (found.dtype, found.shape) == (dtype, expected.shape)
    assert torch.equal(found.double(), expected)
    gradient = torch.randint(-9, 9, expected.shape, generator=generator)  # whose sums bfloat16 holds exactly
    found.backward(gradient.to(dtype))
    expected.backward(gradient.double())
    assert found_of.grad is not None
    assert right_of.grad is not None
    torch.testing.assert_close(found_of.grad.double(), right_of.grad, rtol=0, atol=0)  # also where values are equal


def test_what_is_no_number_wins() -> None:
    x = torch.ones(1, 2, 5, 5)
    x[0, 0, 2, 2] = torch.nan
    found = max_pool(x)
    assert found[0, 0].isnan().all()
    assert not found[0, 1].isnan().any()


def test_images_without_a_window_are_refused_as_by_torch() -> None:
    with pytest.raises(RuntimeError, match="too small"):
        max_pool(torch.ones(1, 1, 2, 2))
