"""Line charts that stay in place while a run grows: plotly.js kept alive inside one component.

`st.plotly_chart` is rebuilt for every new point and forgets zoom and hover. Here the DOM node
stays, so zoom, legend toggles and picture export survive each tick.
"""

import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import plotly
import streamlit as st

from core.files import replacing
from dashboard.components.frontend import read, script
from dashboard.panels import Panel, panel_spec, x_span

STATIC_DIR = Path(__file__).resolve().parents[1] / "static"
_PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"

_COMPONENT = st.components.v2.component(
    "alexnet_live_chart",
    html="<div class='lc'><div class='lc-grid'></div></div>",
    css=read("live_chart.css"),
    js=script("live_chart.js"),
    isolate_styles=False,  # plotly.js puts its own style sheet in the page, out of a shadow root
)


def live_charts(panels: Sequence[Panel], *, x_title: str, key: str, revision: str) -> None:
    """Draw all panels in one responsive grid: two columns from 780 px of width, else one.

    Typically called in a fragment with `run_every`; `key` tells the grids of a page apart. Legend choices and the drag
    mode are kept as long as `revision` and a panel's title stay the same, zoom as long as its axis does besides; give
    a new revision for another run. `x_title` names the shared x axis with its unit.

    Raises ValueError for a series whose x and y differ in shape, and OSError when plotly.js
    cannot be copied into the static folder.
    """
    ensure_plotly_js()
    data = {
        "plotly": f"app/static/{_PLOTLY_JS.name}?v={plotly.__version__}",
        "revision": revision,
        "xTitle": x_title,
        "xSpan": x_span(panels),
        "panels": [panel_spec(panel) for panel in panels],
    }
    _COMPONENT(data=data, key=key, height="content")


@cache
def ensure_plotly_js() -> Path:
    """Copy plotly.js from the installed package into the served static folder, if it differs.

    Returns the path of the copy. Sizes are compared, not contents: a release changes the size,
    and hashing 5 MB at each start would buy nothing.
    """
    target = STATIC_DIR / _PLOTLY_JS.name
    if target.exists() and target.stat().st_size == _PLOTLY_JS.stat().st_size:
        return target
    STATIC_DIR.mkdir(exist_ok=True)
    with replacing(target) as temporary:  # a browser, or a second server starting now, must never meet half a script
        shutil.copyfile(_PLOTLY_JS, temporary)
    return target
