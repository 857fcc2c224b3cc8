# The public names and the modules that define them: read by type checkers, and by `__init__.py` when a name is first used.

from regime.composer.border import find_border, stream_border
from regime.composer.compare import compare
from regime.composer.monitor import Monitor
from regime.composer.producers import stream_together
from regime.composer.search import Border
from regime.composer.session import Session
from regime.config import CheckpointConfig, ConfigError, ProbeConfig, SweepConfig, ToyConfig
from regime.config.tasks import OwnTask
from regime.dynamics.optimizers import OwnOptimizer
from regime.kernels.closed_form import gradient_flow, kernel_regression
from regime.kernels.empirical import NTK, empirical_ntk, plan_ntk
from regime.kernels.infinite import InfiniteKernel, infinite_ntk
from regime.kernels.linearization import Linearization
from regime.kernels.planning import Plan
from regime.measures.own import OwnMeasure
from regime.models.own import OwnModel
from regime.record.events import Estimate, Finished, Measured, Progress, Started
from regime.record.report import Report
from regime.runner import estimate, run, stream, within
from regime.sweep.report import SweepReport
from regime.version import __version__

__all__ = [
    "NTK",
    "Border",
    "CheckpointConfig",
    "ConfigError",
    "Estimate",
    "Finished",
    "InfiniteKernel",
    "Linearization",
    "Measured",
    "Monitor",
    "OwnMeasure",
    "OwnModel",
    "OwnOptimizer",
    "OwnTask",
    "Plan",
    "ProbeConfig",
    "Progress",
    "Report",
    "Session",
    "Started",
    "SweepConfig",
    "SweepReport",
    "ToyConfig",
    "__version__",
    "compare",
    "empirical_ntk",
    "estimate",
    "find_border",
    "gradient_flow",
    "infinite_ntk",
    "kernel_regression",
    "plan_ntk",
    "run",
    "stream",
    "stream_border",
    "stream_together",
    "within",
]
