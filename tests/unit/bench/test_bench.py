"""python -m core bench: one run with the smallest of everything, its record, its table, its errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch

from core.__main__ import main
from core.bench import suite
from core.bench.breakdown import PARTS
from core.bench.report import make_table
from core.bench.results import Plan, Result

PACE = {"precision", "batch_size", "threads", "images_per_second", "rounds"}
KEYS: dict[str, set[str]] = {
    "hardware": {"cpu", "cores", "device", "threads"},
    "training": {
        "original", "original_workers", "ours", "ours_float32", "ours_one_thread", "speedup", "speedup_float32",
        "thread_scaling",
    },
    "utilisation": {
        "gflop_per_image", "achieved_gflops", "matrix_gflops", "matrix_size", "precision", "mfu",
    },
    "step_percent": set(PARTS),
    "latency": {"prediction_ms", "feature_maps_ms"},
}  # fmt: skip


def tiny_plan() -> Plan:
    """One round of one step of two images."""
    plan = suite.make_plan("cpu", 1)
    return replace(
        plan,
        config=plan.config.model_copy(update={"batch_size": 2}),
        steps=1,
        dropped=0,
        matrix_size=32,
        original_batch=2,
        norm_batch=1,
        norm_rounds=2,
        latency_calls=1,
    )


@pytest.fixture(scope="module")
def result() -> Iterator[Result]:
    threads = torch.get_num_threads()
    yield suite.run(tiny_plan(), lambda _: None)
    torch.set_num_threads(threads)  # the loop on one thread told torch so, and later threads would begin with it


def test_the_record_has_every_figure(result: Result) -> None:
    record: dict[str, Any] = json.loads(json.dumps(asdict(result)))
    assert set(record) == {
        "date", "torch", "hardware", "repeats", "method", "seconds", "training", "utilisation", "local_response_norm",
        "step_percent", "latency",
    }  # fmt: skip
    for name, keys in KEYS.items():
        assert set(record[name]) == keys
    assert record["torch"] == torch.__version__
    assert "fastest of 1 rounds" in record["method"]


def test_the_figures_agree_with_each_other(result: Result) -> None:
    loops = result.training
    for pace in (loops.original, loops.ours, loops.ours_float32):
        assert set(asdict(pace)) == PACE
        assert (pace.batch_size, len(pace.rounds)) == (2, 1)
        assert pace.images_per_second == max(pace.rounds) > 0
    assert loops.speedup == loops.ours.images_per_second / loops.original.images_per_second
    assert loops.speedup_float32 == loops.ours_float32.images_per_second / loops.original.images_per_second
    assert (loops.original.precision, loops.ours_float32.precision) == ("float32", "float32")
    assert loops.original.threads == loops.ours.threads == torch.get_num_threads()
    assert (loops.ours_one_thread is None) == (loops.ours.threads == 1) == (loops.thread_scaling is None)
    use = result.utilisation
    assert use.mfu == pytest.approx(use.gflop_per_image * loops.ours.images_per_second / use.matrix_gflops)
    assert [norm.shape for norm in result.local_response_norm] == [(1, 96, 55, 55), (1, 256, 27, 27)]
    for norm in result.local_response_norm:
        assert norm.ratio == norm.torch_ms / norm.ours_ms > 0
    assert sum(result.step_percent.values()) == pytest.approx(100)
    assert all(percent > 0 for percent in result.step_percent.values())
    assert result.latency.prediction_ms > 0
    assert result.latency.feature_maps_ms > 0


def test_a_gpu_is_not_compared_in_float32(result: Result) -> None:
    training = replace(result.training, ours_float32=None, speedup_float32=None, ours_one_thread=None)
    training = replace(training, ours=replace(training.ours, precision="bfloat16"))
    table = make_table(replace(result, training=training))
    names = list(table.columns[0].cells)
    assert sum(str(name).startswith("ours, bfloat16") for name in names) == 1
    assert not any("ours, float32" in str(name) for name in names)
    assert json.dumps(asdict(replace(result, training=training)))


def test_the_command_prints_the_table_or_the_record(
    result: Result, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suite, "run", lambda *_: result)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["bench", "--device", "cpu", "--json"]) == 0
    output = capsys.readouterr()
    assert (json.loads(output.out), output.err.strip()) == (json.loads(json.dumps(asdict(result))), "")
    assert main(["bench", "--device", "cpu"]) == 0
    table = capsys.readouterr().out
    assert f"{result.training.speedup:.2f} × the original" in table
    assert f"{result.utilisation.mfu:.1%} of it (MFU)" in table
    for part in PARTS:
        assert f"of our step: {part}" in table


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--device", "tpu"], "device: input should be 'auto', 'cpu' or 'cuda', got 'tpu'."),
        (["--repeats", "0"], "repeats: input should be at least 1, got 0."),
        (["--repeats", "some"], "invalid int value: 'some'"),
        (["--device", "cpu", "--run-id", "nobody"], "There is no run 'nobody'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = main(["bench", *flags])
    except SystemExit as end:
        code = end.code
    output = capsys.readouterr()
    assert (code, output.out, output.err.count("\n")) == (2, "", 1)
    assert sentence in output.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--device", "cuda"]) == 2
    assert "torch sees no CUDA GPU" in capsys.readouterr().err
