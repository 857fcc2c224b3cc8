"""What there is to ask for: tasks, models, claims, measures, limits, and the schemas of it all."""

from typing import Any

from regime.config.models import ADDITION
from regime.config.rows import OWN
from regime.config.tasks import OWN_MEANING, TASKS
from regime.measures.definitions import DEFINITIONS
from regime.models.sources import available
from regime.models.texts import MEANINGS
from regime.reproductions.registry import CLAIMS
from regime.reproductions.shipped import cards
from regime.resources.limits import limits
from regime.schema import schemas

ADDED = "a + b mod 59 of the shipped trajectory; other models take the tasks of probes."


def catalog() -> dict[str, Any]:
    """Return all of it as plain JSON; a task with 0 classes is a regression, with null its rows decide."""
    toys = {name: {"inputs": task.inputs, "classes": task.classes, "meaning": task.meaning} for name, task in TASKS.items()}
    toys[OWN] = {"inputs": None, "classes": None, "meaning": OWN_MEANING}
    return {
        "tasks": {"toy": toys, "probe": MEANINGS | {OWN: "Rows of your own."}, "checkpoints": {ADDITION: ADDED}},
        "models": available(),
        "claims": claims(),
        "measures": DEFINITIONS,
        "limits": limits().to_dict(),
        "schemas": schemas(),
    }


def claims() -> dict[str, dict[str, Any]]:
    """Return every published claim by its id, with the seconds that its forms took where they shipped; null: they did not."""
    took = {form: cards(form) for form in ("quick", "full")}
    seconds = {id: {form: known[id].seconds if id in known else None for form, known in took.items()} for id in CLAIMS}
    return {id: {"title": claim.title, "claim": claim.claim, "seconds": seconds[id]} for id, claim in CLAIMS.items()}
