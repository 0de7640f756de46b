"""Train the 2012 AlexNet, watch it learn, look inside it."""

from core.memory import share_one_heap
from core.threads import sleep_soon

share_one_heap()  # before anything below allocates
sleep_soon()  # before anything below loads torch

# isort: split
from core.config import TrainConfig, make_config
from core.errors import CoreError
from core.evaluation import evaluate
from core.inspection.feature_maps import FeatureMaps, feature_maps
from core.model import AlexNet
from core.prediction import Prediction, predict
from core.runs.checkpoints import load_model
from core.runs.run import Run, list_runs, load_run

__version__ = "0.1.0"
__all__ = [
    "AlexNet",
    "CoreError",
    "FeatureMaps",
    "Prediction",
    "Run",
    "TrainConfig",
    "evaluate",
    "feature_maps",
    "list_runs",
    "load_model",
    "load_run",
    "make_config",
    "predict",
]
