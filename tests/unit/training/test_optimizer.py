"""core.training.optimizer: schedules at their ends and between, weight decay, and a state that comes back."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from core.config import make_config
from core.model import AlexNet
from core.training.muon import Muon
from core.training.optimizer import (
    learning_rate,
    make_optimizer,
    optimizer_tensors,
    restore_optimizer,
    set_learning_rate,
)

STEPS = 100


def rates(**settings: object) -> list[float]:
    config = make_config(learning_rate=0.5, **settings)
    return [learning_rate(config, step, STEPS) for step in range(STEPS)]


def test_constant_is_constant() -> None:
    assert set(rates(schedule="constant", warmup=0.3)) == {0.5}


@pytest.mark.parametrize("schedule", ["onecycle", "cosine"])
@pytest.mark.parametrize("warmup", [0.0, 0.01, 0.2, 0.99])
def test_warm_up_rises_in_a_line_then_the_rate_falls_to_nearly_nothing(schedule: str, warmup: float) -> None:
    found = rates(schedule=schedule, warmup=warmup)
    peak = found.index(max(found))
    assert found[peak] == pytest.approx(0.5, rel=0.02)
    assert peak == max(round(warmup * STEPS) - 1, 0) or found[peak] == pytest.approx(found[round(warmup * STEPS) - 1])
    assert all(early < late for early, late in itertools.pairwise(found[: peak + 1]))
    assert all(early >= late for early, late in itertools.pairwise(found[peak:]))
    assert min(found) > 0
    if warmup < 0.5:
        assert found[-1] < 0.5 * 0.02
    for step in range(peak):
        assert found[step] == pytest.approx(0.5 * (step + 1) / (warmup * STEPS))


def test_onecycle_falls_in_a_line_and_cosine_along_a_cosine() -> None:
    line, cosine = rates(schedule="onecycle", warmup=0.2), rates(schedule="cosine", warmup=0.2)
    assert line[60] == pytest.approx(0.25)
    assert cosine[60] == pytest.approx(0.25)
    assert line[40] == pytest.approx(0.5 * 0.75)
    assert cosine[40] == pytest.approx(0.25 * (1 + math.cos(math.pi * 0.25)))


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "constant"])
@pytest.mark.parametrize("num_steps", [1, 2, 3])
def test_the_shortest_trainings_have_a_rate(schedule: str, num_steps: int) -> None:
    config = make_config(learning_rate=0.5, schedule=schedule)
    assert all(0 < learning_rate(config, step, num_steps) <= 0.5 for step in range(num_steps))


@pytest.mark.parametrize("name", ["adam", "adamw", "muon", "sgd"])
def test_weight_decay_is_on_matrices_and_kernels_only(name: str) -> None:
    with torch.device("meta"):
        model = AlexNet()
    optimizer = make_optimizer(model, make_config(optimizer=name, weight_decay=0.125), torch.float32)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for parameter_name, parameter in model.named_parameters():
        assert decay[id(parameter)] == (0.125 if parameter_name.endswith("weight") else 0)
    assert len(decay) == 16
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "muon": Muon, "sgd": torch.optim.SGD}
    assert type(optimizer) is kinds[name]


def test_the_rate_is_set_for_all_weights() -> None:
    optimizer = make_optimizer(nn.Linear(2, 2), make_config(), torch.float32)
    set_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def small_network() -> nn.Sequential:
    """Two layers with the layouts of the real ones; the functions under test ask for parameters only."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    return network.to(memory_format=torch.channels_last)


def steps(network: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> None:
    for seed in seeds:
        x = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        network(x).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("name", ["adam", "adamw", "muon", "sgd"])
@pytest.mark.parametrize("restored", [True, False])
def test_a_restored_optimizer_goes_on_as_if_never_stopped(name: str, restored: bool) -> None:
    config = make_config(optimizer=name, learning_rate=0.01)
    whole = small_network()
    optimizer = make_optimizer(whole, config, torch.float32)
    steps(whole, optimizer, range(3))
    tensors = {key: value.clone() for key, value in optimizer_tensors(whole, optimizer).items()}
    again = small_network()
    again.load_state_dict(whole.state_dict())
    second = make_optimizer(again, config, torch.float32)
    if restored:
        restore_optimizer(again, second, tensors)
        for parameter, other in zip(whole.parameters(), again.parameters(), strict=True):
            for key, value in optimizer.state[parameter].items():
                assert torch.equal(value, second.state[other][key])
                assert value.stride() == second.state[other][key].stride()
    steps(whole, optimizer, range(3, 6))
    steps(again, second, range(3, 6))
    same = [torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True)]
    assert all(same) if restored else not any(same)


def test_names_tell_the_parameter_and_the_moment() -> None:
    network = small_network()
    optimizer = make_optimizer(network, make_config(), torch.float32)
    assert optimizer_tensors(network, optimizer) == {}
    steps(network, optimizer, range(1))
    found = optimizer_tensors(network, optimizer)
    assert set(found) == {
        f"{name}/{key}" for name, _ in network.named_parameters() for key in ("exp_avg", "exp_avg_sq", "step")
    }
    assert found["0.weight/exp_avg"].shape == (4, 3, 3, 3)
