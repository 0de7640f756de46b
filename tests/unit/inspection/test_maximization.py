"""core.inspection.maximization: the goal rises far above noise and other pictures, and looking changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import InspectionError, StopRequested
from core.inspection.feature_maps import feature_maps
from core.inspection.maximization import Channel, Class, Goal, maximize, response
from core.model import AlexNet, InputSpec
from core.prediction import predict

GOALS = {Channel("conv1", 5): 40, Channel("conv3", 7): 12, Class(4): 12}  # and steps enough


@pytest.fixture(scope="module")
def model() -> AlexNet:
    model = AlexNet().eval()  # its weights want gradients: none may be left behind
    model.initialize(torch.Generator().manual_seed(0))
    return model


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Patches of random colours."""
    colours = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 3), dtype=np.uint8)
    return colours.repeat(8, 1).repeat(8, 2)


@pytest.mark.parametrize(("goal", "steps"), GOALS.items(), ids=str)
def test_the_goal_rises_far_above_the_start_and_other_pictures(
    model: AlexNet, pictures: np.ndarray, goal: Goal, steps: int
) -> None:
    heard: list[tuple[int, int]] = []
    seen: list[np.ndarray] = []

    def on_step(done: int, total: int, picture: np.ndarray) -> None:
        heard.append((done, total))
        seen.append(picture)

    found = maximize(model, goal, on_step, steps=steps)
    assert (found.dtype, found.shape) == (np.uint8, (227, 227, 3))
    assert heard == [(done, steps) for done in range(1, steps + 1)]
    assert np.array_equal(seen[-1], found)
    first, last = response(model, goal, np.stack([seen[0], found]))
    usual = response(model, goal, pictures)
    assert last > first + 3 * usual.std()
    assert last > usual.mean() + 3 * usual.std()


def test_a_seed_gives_one_picture_and_another_seed_another(model: AlexNet) -> None:
    goal = Channel("conv1", 3)
    first = maximize(model, goal, steps=3, seed=5)
    assert np.array_equal(maximize(model, goal, steps=3, seed=5), first)
    assert not np.array_equal(maximize(model, goal, steps=3, seed=6), first)


def test_the_response_is_the_mean_of_the_map_or_the_log_of_the_odds(model: AlexNet, pictures: np.ndarray) -> None:
    maps = [feature_maps(model, picture, "conv2", "relu").values[9] for picture in pictures]
    found = response(model, Channel("conv2", 9), pictures)
    assert (found.dtype, found.shape) == (np.float32, (8,))
    np.testing.assert_allclose(found, [values.mean() for values in maps], rtol=1e-4, atol=1e-6)
    p = np.array([said.probabilities[4] for said in predict(model, list(pictures))], dtype=np.float64)
    np.testing.assert_allclose(response(model, Class(4), pictures), np.log(p / (1 - p)), rtol=1e-3, atol=1e-4)


def test_a_silent_channel_finds_its_way_up(model: AlexNet) -> None:
    goal = Channel("conv1", 20)
    bias = model.conv1.bias
    assert bias is not None
    with torch.no_grad():
        bias[20] = -1.5
    try:
        assert response(model, goal, np.full((1, 32, 32, 3), 128, np.uint8))[0] == 0
        assert response(model, goal, maximize(model, goal, steps=24)[None])[0] > 0
    finally:
        with torch.no_grad():
            bias[20] = 0


def test_what_on_step_raises_ends_the_work(model: AlexNet) -> None:
    steps = 0

    def stop(done: int, _total: int, _picture: np.ndarray) -> None:
        nonlocal steps
        steps = done
        if done == 2:
            raise StopRequested("enough")

    with pytest.raises(StopRequested):
        maximize(model, Class(0), stop, steps=50)
    assert steps == 2


def test_the_network_and_the_random_state_are_left_as_they_are(model: AlexNet) -> None:
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    model.train()
    try:
        in_training = maximize(model, Class(1), steps=2)
        assert all(module.training for module in model.modules())
    finally:
        model.eval()
    assert np.array_equal(maximize(model, Class(1), steps=2), in_training), "dropout is off in either case"
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("size", [17, 64, 300])
def test_networks_of_other_training_images(size: int) -> None:
    model = AlexNet(3, input_spec=InputSpec(size)).requires_grad_(False)
    model.initialize(torch.Generator().manual_seed(0))
    assert maximize(model, Channel("conv1", 0), steps=1).shape == (227, 227, 3)


@pytest.mark.parametrize(
    ("goal", "sentence"),
    [
        (Channel("conv1", 96), "conv1 has no channel 96: its channels are 0 to 95."),
        (Channel("conv1", -1), "conv1 has no channel -1"),
        (Channel("fc6", 0), "There is no convolution layer 'fc6'"),
        (Class(10), "The network has no class 10: its classes are 0 to 9."),
    ],
)
def test_a_goal_that_is_not_there_is_refused(model: AlexNet, goal: Goal, sentence: str) -> None:
    for call in (lambda: maximize(model, goal), lambda: response(model, goal, np.zeros((1, 32, 32, 3), np.uint8))):
        with pytest.raises(InspectionError) as caught:
            call()
        assert str(caught.value).startswith(sentence)
