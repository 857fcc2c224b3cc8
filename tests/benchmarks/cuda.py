"""Benchmarks on one GPU: `python -m tests.benchmarks.cuda`, from the root of the checkout.

    p1     MLPs against per-example Jacobians by torch.func     p6     memory for many examples
    p2     MiniLM against one pass and torch.func               p7     a transformer of a billion parameters
    p3     16 toy networks trained as one batch                 waits  how often the CPU waits for the GPU

Without a GPU, --quick tries the code on the CPU, and nothing else runs.
"""

import sys
import warnings
from argparse import Namespace
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from transformers import GPTNeoXConfig, GPTNeoXModel

import regime
from regime.models.readout import HeadReadout
from tests.benchmarks import mlp, toys, transformer
from tests.benchmarks.report import REPEATS, NotRunError, Row, Section, Table, command, rounds
from tests.benchmarks.timing import finish, geometric_mean, in_turn, matmul_rate, matmul_turn, ratio, turn
from tests.models import tiny

ROUNDS = 15
AGREEMENT = 1e-4
MIB = 2**20
SENTENCES = (64, 256)
WIDTHS = (64, 512, 2048)
EXAMPLES = (4096, 8192, 16384)
PYTHIA = {
    "hidden_size": 2048,
    "num_hidden_layers": 16,
    "num_attention_heads": 8,
    "intermediate_size": 8192,
    "vocab_size": 50304,
}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 300}


def device(asked: Namespace) -> torch.device:
    """Return the GPU; if quick, the CPU where there is none.

    Raises:
        NotRunError: there is none, and this is not quick.
    """
    if not torch.cuda.is_available() and not asked.quick:
        raise NotRunError("there is no GPU")
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def began(title: str, *notes: str) -> Section:
    return Section(title, [*notes, "Turns begin and end with the GPU idle; no product of float32 is rounded to TF32."])


def by_jacobians(net: nn.Sequential, x: Tensor) -> Callable[[], Tensor]:
    """The same kernel by torch.func: every example's Jacobian, and its products with all others."""
    parameters = {name: parameter.detach() for name, parameter in net.named_parameters()}

    def output(parameters: dict[str, Tensor], one: Tensor) -> Tensor:
        return functional_call(net, parameters, (one[None],))[0]

    def kernel() -> Tensor:
        jacobians = vmap(jacrev(output), (None, 0))(parameters, x)
        whole = sum((j := each.flatten(0, 1).flatten(1)) @ j.T for each in jacobians.values())
        return whole.unflatten(1, (len(x), -1)).unflatten(0, (len(x), -1)).transpose(1, 2)

    return kernel


def networks(asked: Namespace) -> Section:
    """P1."""
    place = device(asked)
    section = began(
        "P1: all-layer NTK of an MLP, fp32, all output pairs, against torch.func",
        "Ours: empirical_ntk(outputs='full', group='total'), with its check of every layer; peer: vmap of jacrev, and the "
        "Jacobians' products, without any. neural-tangents was not tried: it needs an old jax.",
        "Share: counted flops / time / rate of a 2048-cubed fp32 matmul timed in the same rounds.",
    )
    rows, ratios, errors = [], [], []
    for size in mlp.CASES[: 1 if asked.quick else None]:
        net, x = mlp.network(size).to(place), mlp.inputs(size).to(place)
        ours, peer = mlp._kernel(net, x, "total"), by_jacobians(net, x)
        turns = {"ours": turn(ours), "torch.func": turn(peer), "matmul": matmul_turn(place)}
        seconds = in_turn(turns, rounds(asked, ROUNDS))
        section.seconds[str(tuple(size))] = seconds
        medians = {name: float(np.median(taken)) for name, taken in seconds.items()}
        errors.append(relative(peer(), ours()))
        ratios.append(ratio(seconds["torch.func"], seconds["ours"]))
        share = mlp.flops(size, "full", symmetric=True) / medians["ours"] / matmul_rate(seconds["matmul"])
        row: Row = {"case": str(tuple(size))} | {name: 1e3 * median for name, median in medians.items()}
        rows.append(row | {"times faster": str(ratios[-1]), "share": share, "error": f"{errors[-1]:.1e}"})
    section.tables.append(Table("Milliseconds (n, inputs, width, hidden layers, outputs)", rows))
    section.promise("faster than torch.func in geometric mean", geometric_mean(ratios), at_least=1)
    section.promise(f"the kernels agree within {AGREEMENT:g}", max(errors), at_most=AGREEMENT)
    return section


def relative(one: Tensor, two: Tensor) -> float:
    """||one - two|| / ||two||."""
    return float((one.double() - two.double()).norm() / two.double().norm())


def peak(call: Callable[[], object]) -> int:
    """Return the bytes of the GPU that a call needs at most beyond what is held before; 0 without one."""
    if not torch.cuda.is_available():
        return 0
    call()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = call()
    finish()
    del result
    return torch.cuda.max_memory_allocated() - before


def sentences(asked: Namespace) -> Section:
    """P2."""
    place = device(asked)
    section = began(
        f"P2: layerwise NTK of all parameters of MiniLM, sentences of {transformer.TOKENS} random tokens, fp32, trace",
        "One pass: forward and backward of the batch, all parameter gradients. Per-example gradients: a loop over examples, "
        "and torch.func.vmap (eager attention, ready-made mask).",
        "Memory: the peak of what is allocated on the GPU beyond model and batch.",
    )
    net = transformer.model(1 if asked.quick else None).to(place)
    for count in [4] if asked.quick else SENTENCES:
        inputs = {name: part.to(place) for name, part in transformer.batch(transformer.VARIANTS[1], count).items()}
        calls = {way: partial(call, net, inputs) for way, call in transformer.WAYS.items()}
        if count > SENTENCES[0]:
            del calls["per example, loop"]
        memory = {way: peak(call) for way, call in calls.items()}
        seconds = in_turn({way: turn(call, warm=False) for way, call in calls.items()}, rounds(asked, transformer.ROUNDS))
        section.seconds[f"{count} sentences"] = seconds
        rows: list[Row] = [
            {"way": way, "ms": 1e3 * float(np.median(taken)), "passes": str(ratio(taken, seconds["one pass"]))}
            | {"peak MiB": memory[way] / MIB}
            for way, taken in seconds.items()
        ]
        section.tables.append(Table(f"{count} sentences", rows))
        error = relative(sum(calls["per example, vmap"]().values()), calls["ours"]().total)
        section.promise(f"{count}: at most 1.7 passes", ratio(seconds["ours"], seconds["one pass"]), at_most=1.7)
        faster = ratio(seconds["per example, vmap"], seconds["ours"])
        section.promise(f"{count}: 5 times faster than vmap", faster, at_least=5)
        section.promise(f"{count}: vmap agrees within {AGREEMENT:g}", error, at_most=AGREEMENT)
    return section


def seeds(asked: Namespace) -> Section:
    """P3."""
    place = device(asked)
    section = began("P3: training 16 seeds of an MLP", "128 samples, 2 inputs, 2 hidden ReLU layers, full-batch descent, fp32.")
    table: list[Row] = []
    for width in [8] if asked.quick else WIDTHS:
        turns = {
            "batched": turn(toys.batched(width, place)),
            "loop": turn(toys.looped(width, place)),
            "matmul": matmul_turn(place),
        }
        seconds, steps = in_turn(turns, rounds(asked, ROUNDS)), toys.STEPS.get(width, toys.FEW)
        section.seconds[f"width {width}"] = seconds
        faster = ratio(seconds["loop"], seconds["batched"])
        share = ratio([toys.operations(width) * steps / matmul_rate([s]) for s in seconds["matmul"]], seconds["batched"])
        ms = {name: 1e3 * float(np.median(seconds[name])) / steps for name in ("batched", "loop")}
        row: Row = {"width": width, "batched, ms a step": ms["batched"], "PyTorch loop, ms a step": ms["loop"]}
        table.append(row | {"times faster": str(faster), "share of the matmul rate": str(share)})
        section.promise(f"width {width}: at least 5 times faster than a PyTorch loop over seeds", faster, at_least=5)
    section.tables.append(Table("Medians", table))
    return section


def memory(asked: Namespace) -> Section:
    """P6."""
    place, rows = device(asked), []
    section = began(
        "P6: peak memory of empirical_ntk(group='total', outputs='trace') against its output, fp32",
        "64 inputs, 3 hidden layers of 512, 1 output. Peak: of what is allocated on the GPU beyond model and inputs.",
    )
    for n in [64] if asked.quick else EXAMPLES:
        size = mlp.Size(n, 64, 512, 3, 1)
        used = peak(partial(regime.empirical_ntk, mlp.network(size).to(place), mlp.inputs(size).to(place), group="total"))
        output = 4 * n * n
        rows.append({"n": n, "output MiB": output / MIB, "peak MiB": used / MIB, "peak / output": used / output})
    section.tables.append(Table("Peaks", rows))
    section.promise("at most 2.1 times the output for the most examples", rows[-1]["peak / output"], at_most=2.1)
    return section


def billion(asked: Namespace) -> Section:
    """P7."""
    place, config = device(asked), GPTNeoXConfig(**(SMALL if asked.quick else PYTHIA))
    count, tokens = (4, 8) if asked.quick else (64, 32)
    section = began(
        f"P7: exact per-layer NTK of a Pythia-1b-shaped transformer, random weights, {count} x {tokens} tokens, fp32, trace",
        "The mean over tokens through a random readout. Memory: the peak of what is allocated on the GPU beyond model, batch.",
    )
    with torch.random.fork_rng(devices=[]), torch.device(place):
        torch.manual_seed(0)
        net = HeadReadout(GPTNeoXModel(config).eval(), "mean", 1, seed=0).to(place)
    ids = torch.randint(config.vocab_size, (count, tokens), generator=torch.Generator().manual_seed(1)).to(place)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    told = regime.plan_ntk(net, batch)
    calls = {"one pass": partial(transformer.one_pass, net, batch), "ours": partial(transformer.kernel, net, batch)}
    used = {name: peak(call) for name, call in calls.items()}
    seconds = in_turn({name: turn(call, warm=False) for name, call in calls.items()}, rounds(asked, 5))
    section.seconds["Pythia-1b's shape"] = seconds
    kernel = calls["ours"]()
    whole = float(np.median(seconds["ours"]))
    section.tables.append(
        Table(
            f"{sum(p.numel() for p in net.parameters()) / 1e9:.2f} billion parameters, {len(kernel.layers)} layers",
            [
                {"way": name, "ms": 1e3 * float(np.median(taken)), "peak GiB": used[name] / 2**30}
                for name, taken in seconds.items()
            ]
            + [{"way": "ours, as planned", "ms": 1e3 * told.seconds, "peak GiB": told.bytes / 2**30}],
        )
    )
    finite = all(bool(each.isfinite().all()) for each in kernel.layers.values() if each is not None)
    section.promise("every layer's kernel is finite", float(finite), at_least=1)
    section.promise("at most 1.5 passes", ratio(seconds["ours"], seconds["one pass"]), at_most=1.5)
    if used["ours"]:
        section.promise("bytes within the plan", used["ours"] / told.bytes, at_most=1)
        section.promise("bytes at least the plan's over 1.5", used["ours"] / told.bytes, at_least=1 / 1.5)
    section.promise("seconds at most 1.5 times the plan's", whole / told.seconds, at_most=1.5)
    section.promise("seconds at least the plan's over 1.5", whole / told.seconds, at_least=1 / 1.5)
    return section


def waited(call: Callable[[], object]) -> int:
    """How often a call makes the CPU wait for the GPU, as torch counts it."""
    if not torch.cuda.is_available():
        call()
        return 0
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            call()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(each.message) for each in found)


def trained(config: type, steps: int, **fields: object) -> None:
    """A run that measures at its start and its end alone."""
    list(regime.stream(config(steps=steps, measure_every=steps, **fields)))


def waits(asked: Namespace) -> Section:
    """How often the CPU waits for the GPU."""
    place = device(asked)
    section = began(
        "How often the CPU waits for the GPU",
        "Counted by torch.cuda.set_sync_debug_mode. Of a step: a long run's waits less a short one's, over the steps between.",
    )
    size = mlp.CASES[0]
    net, x = mlp.network(size).to(place), mlp.inputs(size).to(place)
    encoder = transformer.model(1 if asked.quick else None).to(place)
    inputs = {name: part.to(place) for name, part in transformer.batch(transformer.VARIANTS[1], 4).items()}
    layers = len(transformer.kernel(encoder, inputs).layers)
    probe = {"samples": 8, "probe_samples": 8, "max_tokens": 16, "device": place.type}
    toy = {"samples": 32, "width": 32, "seeds": 2, "device": place.type}
    few, many = (1, 2) if asked.quick else (2, 22)
    found: dict[str, float] = {
        "kernel of an MLP of 4 layers": waited(mlp._kernel(net, x, "total")),
        f"kernel of MiniLM's {layers} layers": waited(partial(transformer.kernel, encoder, inputs)),
    }
    with tiny.named() if asked.quick else nullcontext("minilm") as model:
        for name, config, fields in (("toy", regime.ToyConfig, toy), ("probe", regime.ProbeConfig, {**probe, "model": model})):
            trained(config, few, **fields)  # the first run loads and times what later ones find
            one, two = (waited(partial(trained, config, steps, **fields)) for steps in (few, many))
            found[f"step of a {name}"] = (two - one) / (many - few)
    section.tables.append(Table("Waits", [{"what": name, "waits": value} for name, value in found.items()]))
    section.promise("a toy's step waits once at most: has it diverged?", found["step of a toy"], at_most=1)
    return section


SECTIONS = {"p1": networks, "p2": sentences, "p3": seeds, "p6": memory, "p7": billion, "waits": waits}


if __name__ == "__main__":
    sys.exit(command("cuda", __doc__, SECTIONS, REPEATS))
