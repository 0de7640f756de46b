"""core.training.muon: what is made orthogonal, how far a kernel moves, and that the rest is AdamW."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from core.training.muon import Muon, orthogonal


def matrix(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(4, 4), (8, 100), (96, 363)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int], scale: float) -> None:
    given = scale * matrix(*shape)
    found = orthogonal(given)
    assert found.shape == shape
    assert found.dtype == torch.float32
    singular = torch.linalg.svdvals(found)
    u, values, v = torch.linalg.svd(given, full_matrices=False)
    strong = values > values[0] / 50  # what is nearly nothing takes more turns
    assert float(singular.max()) < 1.25
    assert float(singular[strong].min()) > 0.6
    in_its_basis = u.T @ found @ v.T
    assert float((in_its_basis - torch.diag(in_its_basis.diagonal())).abs().max()) < 1e-3


def test_bfloat16_agrees_with_float32() -> None:
    given = matrix(32, 200)
    found = orthogonal(given.bfloat16())
    assert found.dtype == torch.bfloat16
    assert float((found.float() - orthogonal(given)).norm() / orthogonal(given).norm()) < 0.05


def test_no_gradient_at_all_moves_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(3, 5)), torch.zeros(3, 5))


def network() -> nn.Sequential:
    torch.manual_seed(0)
    parts = nn.Sequential(nn.Conv2d(3, 8, 5), nn.Flatten(), nn.Linear(8, 4))
    return parts.to(memory_format=torch.channels_last)


def set_gradients(parts: nn.Module, seed: int = 3) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parts.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("rate", [0.01, torch.tensor(0.01)])
def test_a_step_of_a_kernel_by_hand(rate: float | torch.Tensor) -> None:
    parts = network()
    kernel = parts[0].weight
    before = kernel.detach().clone()
    optimizer = Muon([{"params": [kernel]}], dtype=torch.float32, lr=rate, weight_decay=0.5)
    momentum = torch.zeros_like(before)
    for seed in range(2):
        set_gradients(parts, seed)
        gradient = kernel.grad.clone()
        optimizer.step()
        momentum = 0.95 * momentum + 0.05 * gradient
        ahead = (0.05 * gradient + 0.95 * momentum).flatten(1)  # the order of the columns doesn't matter
        before = before * (1 - 0.01 * 0.5) - 0.01 * 0.4 * 75**0.5 * orthogonal(ahead).view(before.shape)
        torch.testing.assert_close(kernel.detach(), before, rtol=0, atol=1e-6)
    assert set(optimizer.state[kernel]) == {"momentum", "step"}


def test_its_state_travels_like_that_of_any_optimizer() -> None:
    parts = network()
    settings = {"dtype": torch.float32, "lr": 0.01, "fused": True}
    first = Muon([{"params": list(parts.parameters())}], **settings)
    set_gradients(parts)
    first.step()
    again = copy.deepcopy(parts)
    second = Muon([{"params": list(again.parameters())}], **settings)
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # else they would share the moments
    for optimizer, net in ((first, parts), (second, again)):
        set_gradients(net, seed=4)
        optimizer.step()
    assert all(map(torch.equal, parts.parameters(), again.parameters()))


def test_a_step_is_as_long_for_every_shape() -> None:
    for shape in [(8, 3, 5, 5), (16, 16, 3, 3), (32, 2, 7, 7)]:
        kernel = nn.Parameter(torch.zeros(shape))
        kernel.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        Muon([{"params": [kernel]}], dtype=torch.float32, lr=0.01, weight_decay=0).step()
        change = float(kernel.detach().square().mean().sqrt())
        assert change == pytest.approx(0.4 * 0.01, rel=0.25), shape


def test_vectors_and_matrices_move_as_with_adamw() -> None:
    ours, theirs = network(), network()
    settings = {"lr": 0.01, "weight_decay": 0.1, "betas": (0.9, 0.98), "fused": True}
    muon = Muon([{"params": list(ours.parameters())}], dtype=torch.float32, **settings)
    adamw = torch.optim.AdamW(theirs.parameters(), **settings)
    for seed in range(3):
        for parts in (ours, theirs):
            set_gradients(parts, seed)
        muon.step()
        adamw.step()
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert torch.equal(a, b) == (name != "0.weight")


def test_a_parameter_without_a_gradient_stays() -> None:
    parts = network()
    kept = copy.deepcopy(parts.state_dict())
    Muon([{"params": list(parts.parameters())}], dtype=torch.float32, lr=0.1).step()
    assert all(torch.equal(value, kept[name]) for name, value in parts.state_dict().items())
