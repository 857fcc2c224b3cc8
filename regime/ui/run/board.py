"""The state of one run as a page shows it: its events, folded. A live run and its loaded report end in the same board."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self

Status = Literal["waiting", "running", "paused", "finished", "stopped"]


@dataclass
class Board:
    """State of one visitor's run, from which everything is drawn; so everything drawn is also in the API's events."""

    config: dict[str, Any]
    started: dict[str, Any] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    """Measured events; only the last one keeps its pictures."""
    tick: dict[str, Any] | None = None
    """The last event that carried a step and the time left."""
    report: dict[str, Any] | None = None
    status: Status = "running"

    @classmethod
    def replay(cls, events: list[dict[str, Any]], **more: Any) -> Self:
        """Return the board at the end of some events, such as a saved run's; with `more` of its fields."""
        board = cls(config={}, **more)
        for event in events:
            board.take(event)
        return board

    def take(self, event: dict[str, Any]) -> None:
        """Fold an event into the board."""
        match event["kind"]:
            case "started":
                self.started, self.config = event, event["config"]
            case "progress":
                self.tick = event
            case "measured":
                if self.history:
                    self.history[-1] = self.history[-1] | {"view": {}}
                self.history.append(event)
                self.tick = event
            case "finished":
                self.report, self.status = event["report"], "finished"
                self.config, self.history = self.report["config"], self.report["history"]
                self.tick = self.history[-1]

    opening = 1
    """Measurements that a run begins with: that of step 0."""

    def stop(self) -> None:
        """Mark a run that ended before its last step and cannot go on; what it reached stays."""
        if self.status == "running":
            self.status = "stopped"

    @property
    def last(self) -> dict[str, Any] | None:
        """The newest measurement."""
        return self.history[-1] if self.history else None

    @property
    def steps(self) -> int:
        """The last step of the run, as far as it is known."""
        return self.tick["steps"] if self.tick else self.config.get("steps", 0)

    @property
    def step(self) -> int:
        """The step that the run has reached."""
        return self.tick["step"] if self.tick else 0
