"""The dashboard's entry point: streamlit run dashboard/app.py"""

import sys
from pathlib import Path

# `streamlit run` puts this file's folder on the path, not the project's; the script body runs again on every rerun.
_ROOT = str(Path(__file__).resolve().parents[1])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

import streamlit as st  # noqa: E402

# An emoji, set before st.navigation: a material icon as favicon would be fetched from a font server.
st.set_page_config(page_title="AlexNet Live", page_icon="🔬", layout="wide")

page = st.navigation(
    {
        "": [
            st.Page("app_pages/train.py", title="Train", icon=":material/model_training:", default=True),
            st.Page("app_pages/predict.py", title="Predict", icon=":material/image_search:"),
            st.Page("app_pages/feature_maps.py", title="Feature maps", icon=":material/grid_view:"),
            st.Page("app_pages/time_machine.py", title="Time machine", icon=":material/history:"),
        ],
        "Understand": [
            st.Page("app_pages/why.py", title="Why this class", icon=":material/ads_click:"),
            st.Page("app_pages/mistakes.py", title="Mistakes", icon=":material/rule:"),
            st.Page("app_pages/neighbours.py", title="Neighbours", icon=":material/scatter_plot:"),
            st.Page("app_pages/layers.py", title="Layers over time", icon=":material/stacked_line_chart:"),
            st.Page("app_pages/walkthrough.py", title="Walkthrough", icon=":material/footprint:"),
            st.Page("app_pages/compare.py", title="Compare", icon=":material/compare:"),
        ],
        "Experiment": [
            st.Page("app_pages/poke.py", title="Poke it", icon=":material/touch_app:"),
            st.Page("app_pages/dream.py", title="What it looks for", icon=":material/auto_awesome:"),
        ],
        "More": [
            st.Page("app_pages/architecture.py", title="Architecture", icon=":material/account_tree:"),
            st.Page("app_pages/take_away.py", title="Take it away", icon=":material/download:"),
        ],
    },
    position="top",
)
st.set_page_config(page_title=f"{page.title} · AlexNet Live")
page.run()
