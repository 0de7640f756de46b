"""The network, layer by layer: shapes, weights, work, and how far each unit sees."""

from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import cache
from dashboard.drawing import network_html

_COLUMNS: dict[str, Any] = {
    "name": st.column_config.TextColumn("Layer", width=90),
    "kind": "Kind",
    "output": "Output",
    "parameters": st.column_config.NumberColumn("Parameters", format="localized"),
    "multiply_adds": st.column_config.NumberColumn(
        "Multiply-adds", format="localized", help="Of one image's forward pass."
    ),
    "receptive_field": st.column_config.NumberColumn(
        "Receptive field", help="Side of the square of input pixels that one unit sees."
    ),
    "stride": st.column_config.NumberColumn("Stride", help="Input pixels between neighbouring units."),
    "offset": st.column_config.NumberColumn(
        "Offset", help="Where the first unit's field begins; negative inside the padding."
    ),
}

layers = cache.layers()
st.title("Architecture")
st.markdown(
    "AlexNet as the 2012 paper has it, on one device and here with ten outputs instead of the paper's 1,000: five "
    "convolutions, local response normalisation after the first two, three fully connected layers."
)
parameters, work = sum(row.parameters for row in layers), sum(row.multiply_adds for row in layers)
with st.grid(3, min_column_width=220):
    st.metric("Parameters", f"{parameters:,}", border=True)
    st.metric("Multiply-adds per image", f"{work / 1e9:.2f} billion", border=True)
    st.metric("Weights in memory", f"{parameters * 4 / 1e6:.0f} MB", border=True, help="As float32.")
with st.container(border=True):
    st.html(network_html(layers, (3, 227, 227)))
    st.caption(
        "A box is as tall as its maps are high, and wider with more channels; a layer without maps is tall with its "
        "number of units, on a log scale. A shape is written where it changes."
    )
table = pd.DataFrame(asdict(row) | {"output": " × ".join(f"{size:,}" for size in row.output_shape)} for row in layers)
st.dataframe(
    table, hide_index=True, column_order=list(_COLUMNS), column_config=_COLUMNS, height="content",
    alt=f"{len(layers)} layers with shape, parameters and multiply-adds",
)  # fmt: skip
st.caption(
    "Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks, NeurIPS 2012."
)
