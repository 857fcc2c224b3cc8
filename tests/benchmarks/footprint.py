"""P6: memory of a kernel of many examples, against its output."""

import inspect
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from transformers import BertConfig, BertModel

import regime
from regime.kernels.empirical import NTK
from regime.models.readout import HeadReadout
from tests.benchmarks.memory import peak
from tests.benchmarks.mlp import Size, inputs, network
from tests.benchmarks.report import Row, Section, Table
from tests.benchmarks.timing import slope

MLP = Size(4096, 64, 512, 3, 1)
MLP_EXAMPLES = (2048, 4096, 8192)
BERT_EXAMPLES = (512, 1024, 2048)
BERT_TOKENS = 16
BERT = {
    "vocab_size": 1000,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "max_position_embeddings": 64,
}
OUTPUTS = 2.0
WORKSPACE = 256 * 2**20
"""The fixed part of the budget, where one is given: twice the output and this."""
ITEM = 4
MIB = 2**20


def budgeted() -> bool:
    """Whether `empirical_ntk` takes a budget."""
    return "memory" in inspect.signature(regime.empirical_ntk).parameters


def _kernel(model: torch.nn.Module, batch: object, n: int, budget: bool) -> NTK:
    options = {"memory": int(OUTPUTS * ITEM * n**2) + WORKSPACE} if budget else {}
    return regime.empirical_ntk(model, batch, group="total", **options)


def mlp(n: int, budget: bool) -> Callable[[], NTK]:
    """The call for an MLP, after a small one."""
    net = network(MLP)
    regime.empirical_ntk(net, inputs(MLP._replace(n=8)), group="total")
    return partial(_kernel, net, inputs(MLP._replace(n=n)), n, budget)


def bert(n: int, budget: bool) -> Callable[[], NTK]:
    """The call for a small transformer with random weights and a mean-pooled readout, after a small one."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = HeadReadout(BertModel(BertConfig(**BERT)).eval(), "mean", 1, seed=0)
    ids = torch.randint(BERT["vocab_size"], (n, BERT_TOKENS), generator=torch.Generator().manual_seed(1))
    tokens = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    regime.empirical_ntk(net, {name: tensor[:8] for name, tensor in tokens.items()}, group="total")
    return partial(_kernel, net, tokens, n, budget)


MODELS = {"MLP": (mlp, MLP_EXAMPLES), "small BERT": (bert, BERT_EXAMPLES)}


def section(quick: bool) -> Section:
    """Peaks by number of examples, and the line through them."""
    result = Section(
        "P6: peak memory of empirical_ntk(group='total', outputs='trace') against its output, fp32",
        [
            f"MLP: {MLP.inputs} inputs, {MLP.hidden} hidden layers of {MLP.width}, 1 output. Small BERT: "
            f"{BERT['num_hidden_layers']} blocks of width {BERT['hidden_size']}, {BERT_TOKENS} tokens.",
            "Peak: of resident memory, in a fresh process, above what it is with model and inputs there and one kernel of 8 "
            "examples computed; the output is in it. Budget: memory = twice the output + 256 MiB, if the function takes one.",
            "Fit: peak = workspace + times output, least squares; the misfit is the largest distance from that line. Beyond is "
            "peak - 2 output: where it stays the same, the workspace is fixed; its exponent in n is 0 for a fixed one, 1 for "
            "one that grows with the examples.",
        ],
    )
    rows, fits = [], []
    for budget in (False, True) if budgeted() else (False,):
        for name, (prepare, examples) in MODELS.items():
            sizes = (16, 32, 64) if quick else examples
            measured = [(n, peak(prepare, n, budget, threads=torch.get_num_threads(), fresh=not quick)) for n in sizes]
            label = f"{name}, {'with' if budget else 'no'} budget"
            rows += [_row(label, n, used) for n, used in measured]
            fit = _fit(label, measured)
            fits.append(fit)
            if name == "MLP":
                promise = f"{label}: at most {OUTPUTS:g} times the output and a fixed workspace"
                result.promise(promise, fit["times output"], at_most=OUTPUTS)
    result.tables += [Table("Peaks", rows), Table("Fits", fits)]
    return result


def _row(label: str, n: int, used: int) -> Row:
    output = ITEM * n**2
    return {
        "model": label,
        "n": n,
        "output MiB": output / MIB,
        "peak MiB": used / MIB,
        "peak / output": used / output,
        "beyond MiB": (used - OUTPUTS * output) / MIB,
    }


def _fit(label: str, measured: list[tuple[int, int]]) -> Row:
    """peak = workspace + times * output."""
    examples, used = np.array(measured, dtype=float).T
    outputs = ITEM * examples**2
    times, workspace = np.polyfit(outputs, used, 1)
    misfit = np.abs(workspace + times * outputs - used).max()
    beyond = used - OUTPUTS * outputs
    growth = f"{slope(examples, beyond):.2f}" if (beyond > 0).all() else "none beyond"
    return {
        "model": label,
        "workspace MiB": float(workspace / MIB),
        "times output": float(times),
        "misfit MiB": float(misfit / MIB),
        "exponent of beyond": growth,
    }
