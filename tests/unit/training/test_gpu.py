"""What only a CUDA GPU can show: the same training, the same numbers, within its precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.config import TrainConfig
from core.inspection.feature_maps import feature_maps
from core.model import local_response_norm
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


def losses(run: Run) -> list[float]:
    reader = MetricsReader(run.path)
    reader.poll()
    return reader.steps()["loss"].tolist()


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
    np.testing.assert_allclose(losses(run), losses(whole), rtol=1e-3)  # convolutions on CUDA may add in any order


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
    config = tiny_config(device="cuda", precision="float32", **settings)
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
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        found = local_response_norm(found_input)
        found.backward(upstream.cuda())
    finally:
        torch.backends.cudnn.allow_tf32 = allowed
    expected = functional.local_response_norm(reference, 5, alpha=1e-4, beta=0.75, k=2.0)
    expected.backward(upstream.double())
    assert found_input.grad is not None
    assert reference.grad is not None
    for a, b in ((found.detach(), expected.detach()), (found_input.grad, reference.grad)):
        assert float((a.cpu().double() - b).norm() / b.norm()) < tolerance


def test_predictions_and_feature_maps_are_those_of_the_cpu(trained_run: Run) -> None:
    on_cpu, on_gpu = load_model(trained_run), load_model(trained_run, device="cuda")
    for a, b in zip(predict(on_cpu, PICTURES), predict(on_gpu, PICTURES), strict=True):
        np.testing.assert_allclose(a.probabilities, b.probabilities, atol=2e-3)
    a, b = (feature_maps(model, PICTURES[0], "conv5", "relu").values for model in (on_cpu, on_gpu))
    assert np.linalg.norm(a - b) < 5e-3 * np.linalg.norm(a)
