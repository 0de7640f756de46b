"""How long viewers wait who share one server: python -m dashboard.bench_viewers [how many ...]

Each is a connection of its own, as a browser opens one, without the browser: it opens Feature maps at conv3, and asks
for another test image every few seconds. Measured is the time until the server has sent all of the page. The network is
that of the newest run in $ALEXNET_RUNS_DIR, whose test images must be here, else one of a few steps on drawn shapes.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.NumberInput_pb2 import NumberInput
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from dashboard.bench import server, short_run

_VIEWERS = (1, 10, 30)
_CLICKS = 10  # of each viewer
_PAUSE_SECONDS = 2.5, 7.5  # between two of them, at random
_PATIENCE_SECONDS = 300.0


def main() -> None:
    """Print seconds to open the page and to see another image, for each number of viewers, as JSON."""
    counts = [int(word) for word in sys.argv[1:]] or _VIEWERS
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(os.environ.get("ALEXNET_RUNS_DIR") or short_run(Path(folder)))
        with server(runs) as url:
            _view(url, seed=0, clicks=1)  # loads the network and the images, which all share
            print(json.dumps({count: _together(url, count) for count in counts}, indent=2))


def _together(url: str, count: int) -> dict[str, dict[str, float]]:
    with ThreadPoolExecutor(count) as pool:
        found = list(pool.map(lambda seed: _view(url, seed=seed, clicks=_CLICKS), range(count)))
    opened, clicked = [times[0] for times in found], [time for times in found for time in times[1:]]
    return {
        name: {"median": float(np.median(seconds)), "p95": float(np.percentile(seconds, 95)), "max": max(seconds)}
        for name, seconds in (("open", opened), ("another_image", clicked))
    }


def _view(url: str, *, seed: int, clicks: int) -> list[float]:
    """Seconds of each of a viewer's requests, the opening of the page first."""
    chance, times = random.Random(seed), []
    address, origin = f"{url.replace('http', 'ws')}/_stcore/stream", Origin(url)
    with connect(address, subprotocols=[Subprotocol("streamlit")], origin=origin, max_size=None) as connection:
        opening = BackMsg()
        opening.rerun_script.page_name, opening.rerun_script.query_string = "feature_maps", "layer=conv3"
        picker, seconds = _ask(connection, opening)
        times.append(seconds)
        for _ in range(clicks):
            time.sleep(chance.uniform(*_PAUSE_SECONDS))
            click = BackMsg()
            click.CopyFrom(opening)
            click.rerun_script.widget_states.widgets.add(id=picker.id, double_value=chance.randint(0, int(picker.max)))
            times.append(_ask(connection, click)[1])
    return times


def _ask(connection: ClientConnection, message: BackMsg) -> tuple[NumberInput, float]:
    """Send `message`, read the page that answers it: the field of the test image's number, and the seconds it took."""
    began, picker = time.perf_counter(), None
    connection.send(message.SerializeToString())
    while True:
        answer = ForwardMsg.FromString(connection.recv(timeout=_PATIENCE_SECONDS, decode=False))
        element = answer.delta.new_element
        assert not element.HasField("exception"), element.exception.message
        if element.number_input.label.startswith("Test image"):
            picker = element.number_input
        if answer.HasField("script_finished"):
            assert picker is not None, "the page shows no test image"
            return picker, time.perf_counter() - began


if __name__ == "__main__":
    main()
