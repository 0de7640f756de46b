"""core.threads: what OpenMP is told, unless somebody has told it otherwise."""

from __future__ import annotations

import os
import sys

import pytest

from core.threads import SETTINGS, sleep_soon


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it isn't GNU's")
def test_gnu_s_looks_as_long_with_more_threads_than_cores() -> None:
    assert SETTINGS["OMP_WAIT_POLICY"] == "active"


def test_openmp_is_told_to_wait_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    sleep_soon()
    assert {name: os.environ[name] for name in SETTINGS} == SETTINGS | {"GOMP_SPINCOUNT": "7"}


def test_who_has_decided_how_threads_wait_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    sleep_soon()
    assert {name: os.environ.get(name) for name in SETTINGS | {"OMP_WAIT_POLICY": ""}} == dict.fromkeys(SETTINGS) | {
        "OMP_WAIT_POLICY": "passive"
    }
