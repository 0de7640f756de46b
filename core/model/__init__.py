"""The 2012 AlexNet, its layer table and its local response normalisation."""

from core.model.alexnet import CONV_LAYERS, AlexNet, InputSpec
from core.model.layers import LayerInfo, layer_table
from core.model.lrn import local_response_norm

__all__ = ["CONV_LAYERS", "AlexNet", "InputSpec", "LayerInfo", "layer_table", "local_response_norm"]
