"""Which regime is a network training in, lazy or rich, how sure are we, and in which layers?"""

from regime.config import ConfigError, ProbeConfig, ToyConfig
from regime.events import Finished, Measured, Progress, Started
from regime.kernels.empirical import NTK, empirical_ntk
from regime.pipeline import run, stream
from regime.report import Report

__all__ = [
    "NTK",
    "ConfigError",
    "Finished",
    "Measured",
    "ProbeConfig",
    "Progress",
    "Report",
    "Started",
    "ToyConfig",
    "empirical_ntk",
    "run",
    "stream",
]
