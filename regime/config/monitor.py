"""Configuration of a report on a network that was only watched."""

from typing import Literal

from pydantic import Field

from regime.config.base import Config


class MonitorConfig(Config):
    """What `regime.Monitor` watched, and `regime.compare` compared."""

    kind: Literal["monitor"] = "monitor"
    model: str = Field(description="class of the network")
    examples: int = Field(description="in the batch on which it was watched")
    outputs: int = Field(description="of the readout")
    seed: int = Field(default=0, description="of the random draws")
