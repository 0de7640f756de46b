"""What only a CUDA GPU can show: the same training, the same numbers, within its precision."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.config import TrainConfig
from core.inspection.feature_maps import feature_maps
from core.model import AlexNet, local_response_norm
from core.model.pool import max_pool
from core.prediction import predict
from core.runs.checkpoints import find_checkpoint, load_model, load_training_state
from core.runs.metrics import MetricsReader
from core.runs.run import Run, RunState
from core.training import graph, jobs, loop

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU"),
]
PICTURES = list(np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8))


@pytest.fixture(autouse=True)
def _same_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions add in the same order each time: AdamW's first steps make much of little."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def losses(run: Run) -> list[float]:
    return MetricsReader(run.path).steps()["loss"].tolist()


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_training_finishes_and_its_checkpoint_judges_on_the_cpu(
    runs_dir: Path, data_dir: Path, tiny_config: Callable[..., TrainConfig], precision: str
) -> None:
    config = tiny_config(device="cuda", precision=precision)
    run = jobs.start(config, runs_dir=runs_dir, data_dir=data_dir)
    assert jobs.wait(200)
    assert run.state is RunState.FINISHED, run.end
    assert len(losses(run)) == 6
    assert run.progress.memory_bytes > 58_322_314 * 16
    assert len(predict(load_model(run), PICTURES)) == 4


def test_a_stop_and_a_resume_go_on_with_the_same_weights(
    runs_dir: Path, data_dir: Path, tiny_config: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(device="cuda", precision="float32")
    whole = jobs.start(config, runs_dir=runs_dir, data_dir=data_dir, run_id="whole")
    assert jobs.wait(200)
    step = loop.training_step

    def stopping(config: TrainConfig, state: loop.TrainingState, *rest: object) -> torch.Tensor:
        if state.step == 1:
            run = jobs.active()
            assert run is not None
            run.request_stop()
        return step(config, state, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "training_step", stopping)
        run = jobs.start(config, runs_dir=runs_dir, data_dir=data_dir, run_id="stopped")
        assert jobs.wait(200)
    assert run.state is RunState.STOPPED
    assert find_checkpoint(run, "last").step == 2
    moments = load_training_state(find_checkpoint(run, "last"))
    assert moments["fc8.weight/step"].item() == 2
    jobs.resume(run, data_dir=data_dir)
    assert jobs.wait(200)
    assert run.state is RunState.FINISHED, run.end
    np.testing.assert_allclose(losses(run), losses(whole), rtol=1e-3)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"num_epochs": 4}, 12 - 3),
        ({"num_epochs": 4, "optimizer": "muon"}, 12 - 3),
        ({"num_epochs": 4, "batch_size": 5}, 8 - 3),  # the third batch of an epoch has 2 images, and is not recorded
        ({"num_epochs": 4, "cutmix": 0.5}, 11 - 3),  # the last step mixes no more: the first of another kind
        ({"num_epochs": 12, "progressive": True}, (25 - 3) + (7 - 3) + (4 - 3)),  # steps at the three sizes
    ],
    ids=["plain", "muon", "partial batch", "cutmix", "three sizes"],
)
def test_recorded_steps_are_the_steps_themselves(
    runs_dir: Path,
    data_dir: Path,
    tiny_config: Callable[..., TrainConfig],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    expected: int,
) -> None:
    """Dropout and augmentation are on: a replay must draw what the step would."""
    config = tiny_config(device="cuda", precision="float32", checkpoint_epochs=100, **settings)
    replays: list[int] = []
    replay = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: replays.append(1) or replay(graph))
    recorded = jobs.start(config, runs_dir=runs_dir, data_dir=data_dir, run_id="recorded")
    assert jobs.wait(200)
    assert recorded.state is RunState.FINISHED, recorded.end
    assert len(replays) == expected
    monkeypatch.setattr(graph, "_WARM_UP_STEPS", 1000)
    eager = jobs.start(config, runs_dir=runs_dir, data_dir=data_dir, run_id="eager")
    assert jobs.wait(200)
    assert len(replays) == expected, "none of the second run"
    np.testing.assert_allclose(losses(recorded), losses(eager), rtol=1e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
@pytest.mark.parametrize("rms", [0.2, 20, 100])
def test_lrn_equals_the_reference(dtype: torch.dtype, tolerance: float, rms: float) -> None:
    generator = torch.Generator().manual_seed(0)
    x = (torch.randn(2, 96, 27, 27, generator=generator) * rms).to(dtype)
    upstream = torch.randn(2, 96, 27, 27, generator=generator).to(dtype)
    found_input, reference = x.cuda().requires_grad_(), x.double().requires_grad_()
    found = local_response_norm(found_input)
    found.backward(upstream.cuda())
    expected = functional.local_response_norm(reference, 5, alpha=1e-4, beta=0.75, k=2.0)
    expected.backward(upstream.double())
    assert found_input.grad is not None
    assert reference.grad is not None
    for a, b in ((found.detach(), expected.detach()), (found_input.grad, reference.grad)):
        assert float((a.cpu().double() - b).norm() / b.norm()) < tolerance


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [3, 12, 55])
def test_pooling_equals_the_reference(dtype: torch.dtype, side: int) -> None:
    x = torch.rand(3, 24, side, side + 1, generator=torch.Generator().manual_seed(0)).to(dtype)
    found_input, reference = x.cuda().requires_grad_(), x.float().requires_grad_()
    found, expected = max_pool(found_input), functional.max_pool2d(reference, 3, 2)
    assert torch.equal(found.detach().cpu().float(), expected.detach())
    upstream = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    found.backward(upstream.cuda())
    assert found_input.grad is not None
    torch.testing.assert_close(  # of equal values one has the whole gradient, whichever
        found_input.grad.cpu().float().sum((2, 3)), upstream.float().sum((2, 3)), rtol=0.01, atol=0.01 * side
    )
    if dtype == torch.float32:
        expected.backward(upstream)
        torch.testing.assert_close(found_input.grad.cpu(), reference.grad)


@pytest.mark.parametrize("size", [227, 131])
def test_loss_and_gradients_in_training_are_those_of_the_cpu(size: int) -> None:
    """On a GPU conv1 sees blocks, and bias, ReLU and LRN are one.

    A weight's seventh digit can decide which of two values a pooling takes, and so move gradients by nearly 1 %.
    """
    model = AlexNet(dropout=0.0)
    model.initialize(torch.Generator().manual_seed(0))
    twin = copy.deepcopy(model).cuda().to(memory_format=torch.channels_last)
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(4)
    losses = [
        functional.cross_entropy(network(images, size), targets)
        for network, images, targets in ((model, x, labels), (twin, x.cuda(), labels.cuda()))
    ]
    for loss in losses:
        loss.backward()
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=1e-5)
    for (name, a), b in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert float((b.grad.cpu() - a.grad).norm() / a.grad.norm()) < 2e-2, name


def test_predictions_and_feature_maps_are_those_of_the_cpu(trained_run: Run) -> None:
    on_cpu, on_gpu = load_model(trained_run), load_model(trained_run, device="cuda")
    for a, b in zip(predict(on_cpu, PICTURES), predict(on_gpu, PICTURES), strict=True):
        np.testing.assert_allclose(a.probabilities, b.probabilities, atol=2e-3)
    a, b = (feature_maps(model, PICTURES[0], "conv5", "relu").values for model in (on_cpu, on_gpu))
    assert np.linalg.norm(a - b) < 5e-3 * np.linalg.norm(a)


def test_a_step_that_cannot_be_recorded_runs_as_it_is_and_so_do_all_others() -> None:
    generator = torch.Generator("cuda")
    found: list[list[float]] = []
    expected: list[list[float]] = []

    def compute(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        drawn = images + torch.rand(images.shape, device="cuda", generator=generator)
        return drawn * (labels.sum().item() if len(labels) > 1 else 1)  # a capture doesn't allow to wait

    def train() -> None:
        for step in range(14):
            images = torch.full((4,), float(step), device="cuda")
            labels = torch.ones(1 + step % 2, dtype=torch.int64, device="cuda")
            generator.manual_seed(step)
            found.append(graphs.run(compute, images, labels, phase=0, kind=len(labels)).tolist())
            generator.manual_seed(step)
            expected.append(compute(images, labels).tolist())

    graphs = graph.StepGraphs(generator)
    with pytest.warns(UserWarning, match="can't be recorded as a CUDA graph"):
        train()
    assert found == expected
