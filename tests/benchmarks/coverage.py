"""How often 95% intervals hold the truth: `python -m tests.benchmarks.coverage`, from the root of the checkout.

    seeds     toys of several seeds, each repetition with other seeds and other probe points; also with seeds added (max_seeds)
    probes    one network, each repetition with other probe points
    blocks    a small transformer's blocks, the same
    laws      a power law's exponent and a boundary over widths, each repetition with other seeds

The truth is the mean of what is printed over all repetitions, which are drawn from many more seeds and points than one takes.
"""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

import regime
from regime import ToyConfig
from regime.dynamics.snapshot import GapSnapshot, Moved, Snapshot
from regime.measures.intervals import PointEstimate
from regime.record.events import Measured
from regime.record.recorder import Recorder
from regime.sweep import fits
from regime.toy import tasks
from regime.toy.producer import ToyRun
from tests.benchmarks.report import Section, Table, command

SEEDS, POINTS = 32, 512
"""Trained together, and probe points that they are measured on, for repetitions to choose from."""
PROBES = 48
BASE = {"samples": 32, "test_samples": 8, "steps": 200, "measure_every": 20, "width": 64}
TOYS = {
    "mixed: rings, ReLU, alpha 0.5": {"alpha": 0.5},
    "rich: rings, ReLU, alpha 0.05": {"alpha": 0.05},
    "smooth: rings, tanh, alpha 2": {"alpha": 2.0, "activation": "tanh"},
}
QUICK = {
    "SEEDS": 6,
    "POINTS": 16,
    "PROBES": 12,
    "BASE": BASE | {"width": 16, "steps": 4, "measure_every": 2},
    "TOYS": dict(list(TOYS.items())[:1]),
}
"""What a quick form takes instead."""
INDEX = "regime index"


class Repetition(NamedTuple):
    """What one repetition prints: estimates by name, and whose truth they are compared with."""

    group: object
    estimates: dict[str, PointEstimate]


def coverage(repetitions: list[Repetition]) -> list[dict[str, str | int | float]]:
    """Return a row for each name: how many of its intervals hold the mean of its group, and on which side the others miss."""
    rows = []
    for name in dict.fromkeys(name for repetition in repetitions for name in repetition.estimates):
        known = [(r.group, *r.estimates[name]) for r in repetitions if name in r.estimates]
        groups, value, low, high = zip(*known, strict=True)
        mean = {group: np.mean([v for g, v in zip(groups, value, strict=True) if g == group]) for group in set(groups)}
        truth = np.array([mean[group] for group in groups])
        below, above = truth < np.array(low), truth > np.array(high)
        held = 1 - np.mean(below | above)
        error = (held * (1 - held) / len(known)) ** 0.5
        row = {"interval of": name, "repetitions": len(known), "holds the truth": f"{100 * held:.1f} +- {100 * error:.1f}%"}
        rows.append(row | {"truth below it": f"{100 * below.mean():.1f}%", "above": f"{100 * above.mean():.1f}%"})
    return rows


def pool(config: ToyConfig, probes: int) -> list[GapSnapshot | Snapshot]:
    """Return a run's start, glances and end on probe points of their own: those of another data seed."""
    run = ToyRun(config)
    other = tasks.draw_data(config.model_copy(update={"data_seed": probes}), run.device, run.dtype)
    run.data = run.data._replace(probe=other.probe)
    return [item for item in run.endpoints() if isinstance(item, GapSnapshot | Snapshot)]


def measured(items: list[GapSnapshot | Snapshot], config: ToyConfig, seeds: list[int], points: Tensor) -> Measured:
    """Return what is measured of some of the seeds on some of the probe points."""
    recorder = Recorder(config, 1.0, [], config.steps)
    for item in items:
        if isinstance(item, GapSnapshot):
            recorder.record_gap(item._replace(outputs=item.outputs[seeds][:, points], linear=item.linear[seeds][:, points]))
        elif recorder.baseline is None:
            recorder.begin(_on(item.rows(seeds), points))
        else:
            recorder.record(_on(item.rows(seeds), points), 0.0, 0.0)
    return recorder.history[-1]


def _on(snapshot: Snapshot, points: Tensor) -> Snapshot:
    parts = {
        name: {key: value[:, points] for key, value in getattr(snapshot, name).items()}
        for name in ("linear", "representations")
    }
    kernels = {layer: kernel[:, points][:, :, points] for layer, kernel in snapshot.kernels.items()}
    moved = {layer: Moved(*(part[:, points] for part in pair)) for layer, pair in snapshot.moved.items()}
    return replace(snapshot, **parts, kernels=kernels, moved=moved, outputs=snapshot.outputs[:, points])


def _printed(event: Measured) -> dict[str, PointEstimate]:
    printed = {name: PointEstimate(event.measures[name], *interval) for name, interval in event.intervals.items()}
    verdict = event.verdict
    return printed if verdict.interval is None else printed | {INDEX: PointEstimate(verdict.index, *verdict.interval)}


def of_seeds(fields: dict, seeds: int, pools: int, each: int, max_seeds: int | None = None) -> Iterator[Repetition]:
    """Repeat a toy with other seeds and other probe points."""
    rng = np.random.default_rng(0)
    for number in range(pools):
        config = ToyConfig(**BASE | fields, probe_samples=POINTS, seeds=SEEDS, seed=number * SEEDS)
        items = pool(config, 1000 + number)
        small = config.model_copy(update={"seeds": seeds, "max_seeds": max_seeds})
        for _ in range(each):
            order, points = rng.permutation(SEEDS).tolist(), torch.as_tensor(rng.permutation(POINTS)[:PROBES])
            ran = seeds
            event = measured(items, small, order[:ran], points)
            while event.verdict.straddles and (more := small.further(ran, 1.0)) is not None:
                ran += more.seeds
                event = measured(items, small, order[:ran], points)
            yield Repetition(None, _printed(event))


def of_probes(fields: dict, pools: int) -> Iterator[Repetition]:
    """Measure networks, each on many sets of probe points."""
    rng = np.random.default_rng(0)
    config = ToyConfig(**BASE | fields, probe_samples=POINTS, seeds=SEEDS)
    for number in range(pools):
        items = pool(config, 1000 + number)
        for seed in range(SEEDS):
            points = torch.as_tensor(rng.permutation(POINTS)[:PROBES])
            event = measured(items, config.model_copy(update={"seeds": 1}), [seed], points)
            yield Repetition(seed, _printed(event))


def of_blocks(repetitions: int) -> Iterator[Repetition]:
    """Compare a small BERT before and after some steps on other texts, block by block."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    before, after = (
        BertForSequenceClassification(BertConfig(vocab_size=64, max_position_embeddings=16, **size)).eval() for _ in range(2)
    )
    after.load_state_dict(before.state_dict())
    texts, optimizer = torch.randint(64, (64, 8)), torch.optim.SGD(after.parameters(), 0.05)
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(after(input_ids=texts).logits, (texts[:, 0] < 32).long()).backward()
        optimizer.step()
    for _ in range(repetitions):
        batch = {"input_ids": torch.randint(64, (PROBES, 8))}
        report = regime.compare(before, after, batch, readout=lambda output, _: output.logits)
        for row in report.blocks:
            known = {name: PointEstimate(row[name], *ends) for name, ends in row["intervals"].items()}
            yield Repetition(row["block"], known)


WIDTHS, ALPHAS = (16, 32, 64, 128), (0.25, 0.5, 1.0, 2.0, 4.0)


def of_laws(repetitions: int, seeds: int = 5, pools: int = 4) -> Iterator[Repetition]:
    """Fit kernel_change over widths, at alpha 1 and as a boundary, each time of other seeds."""
    table = np.concatenate([_kernel_changes(number * SEEDS) for number in range(pools)], 2)
    rng = np.random.default_rng(0)
    level = float(np.exp(np.log(table).mean()))
    for _ in range(repetitions):
        y = np.stack([part[:, rng.permutation(pools * SEEDS)[:seeds]] for part in table])  # of each width other networks
        edge = fits.boundary(np.array(WIDTHS), np.array(ALPHAS), y, level, paired=True)
        found = {f"alpha on the boundary, width {size:g}": c for size, c in zip(edge.sizes, edge.crossings, strict=True)}
        law = fits.power_law(np.array(WIDTHS), y[:, ALPHAS.index(1.0)])
        yield Repetition(None, {"exponent": law.exponent, "exponent of the boundary": edge.exponent, **found})


def _kernel_changes(seed: int) -> np.ndarray:
    """Return kernel_change by width, alpha and seed."""
    rows = []
    for width in WIDTHS:
        fields = BASE | {"width": width, "probe_samples": PROBES, "activation": "tanh", "seeds": SEEDS, "seed": seed}
        cells = [ToyConfig(**fields, alpha=alpha) for alpha in ALPHAS]
        recorders = [Recorder(cell, 1.0, [], cell.steps) for cell in cells]
        for item in ToyRun(cells).endpoints():
            if isinstance(item, Snapshot):
                recorder = recorders[item.cell]
                recorder.record(item, 0.0, 0.0) if recorder.baseline else recorder.begin(item)
        rows.append([recorder.history[-1].seeds["kernel_change"] for recorder in recorders])
    return np.array(rows)


def _sized(section: Callable[[Namespace], Section]) -> Callable[[Namespace], Section]:
    """Return the section that takes few seeds, points and steps if it is to be quick."""

    def sized(asked: Namespace) -> Section:
        with patch.dict(globals(), QUICK if asked.quick else {}):
            return section(asked)

    return sized


def seeds(asked: Namespace) -> Section:
    section = Section(f"Several seeds, {PROBES} probe points", ["Seeds and probe points are others in each repetition."])
    times = (1, 2) if asked.quick else (16, 30)
    for name, fields in TOYS.items():
        section.tables.append(Table(f"{name}, four seeds", coverage(list(of_seeds(fields, 4, *times)))))
    added = coverage(list(of_seeds(next(iter(TOYS.values())), 4, *times, max_seeds=16)))
    section.tables.append(Table("mixed, four seeds and up to 16 while the verdict straddles a bound", added))
    return section


def probes(asked: Namespace) -> Section:
    section = Section(f"One seed, {PROBES} probe points", ["The truth is each network's own; probe points are others in each."])
    for name, fields in TOYS.items():
        section.tables.append(Table(f"{name}, one seed", coverage(list(of_probes(fields, 1 if asked.quick else 16)))))
    return section


def blocks(asked: Namespace) -> Section:
    section = Section(
        "Blocks of a small BERT, 48 texts", ["Two blocks, embeddings and head; texts are others in each repetition."]
    )
    section.tables.append(Table("all blocks together", coverage(list(of_blocks(2 if asked.quick else 200)))))
    return section


def sweep_fits(asked: Namespace) -> Section:
    section = Section("Fits over widths 16 to 128, five seeds", ["kernel_change of tanh networks; a boundary in alpha."])
    repetitions = list(of_laws(2, pools=1) if asked.quick else of_laws(1000))
    section.tables.append(Table("exponents and crossings", coverage(repetitions)))
    return section


if __name__ == "__main__":
    sections = {"seeds": seeds, "probes": probes, "blocks": blocks, "laws": sweep_fits}
    sys.exit(command("coverage", __doc__, {name: _sized(section) for name, section in sections.items()}))
