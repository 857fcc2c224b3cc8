"""Benchmark of `regime.Monitor` in a fine-tuning loop: `python -m tests.benchmarks.monitor`, from the root of the checkout.

    p9    MiniLM, 32 sentences of 32 tokens a step: what measuring 20 times takes of a loop of 1,000 steps

Run it on an idle machine. A load average above 0.3 of the cores at the start is noted with the results.
"""

import sys
from argparse import Namespace

import torch
from torch import nn

import regime
from tests.benchmarks.report import REPEATS, Section, Table, command, rounds
from tests.benchmarks.timing import in_turn, ratio, turn
from tests.benchmarks.transformer import VARIANTS, batch, model

SENTENCES, STEPS, MEASUREMENTS = 32, 1000, 20
ROUNDS = 7
EACH = 5
"""Steps in one turn."""


def fine_tuning(asked: Namespace) -> Section:
    """P9: steps of AdamW in training mode, and measurements, in turn."""
    section = Section(
        "P9: Monitor in a fine-tuning loop", [f"{STEPS} steps, {MEASUREMENTS} measurements on {SENTENCES} sentences; fp32."]
    )
    net = model(1 if asked.quick else None)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-5)
    inputs, labels = batch(VARIANTS[1], SENTENCES), torch.arange(SENTENCES) % 2
    probe = {name: tensor.flip(0) for name, tensor in batch(VARIANTS[0], SENTENCES).items()}
    monitor = regime.Monitor(net, probe)
    done = 0

    def steps() -> None:
        net.train()
        for _ in range(EACH):
            optimizer.zero_grad()
            nn.functional.soft_margin_loss(net(**inputs).squeeze(-1), 2.0 * labels - 1).backward()
            optimizer.step()

    def measure() -> None:
        nonlocal done
        done += 1
        monitor.measure(done)

    seconds = in_turn({"steps": turn(steps, warm=False), "measurement": turn(measure, warm=False)}, rounds(asked, ROUNDS))
    share = ratio([MEASUREMENTS * s for s in seconds["measurement"]], [STEPS / EACH * s for s in seconds["steps"]])
    section.promise("at most 5% of the loop's time", share, at_most=0.05)
    told = monitor.estimate.seconds
    medians = {name: sorted(values)[len(values) // 2] for name, values in seconds.items()}
    section.tables.append(
        Table(
            "Medians",
            [
                {"what": "a step, s", "value": medians["steps"] / EACH},
                {"what": "a measurement, s", "value": medians["measurement"]},
                {"what": "a measurement as told beforehand, s", "value": told},
                {"what": "steps in the time of a measurement", "value": medians["measurement"] / medians["steps"] * EACH},
            ],
        )
    )
    section.seconds["loop"] = seconds
    return section


if __name__ == "__main__":
    sys.exit(command("monitor", __doc__, {"p9": fine_tuning}, REPEATS))
