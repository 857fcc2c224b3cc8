"""The commands that run nothing: what a run will take, and what there is to ask for."""

import argparse
import json
from typing import Any

from regime.cli.fields import configured
from regime.cli.streams import say


def answer(asked: argparse.Namespace) -> int:
    """Print an estimate or the catalog, as JSON or in lines; return the exit status.

    Raises:
        ConfigError: the configuration is refused.
    """
    known, lines = _estimate(asked) if asked.estimate else _catalog()
    say((json.dumps(known) if asked.json else "\n".join(lines)) + "\n")
    return 0


def _estimate(asked: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    from regime.runner import estimate

    config = configured(asked)
    cost = estimate(config)
    return {"kind": config.kind, **cost.to_dict()}, [f"about {cost.seconds:.0f} s, {cost.bytes / 1e6:,.0f} MB"]


def _catalog() -> tuple[dict[str, Any], list[str]]:
    from regime.catalog import catalog

    known = catalog()
    lines: list[str] = []
    for kind, tasks in known["tasks"].items():
        lines += ["", f"tasks of {kind}"]
        lines += [f"  {name}: {task['meaning'] if isinstance(task, dict) else task}" for name, task in tasks.items()]
    lines += ["", "models", *(f"  {name}" for name in known["models"])]
    lines += ["", "claims", *(f"  {id}: {claim['claim']}" for id, claim in known["claims"].items())]
    lines += ["", "measures", *(f"  {name}: {meaning}" for name, meaning in known["measures"].items())]
    lines += ["", "limits", *(f"  {name}: {limit}" for name, limit in known["limits"].items())]
    return known, lines[1:]
