"""The benchmark's record as one table."""

from __future__ import annotations

from rich.table import Table

from core.bench.results import Loops, Pace, Result

Row = tuple[str, str, str]


def make_table(result: Result) -> Table:
    """What was measured, the figure, and what it is held against."""
    machine = result.hardware
    where = machine.device if machine.device.startswith("CPU") else f"{machine.device}, {machine.threads} CPU threads"
    table = Table(
        "measured",
        "figure",
        "against",
        title=f"{where} ({machine.cpu}, {machine.cores} cores), torch {result.torch}, {result.date}",
        caption=result.method,
        caption_justify="left",
    )
    for rows in (_loops(result.training), _utilisation(result), _norms(result), _parts(result), _latency(result)):
        for row in rows:
            table.add_row(*row)
        table.add_section()
    return table


def _loops(loops: Loops) -> list[Row]:
    workers = f"{loops.original_workers} worker{'' if loops.original_workers == 1 else 's'}"
    exact = loops.ours_float32
    rows = [(f"training loop of the original, {_kind(loops.original)}, {workers}", _rate(loops.original), "")]
    if exact:
        rows.append((f"ours, {_kind(exact)}", _rate(exact), f"{loops.speedup_float32:.2f} × the original"))
    if loops.ours is not exact:
        rows.append((f"ours, {_kind(loops.ours)}", _rate(loops.ours), f"{loops.speedup:.2f} × the original"))
    if loops.ours_one_thread:
        scaling = f"{loops.ours.threads} threads: {loops.thread_scaling:.2f} × one"
        rows.append((f"ours, {_kind(loops.ours_one_thread)}, one thread", _rate(loops.ours_one_thread), scaling))
    return rows


def _kind(pace: Pace) -> str:
    return f"{pace.precision}, batch {pace.batch_size}"


def _rate(pace: Pace) -> str:
    return f"{pace.images_per_second:,.1f} images/s"


def _utilisation(result: Result) -> list[Row]:
    use = result.utilisation
    return [
        (f"{use.precision} product of {use.matrix_size}² matrices", f"{use.matrix_gflops:,.0f} GFLOP/s", "the limit"),
        (
            f"ours, at {use.gflop_per_image:.3f} GFLOP an image",
            f"{use.achieved_gflops:,.0f} GFLOP/s",
            f"{use.mfu:.1%} of it (MFU)",
        ),
    ]


def _norms(result: Result) -> list[Row]:
    rows = []
    for norm in result.local_response_norm:
        shape = " × ".join(str(side) for side in norm.shape)
        figure = f"{norm.ours_ms:.2f} ms ({result.training.ours.precision}), {norm.ours_float32_ms:.2f} ms (float32)"
        against = f"{norm.ratio:.1f} × and {norm.ratio_float32:.1f} × torch's ({norm.torch_ms:.2f} ms, float32)"
        rows.append((f"LRN forward + backward, {shape}", figure, against))
    return rows


def _parts(result: Result) -> list[Row]:
    parts = sorted(result.step_percent.items(), key=lambda part: -part[1])
    return [(f"of our step: {name}", f"{percent:.1f} %", "") for name, percent in parts]


def _latency(result: Result) -> list[Row]:
    return [
        ("one prediction, on the CPU", f"{result.latency.prediction_ms:.1f} ms", "median"),
        ("all feature maps of one picture, on the CPU", f"{result.latency.feature_maps_ms:.1f} ms", "median"),
    ]
