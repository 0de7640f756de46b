"""core.training.beginning: a network begins with another run's weights, as far as they fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core.config import make_config
from core.data.shapes import make_shapes
from core.errors import ConfigError
from core.model.alexnet import InputSpec
from core.runs.checkpoints import find_checkpoint, load_model
from core.runs.metrics import MetricsReader
from core.runs.run import Run, create_run
from core.training import jobs
from core.training.beginning import find_pretrained, new_network, with_its_input
from tests.conftest import ConfigFactory

pytestmark = pytest.mark.usefixtures("narrow")


def test_other_classes_get_all_layers_but_the_last(narrow_run: Run) -> None:
    images, _ = make_shapes(20, 10, seed=0)
    config = make_config(pretrained=narrow_run.id, seed=3)
    pretrained = find_pretrained(config, narrow_run.path.parent)
    assert pretrained is not None
    model, source = new_network(config, images, pretrained), load_model(narrow_run).state_dict()
    fresh = new_network(config, images).state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, (fresh if name.startswith("fc8") else source)[name]), name
    assert model.class_names == images.class_names
    spec = pretrained.input_spec
    assert model.input_spec == InputSpec(images.image_size, spec.mean, spec.std)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_run_begins_with_the_weights_and_the_lrn_of_another_and_says_so(
    narrow_run: Run, tiny_config: ConfigFactory, data_dir: Path
) -> None:
    runs_dir = narrow_run.path.parent
    config = tiny_config(
        pretrained=narrow_run.id, lrn_alpha=2.0, normalize="unit", whitening=True, num_epochs=1, learning_rate=1e-12
    )
    run = jobs.start(config, runs_dir=runs_dir, data_dir=data_dir, run_id="tuned")
    assert jobs.wait(200)
    assert (run.config.lrn_alpha, run.config.normalize) == (narrow_run.config.lrn_alpha, "standard")
    assert not run.config.whitening
    before, after = (load_model(each).state_dict() for each in (narrow_run, run))
    for name, value in after.items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=1e-9, msg=name)
    reader = MetricsReader(run.path)
    told = next(event for event in reader.events() if event["event"] == "pretrained")
    source = find_checkpoint(narrow_run)
    assert (told["run"], told["step"], told["weights"]) == (narrow_run.id, source.step, source.fingerprint)


def test_weights_that_are_not_there_are_refused_before_a_run_is_created(runs_dir: Path) -> None:
    with pytest.raises(ConfigError, match=r"pretrained: There is no run 'gone' in .* Name a run that has a checkpoint"):
        jobs.start(make_config(pretrained="gone", device="cpu"), runs_dir=runs_dir, data_dir=runs_dir)
    create_run(runs_dir, make_config(), {}, "empty")
    with pytest.raises(ConfigError, match="pretrained: Run 'empty' has no best checkpoint yet"):
        jobs.start(make_config(pretrained="empty", device="cpu"), runs_dir=runs_dir, data_dir=runs_dir)
    assert [path.name for path in runs_dir.iterdir()] == ["empty"]


def test_without_any_nothing_of_the_settings_changes() -> None:
    config = make_config(lrn_alpha=2.0)
    assert find_pretrained(config, Path("nowhere")) is None
    assert with_its_input(config, None) is config
