"""Where runs and data lie: where the command line has them."""

from core.paths import ROOT, data_dir, runs_dir

__all__ = ["ROOT", "data_dir", "runs_dir"]
