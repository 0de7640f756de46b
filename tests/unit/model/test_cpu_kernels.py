"""core.model.cpu_kernels: work is shared out between threads."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("numba")

from core.model import cpu_kernels
from core.model.cpu_kernels import share_out


@pytest.mark.parametrize(("count", "parts"), [(7, 1), (7, 3), (3, 3), (2, 4)])
def test_each_share_is_done_by_its_own_thread(count: int, parts: int) -> None:
    done: dict[int, tuple[slice, str]] = {}
    share_out(lambda i, own: done.update({i: (own, threading.current_thread().name)}), count, parts)
    assert sorted(done) == list(range(parts))
    assert [i for part in range(parts) for i in range(done[part][0].start, done[part][0].stop)] == list(range(count))
    assert done[0][1] == threading.current_thread().name
    assert all(done[part][1].startswith("kernel") for part in range(1, parts))


def test_where_a_thread_is_refused_every_share_is_done_and_none_twice_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may refuse a thread when the share is queued already: one that is idle may take it from there."""
    start, started = threading.Thread.start, []

    def refuse_the_second(thread: threading.Thread) -> None:
        if thread.name.startswith("kernel"):
            started.append(thread.name)
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
        start(thread)

    active: set[int] = set()
    done, at_once = [], []

    def work(i: int, own: slice) -> None:
        if i in active:
            at_once.append(i)
        active.add(i)
        time.sleep(0.01 if i == 1 else 0.1)  # share 1's thread is free while the others are at work
        active.discard(i)
        done.append(i)

    monkeypatch.setattr(cpu_kernels._helpers, "threads", 0, raising=False)
    monkeypatch.setattr(threading.Thread, "start", refuse_the_second)
    share_out(work, 4, 4)
    assert set(done) == {0, 1, 2, 3}
    assert len(started) == 2
    assert not at_once
    monkeypatch.setattr(threading.Thread, "start", start)
    done.clear()
    share_out(work, 4, 4)  # and the next time all is as ever
    assert sorted(done) == [0, 1, 2, 3]
