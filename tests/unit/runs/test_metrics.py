"""core.runs.metrics: nothing acknowledged is lost, nothing damaged is shown, nothing is read twice."""

from __future__ import annotations

import json
import math
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runs.metrics import STEP_COLUMNS, MetricsReader, decode, encode, segment_paths

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def step(number: int, epoch: int = 1, loss: float | None = None) -> dict[str, Any]:
    record = {"kind": "step", "step": number, "epoch": epoch, "seconds": number / 4, "accuracy": 0.5}
    return record | {"loss": number / 8 if loss is None else loss, "learning_rate": 1e-3, "images_per_second": 70.0}


def start(number: int) -> dict[str, Any]:
    return {"kind": "event", "event": "start", "step": number}


def write(run: Path, records: list[dict[str, Any]], segment: int = 1) -> Path:
    path = run / f"metrics-{segment:04}.jsonl"
    with path.open("ab") as file:
        file.write(b"".join(encode(record) for record in records))
    return path


@given(st.dictionaries(st.text(min_size=1, max_size=8), JSON, min_size=1, max_size=6))
def test_any_record_comes_back(record: dict[str, Any]) -> None:
    line = encode(record)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == record
    crc = f"{zlib.crc32(line.rpartition(b',')[0]):08x}"
    assert json.loads(line) == {**record, "crc32": crc}  # plain JSON for anybody else's tools


@given(JSON, st.data())
def test_a_flipped_bit_never_passes(value: Any, data: st.DataObject) -> None:
    line = bytearray(encode({"kind": "step", "value": value}))
    bit = data.draw(st.integers(0, 8 * (len(line) - 1) - 1))  # all but the newline
    line[bit // 8] ^= 1 << bit % 8
    assert decode(bytes(line)) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode({"kind": "step", "loss": value})


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"null", b'{"a":1}', b'{"a":1,"crc32":"00000000"}', b"\xff\xfe", b"[" * 9]
)
def test_what_we_did_not_write_is_damaged(line: bytes) -> None:
    assert decode(line) is None


def test_steps_from_before_gradients_were_recorded_have_none(tmp_path: Path) -> None:
    write(tmp_path, [step(1), step(2) | {"gradient_norm": None}, step(3) | {"gradient_norm": 2.5}])
    steps = MetricsReader(tmp_path).steps()
    np.testing.assert_array_equal(steps["gradient_norm"], [np.nan, np.nan, 2.5])
    assert {len(column) for column in steps.values()} == {3}


def test_steps_epochs_and_events_are_sorted_out(tmp_path: Path) -> None:
    epoch = {"kind": "epoch", "epoch": 1, "step": 2, "val_loss": 0.25}
    write(tmp_path, [start(0), step(1), step(2), epoch])
    reader = MetricsReader(tmp_path)
    columns = reader.steps()
    assert tuple(columns) == STEP_COLUMNS
    assert all(column.dtype == np.float64 for column in columns.values())
    assert columns["step"].tolist() == [1, 2]
    assert columns["loss"].tolist() == [1 / 8, 2 / 8]
    assert [record["val_loss"] for record in reader.epochs()] == [0.25]
    assert [record["event"] for record in reader.events()] == ["start"]
    assert list(reader.steps()) == list(STEP_COLUMNS)
    assert len(reader.steps()["step"]) == 2
    assert reader.damaged == 0


def test_a_missing_value_is_a_gap(tmp_path: Path) -> None:
    write(tmp_path, [{"kind": "step", "step": 1, "loss": None}])
    columns = MetricsReader(tmp_path).steps()
    assert math.isnan(columns["loss"][0])
    assert math.isnan(columns["accuracy"][0])


def test_no_folder_and_no_segment_read_as_nothing(tmp_path: Path) -> None:
    assert len(MetricsReader(tmp_path / "none").steps()["step"]) == 0
    assert MetricsReader(tmp_path).poll() == 0


def test_a_torn_last_line_is_forgiven_at_every_byte_and_then_completed(tmp_path: Path) -> None:
    path = write(tmp_path, [step(1), step(2)])
    whole, last = path.read_bytes(), encode(step(3))
    for cut in range(len(last)):
        path.write_bytes(whole + last[:cut])
        reader = MetricsReader(tmp_path)
        assert reader.steps()["step"].tolist() == [1, 2]
        assert reader.damaged == 0
        with path.open("ab") as file:
            file.write(last[cut:])
        reader.poll()
        assert reader.steps()["step"].tolist() == [1, 2, 3]


def test_a_resume_after_a_torn_line_loses_nothing_at_every_byte(tmp_path: Path) -> None:
    path = write(tmp_path, [step(1), step(2)])
    write(tmp_path, [start(2), step(3), step(4)], segment=2)
    whole, last = path.read_bytes(), encode(step(3, loss=99))
    for cut in range(len(last)):
        path.write_bytes(whole + last[:cut])
        reader = MetricsReader(tmp_path)
        assert reader.steps()["step"].tolist() == [1, 2, 3, 4]
        assert 99 not in reader.steps()["loss"]


def test_flipped_bits_show_no_wrong_value_and_cost_two_records_at_most(tmp_path: Path) -> None:
    records = [step(number) for number in range(1, 41)]
    path = write(tmp_path, records)
    clean, right = path.read_bytes(), {record["step"]: record["loss"] for record in records}
    chance = random.Random(0)
    for _ in range(1000):
        damaged = bytearray(clean)
        bit = chance.randrange(8 * len(damaged))
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        reader = MetricsReader(tmp_path)
        columns = reader.steps()
        assert all(right[number] == loss for number, loss in zip(columns["step"], columns["loss"], strict=True))
        assert 38 <= len(columns["step"]) <= 39
        # A last line whose newline is gone is not damaged, it is not there yet.
        assert reader.damaged >= 1 or bit // 8 == len(clean) - 1


def test_garbage_between_lines_is_skipped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [step(1)])
    with path.open("ab") as file:
        file.write(b"\n\x00\xff garbage\r\n{}\n")
    write(tmp_path, [step(2)])
    reader = MetricsReader(tmp_path)
    assert reader.steps()["step"].tolist() == [1, 2]
    assert reader.damaged == 3  # the empty line, the garbage, and the line without a checksum


def test_only_new_bytes_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, [step(1), step(2)])
    reader = MetricsReader(tmp_path)
    path.write_bytes(b"X" * path.stat().st_size)  # who reads it again would see damage
    write(tmp_path, [step(3)])
    reader.poll()
    assert reader.steps()["step"].tolist() == [1, 2, 3]
    assert reader.damaged == 0


def test_nothing_is_opened_while_nothing_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [step(1)])
    reader = MetricsReader(tmp_path)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a file was opened"))
    version = reader.poll()
    assert reader.poll() == version


def test_version_grows_with_every_change(tmp_path: Path) -> None:
    reader = MetricsReader(tmp_path)
    seen = [reader.poll()]
    for number in (1, 2, 3):
        write(tmp_path, [step(number)])
        seen.append(reader.poll())
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("polls_between", [False, True])
def test_a_resume_drops_the_steps_and_epochs_it_repeats(tmp_path: Path, polls_between: bool) -> None:
    epochs = [{"kind": "epoch", "epoch": n, "step": 2 * n, "attempt": 1} for n in (1, 2)]
    reader = MetricsReader(tmp_path)
    write(tmp_path, [start(0), step(1), step(2), epochs[0], step(3), step(4), epochs[1], step(5)])
    if polls_between:
        reader.poll()
    repeated = epochs[1] | {"attempt": 2}
    write(tmp_path, [start(3), step(4, loss=44), repeated, step(5, loss=55), step(6)], segment=2)
    reader.poll()
    columns = reader.steps()
    assert columns["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert columns["loss"].tolist() == [1 / 8, 2 / 8, 3 / 8, 44, 55, 6 / 8]
    assert [(record["epoch"], record["attempt"]) for record in reader.epochs()] == [(1, 1), (2, 2)]
    assert len({len(column) for column in columns.values()}) == 1


def test_segments_are_read_in_the_order_of_the_attempts(tmp_path: Path) -> None:
    for segment in (10, 2, 1, 9):
        write(tmp_path, [start(segment - 1), step(segment)], segment)
    (tmp_path / "metrics-12.jsonl").write_bytes(b"not ours\n")
    assert [path.name[8:12] for path in segment_paths(tmp_path)] == ["0001", "0002", "0009", "0010"]
    assert MetricsReader(tmp_path).steps()["step"].tolist() == [1, 2, 9, 10]


def test_steps_increase_even_where_the_start_record_is_damaged(tmp_path: Path) -> None:
    write(tmp_path, [start(0), step(1), step(2), step(3)])
    path = write(tmp_path, [start(1), step(2), step(3), step(4)], segment=2)
    damaged = bytearray(path.read_bytes())
    damaged[20] ^= 1
    path.write_bytes(damaged)
    assert np.all(np.diff(MetricsReader(tmp_path).steps()["step"]) > 0)


def test_an_epoch_that_two_attempts_ended_is_shown_once_as_the_later_had_it(tmp_path: Path) -> None:
    """The second attempt began after the epoch's last step, before its validation, and so did the third."""
    first = [encode({"kind": "epoch", "epoch": 1, "step": 3, "val_accuracy": 0.1})]
    start = encode({"kind": "event", "event": "start", "step": 6})
    second, third = (encode({"kind": "epoch", "epoch": 2, "step": 6, "val_accuracy": a}) for a in (0.2, 0.3))
    for number, lines in enumerate((first, [start, second], [start, third]), 1):
        (tmp_path / f"metrics-{number:04}.jsonl").write_bytes(b"".join(lines))
    reader = MetricsReader(tmp_path)
    assert [(record["epoch"], record["val_accuracy"]) for record in reader.epochs()] == [(1, 0.1), (2, 0.3)]
