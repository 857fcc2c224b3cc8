"""Which regime is a network training in, lazy or rich, how sure are we, and in which layers?"""

from regime.config import ConfigError, ProbeConfig, ToyConfig
from regime.events import Finished, Measured, Progress, Started
from regime.kernels.empirical import NTK, empirical_ntk, plan_ntk
from regime.kernels.infinite import InfiniteKernel, infinite_ntk
from regime.kernels.limits import gradient_flow, kernel_regression
from regime.kernels.linearization import Linearization
from regime.kernels.planning import Plan
from regime.pipeline import Session, run, stream, stream_together
from regime.report import Report

__all__ = [
    "NTK",
    "ConfigError",
    "Finished",
    "InfiniteKernel",
    "Linearization",
    "Measured",
    "Plan",
    "ProbeConfig",
    "Progress",
    "Report",
    "Session",
    "Started",
    "ToyConfig",
    "empirical_ntk",
    "gradient_flow",
    "infinite_ntk",
    "kernel_regression",
    "plan_ntk",
    "run",
    "stream",
    "stream_together",
]
