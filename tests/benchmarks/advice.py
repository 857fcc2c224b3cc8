"""What verdicts, advice and borders of random settings are worth: `python -m tests.benchmarks.advice`, from the checkout.

    verdicts   40 random toys with max_seeds=32: how many have no verdict; their advice, followed with fresh seeds
    borders    where lazy ends and rich begins along alpha, in the same settings: both sides, followed with fresh seeds

Followed means run again, with max_seeds=32 and seeds that no run before had. It takes minutes.
"""

import random
import re
import sys
from argparse import Namespace
from collections.abc import Iterator
from unittest.mock import patch

import regime
from regime import Report, ToyConfig
from regime.composer import trial
from regime.composer.border import judged_at
from regime.composer.search import RANGES, Search
from regime.config.tasks import TASKS
from regime.measures.verdict import Verdict
from tests.benchmarks.report import Row, Section, Table, command

COUNT, SEED = 40, 0
CHEAP = 0.5
"""Seconds of a run, as reckoned, beyond which a setting is drawn again."""
MAX_SEEDS = 32
FRESH = 1000
"""What is added to the seed of a run that follows."""
SEARCHED = 8
"""Seeds of a border."""
BEYOND = 1.25
"""Factor past the end of a border's interval at which it is followed."""
CHOICES = {
    "task": list(TASKS),
    "width": [32, 64, 128, 256],
    "depth": [1, 2, 3],
    "activation": ["relu", "tanh", "erf", "gelu", "linear"],
    "optimizer": ["gd", "sgd", "momentum", "adam"],
    "samples": [32, 64],
    "steps": [100, 200],
}
SMALL = {"test_samples": 16, "probe_samples": 48, "measure_every": 20, "max_seeds": MAX_SEEDS}


def settings(quick: bool) -> list[ToyConfig]:
    """Random toys, alpha log-uniform from 1/16 to 16; one that costs much is drawn again. If quick, one that costs little."""
    if quick:
        return [ToyConfig(width=16, samples=16, test_samples=8, probe_samples=8, steps=10, measure_every=10, max_seeds=8)]
    chance = random.Random(SEED)
    found: list[ToyConfig] = []
    while len(found) < COUNT:
        drawn = {name: chance.choice(values) for name, values in CHOICES.items()}
        config = ToyConfig(**drawn, **SMALL, alpha=float(f"{2 ** chance.uniform(-4, 4):.3g}"))
        if trial.seconds(config, 1) < CHEAP:
            found.append(config)
    return found


def follow(config: ToyConfig, alpha: float) -> Verdict:
    """The verdict of the same run at another alpha, with fresh seeds."""
    low, high = RANGES["alpha"]
    changed = {"alpha": min(max(alpha, low), high), "seed": config.seed + FRESH}
    with patch.object(trial, "AFFORDABLE", 0.0):  # its own advice is not asked for
        return regime.run(config.model_copy(update=changed)).verdict


def told(advice: list[str]) -> Iterator[tuple[str, float]]:
    """The side and the alpha of each sentence that names one."""
    for line in advice:
        if match := re.match(r"For (lazy|rich), try output scale alpha near (\S+) ", line):
            yield match[1], float(match[2])


def verdicts(asked: Namespace) -> Section:
    """How many settings have no verdict, and how much of their advice holds."""
    section = Section(
        f"Verdicts and advice of {COUNT} random settings",
        [
            f"Seed {SEED}: {', '.join(f'{name} of {len(values)}' for name, values in CHOICES.items())}, alpha 1/16 to 16, "
            f"4 to {MAX_SEEDS} seeds; drawn again where a run is reckoned to take more than {CHEAP} s.",
            "Given: the report's advice, tried where that costs little. Extrapolated: what its last measurement advised. Both "
            f"followed at the value that is named, with fresh seeds, {MAX_SEEDS} at most.",
        ],
    )
    rows: list[Row] = []
    kept: dict[str, list[bool]] = {"given": [], "extrapolated": []}
    for config in settings(asked.quick):
        for event in regime.stream(config):
            if event.kind == "measured":
                last = event
        verdict = Report.from_dict(event.report).verdict
        row: Row = {"setting": _named(config), "verdict": verdict.label, "seeds": len(verdict.seeds)}
        row["tried"] = sum("when tried" in line for line in verdict.advice)
        for name, advice in (("given", verdict.advice), ("extrapolated", last.verdict.advice)):
            came = [(side, alpha, follow(config, alpha).label) for side, alpha in told(advice)]
            kept[name] += [side == label for side, _, label in came]
            row[name] = "; ".join(f"{side} at {alpha:g}: {label}" for side, alpha, label in came)
        rows.append(row)
        _tell(row)
    missing = sum(row["verdict"] == "no verdict" for row in rows)
    section.promise(f"without a verdict: at most 3 of {COUNT}", float(missing), at_most=3)
    for name, held in ((name, held) for name, held in kept.items() if held):
        section.promise(f"of {len(held)} pieces of advice {name}, at least 90% hold", sum(held) / len(held), at_least=0.9)
    section.tables.append(Table("Settings", rows))
    return section


def borders(asked: Namespace) -> Section:
    """How many borders hold on both sides."""
    section = Section(
        f"Borders of {COUNT} random settings",
        [
            f"`find_border(config, side=...)` along alpha, of {SEARCHED} seeds, over the whole range.",
            f"Followed a factor {BEYOND} past either end of its interval, with fresh seeds, {MAX_SEEDS} at most. It holds if "
            "both verdicts lie, interval and all, on the side of the bound that was seen at that end.",
        ],
    )
    rows: list[Row] = []
    for config in settings(asked.quick):
        for side in ("lazy", "rich")[: 1 if asked.quick else None]:
            search = Search.of(
                config.model_copy(update={"seeds": 2 if asked.quick else SEARCHED, "max_seeds": None}), "alpha", side
            )
            border = regime.find_border(search.config, side=side)
            row: Row = {"setting": _named(config), "side": side, "border": border.value or "none", "runs": len(border.seen)}
            row["95%"] = " to ".join("?" if end is None else f"{end:.3g}" for end in border.interval or ())
            row["told, and what came"], row["holds"] = "", "yes" if border.value else ""
            for end, factor in ((border.below, 1 / BEYOND), (border.above, BEYOND)):
                if end is not None:
                    alpha = end.value * factor
                    verdict = follow(config, alpha)
                    row["told, and what came"] += f"{end}: {verdict.label} at {alpha:.3g}; "
                    came = judged_at(alpha, 0.0, verdict)
                    if not (search.sure(came) and search.past(came.index) == search.past(end.index)):
                        row["holds"] = "NO"
            rows.append(row)
            _tell(row)
    if held := [row["holds"] == "yes" for row in rows if row["holds"]]:
        section.promise(f"of {len(held)} borders found, at least 95% hold", sum(held) / len(held), at_least=0.95)
    section.tables.append(Table("Borders", rows))
    return section


def _named(config: ToyConfig) -> str:
    known = {name: value for name, value in config.changes().items() if name not in SMALL and name != "csv"}
    return " ".join(f"{name}={value}" for name, value in known.items())


def _tell(row: Row) -> None:
    sys.stderr.write(f"{', '.join(f'{name}: {value}' for name, value in row.items())}\n")


if __name__ == "__main__":
    sys.exit(command("advice", __doc__, {"verdicts": verdicts, "borders": borders}))
