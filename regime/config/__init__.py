"""What a run is: frozen configurations, validated once, for Python, the API, the page and permalinks alike."""

from typing import Annotated, Any

from pydantic import Field

from regime.config.base import Config, describe, named_fields
from regime.config.checkpoints import CheckpointConfig
from regime.config.files import no_files
from regime.config.monitor import MonitorConfig
from regime.config.probe import ProbeConfig
from regime.config.sweep import SweepConfig
from regime.config.toy import WORKSPACE_LIMIT, ToyConfig
from regime.errors import ConfigError, show

RunConfig = ToyConfig | ProbeConfig | CheckpointConfig
"""One run."""
Runnable = RunConfig | SweepConfig
"""What can be run."""
AnyConfig = Annotated[RunConfig | MonitorConfig, Field(discriminator="kind")]
"""What a report can be of."""
KINDS: dict[str, type[Config]] = {
    "toy": ToyConfig,
    "probe": ProbeConfig,
    "checkpoints": CheckpointConfig,
    "sweep": SweepConfig,
}

__all__ = [
    "KINDS",
    "WORKSPACE_LIMIT",
    "AnyConfig",
    "CheckpointConfig",
    "Config",
    "ConfigError",
    "MonitorConfig",
    "ProbeConfig",
    "RunConfig",
    "Runnable",
    "SweepConfig",
    "ToyConfig",
    "config_from_dict",
    "describe",
    "shared_config",
]


def config_from_dict(fields: Any, kind: str | None = None) -> Runnable:
    """Build the configuration a dict describes; `kind` is assumed where the dict names none.

    Raises:
        ConfigError: not a dict, an unknown or contradicting kind, or a bad field.
    """
    fields = named_fields(fields)
    named, allowed = fields.get("kind", kind), [kind] if kind else list(KINDS)
    if named not in allowed:
        raise ConfigError(f"kind = {show(named)} is not allowed; allowed: one of {', '.join(map(repr, allowed))}")
    return KINDS[named].from_dict(fields)


def shared_config(fields: Any, kind: str | None = None) -> Runnable:
    """Build the configuration that a visitor or a caller asks a server for: it imports no part and opens no file.

    Raises:
        ConfigError: as `config_from_dict` does, or a part of one's own is named.
    """
    with no_files():
        return config_from_dict(fields, kind).without_own()
