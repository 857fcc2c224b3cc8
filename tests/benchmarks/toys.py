"""Benchmarks of the toy laboratory: `python -m tests.benchmarks.toys`, from the root of the checkout.

    p3     16 networks trained as one batch, against a PyTorch loop and against a matmul
    live   the default run: what it spends training, and what measuring

Run it on an idle machine. A load average above 0.3 of the cores at the start is noted with the results.
"""

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import nn

import regime
from regime import ToyConfig
from regime.composer.modes import in_modes
from regime.toy.experiment import Experiment
from regime.toy.producer import ToyRun
from regime.toy.training import Training
from tests.benchmarks.report import REPEATS, Section, Table, command, rounds
from tests.benchmarks.timing import CPU, in_turn, matmul_rate, matmul_turn, ratio, turn

SEEDS, SAMPLES = 16, 128
STEPS = {64: 50, 512: 5}
"""Steps in one turn, by width."""
FEW = 5
"""The same, of any other width."""
ROUNDS = 15
LIVE_ROUNDS = 5


def batched(width: int, device: torch.device = CPU) -> Callable[[], object]:
    """Steps of this package's training, all seeds at once, as runs take them."""
    run = ToyRun(ToyConfig(width=width, samples=SAMPLES, seeds=SEEDS, device=device.type))
    training = Training.start(
        run.network, run.initial, *run.data.train, alpha=1.0, centered=True, loss=run.loss, descent=run.descent
    )
    return in_modes(partial(_repeat, training.step, STEPS.get(width, FEW)))


def looped(width: int, device: torch.device = CPU) -> Callable[[], object]:
    """The same steps by modules, autograd and torch's optimizer, one seed after another."""
    x, y = ToyRun(ToyConfig(width=8, samples=SAMPLES, seeds=1, device=device.type)).data.train
    seeds = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)).to(
            device
        )
        seeds.append((model, torch.optim.SGD(model.parameters(), lr=1e-3)))

    def step() -> None:
        for model, optimizer in seeds:
            optimizer.zero_grad()
            ((model(x) - y).square().sum() / (2 * SAMPLES)).backward()
            optimizer.step()

    return partial(_repeat, step, STEPS.get(width, FEW))


def _repeat(step: Callable[[], object], times: int) -> None:
    for _ in range(times):
        step()


def operations(width: int) -> int:
    """Floating-point operations of one step: every layer forward, its weights' gradient, and its inputs' but the first's."""
    first, hidden, last = 2 * width, width * width, width
    return 2 * SEEDS * SAMPLES * (2 * first + 3 * hidden + 3 * last)


def batch_of_seeds(asked: Namespace) -> Section:
    """P3."""
    section = Section(
        "P3: training 16 seeds of an MLP", ["128 samples, 2 inputs, 2 hidden ReLU layers, full-batch descent, fp32."]
    )
    rows = []
    for width, steps in list(STEPS.items())[: 1 if asked.quick else None]:
        turns = {"batched": turn(batched(width)), "loop": turn(looped(width)), "matmul": matmul_turn()}
        seconds = in_turn(turns, rounds(asked, ROUNDS))
        faster = ratio(seconds["loop"], seconds["batched"])
        share = ratio([operations(width) * steps / matmul_rate([s]) for s in seconds["matmul"]], seconds["batched"])
        ms = {name: 1e3 * sorted(seconds[name])[len(seconds[name]) // 2] / steps for name in ("batched", "loop")}
        rows.append(
            {"width": width, "batched, ms a step": ms["batched"], "PyTorch loop, ms a step": ms["loop"]}
            | {"times faster": str(faster), "share of the matmul rate": str(share)}
        )
        section.seconds[f"width {width}"] = seconds
        if width == 64:
            section.promise("at least 5 times faster than a PyTorch loop over seeds at width 64", faster, at_least=5)
        else:
            section.promise("above 0.7 of the rate of a 2048-cubed matmul at width 512", share, at_least=0.7)
    section.tables.append(Table("Medians", rows))
    return section


@contextmanager
def clocked(seconds: dict[str, float]) -> Iterator[None]:
    """Add up the seconds spent in training steps."""
    advance = Experiment.advance

    def timed(experiment: Experiment) -> torch.Tensor:
        start = time.perf_counter()
        loss = advance(experiment)
        seconds["training"] += time.perf_counter() - start
        return loss

    Experiment.advance = timed
    try:
        yield
    finally:
        Experiment.advance = advance


def live_run(asked: Namespace) -> Section:
    """The default run: everything that is not a training step counts as measuring."""
    config = ToyConfig(width=16, samples=32, steps=20, seeds=2) if asked.quick else ToyConfig()
    section = Section("The default live run", [f"{config.to_query()}: every event consumed, all but training steps counted."])
    spent: dict[str, list[float]] = {"training": [], "measuring": []}
    counted = rounds(asked, LIVE_ROUNDS)
    for number in range(counted + 1):
        seconds, measured, start = {"training": 0.0}, 0, time.perf_counter()
        with clocked(seconds):
            for event in regime.stream(config):
                measured += event.kind == "measured"
        whole = time.perf_counter() - start
        if number or not counted:
            spent["training"].append(seconds["training"])
            spent["measuring"].append(whole - seconds["training"])
    section.seconds["live"] = spent
    section.promise("measures at least 40 times", float(measured), at_least=40)
    section.promise("measuring takes less time than training", ratio(spent["measuring"], spent["training"]), at_most=1)
    return section


if __name__ == "__main__":
    sys.exit(command("toys", __doc__, {"p3": batch_of_seeds, "live": live_run}, REPEATS))
