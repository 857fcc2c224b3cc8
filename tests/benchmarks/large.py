"""P7: an exact kernel, layer by layer, of a model of a billion parameters: passes, memory, and what was planned."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GPTNeoXConfig
from transformers.modeling_outputs import CausalLMOutputWithPast

import regime
from regime.kernels.empirical import NTK
from regime.kernels.jacobian.verify import each_gradient
from regime.kernels.planning import Plan
from tests.benchmarks.memory import status
from tests.benchmarks.report import Section, Table
from tests.benchmarks.timing import in_turn, ratio, turn

ROUNDS = 1
SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
PYTHIA_1B = dict(zip(SIZES, (2048, 8192, 16, 8, 50304), strict=True))
SMALL = dict(zip(SIZES, (128, 512, 4, 8, 512), strict=True))
EXAMPLES, TOKENS = 64, 32
PASSES, GIB, PLANNED = 1.5, 9.0, 1.5
MEMORY = int(5.2 * 2**30)
"""For the kernel, beside the model: all examples at once, whatever else is running."""

Inputs = dict[str, Tensor | int]


def model(sizes: dict[str, int], dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return a GPT-NeoX with random weights, made in the precision in which they are stored."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(GPTNeoXConfig(**sizes, use_cache=False), dtype=dtype).eval()


def batch(vocabulary: int) -> Inputs:
    """Return random tokens; the last one's logits alone are asked for."""
    ids = torch.randint(vocabulary, (EXAMPLES, TOKENS), generator=torch.Generator().manual_seed(1))
    return {"input_ids": ids, "logits_to_keep": 1}


def difference(output: CausalLMOutputWithPast, inputs: Inputs) -> Tensor:
    """Return the difference of two words' logits after the last token."""
    del inputs
    return output.logits[:, -1, :1] - output.logits[:, -1, 1:2]


def one_pass(net: nn.Module, inputs: Inputs) -> None:
    """A forward and a backward pass with the gradients of all parameters, each let go of when it is there."""
    with torch.enable_grad():
        value = difference(net(**inputs), inputs).sum()
    each_gradient(value, {"": dict(net.named_parameters())}, lambda *_: None, keep=False)


def kernel(net: nn.Module, inputs: Inputs) -> NTK:
    return regime.empirical_ntk(net, inputs, readout=difference, memory=MEMORY)


def measured(sizes: dict[str, int], threads: int, dtype: torch.dtype) -> tuple[Plan, float, int, int]:
    """Return the plan, the kernel's seconds, and the peaks of memory: of the call, above what was there, and of the process."""
    torch.set_num_threads(threads)
    net, inputs = model(sizes, dtype), batch(sizes["vocab_size"])
    plan = regime.plan_ntk(net, inputs, readout=difference, memory=MEMORY)
    before, start = status("VmRSS"), time.perf_counter()
    ntk = kernel(net, inputs)
    seconds, peak = time.perf_counter() - start, status("VmHWM")
    del ntk
    return plan, seconds, peak - before, peak


def floor(sizes: dict[str, int]) -> float:
    """Return the passes that the multiplications of the blocks' layers alone would take.

    A position goes through a weight (o, i) forward and backward. Then each pair of positions takes i + o, by symmetry once; or
    each position takes i o for the weight's gradient, as in a pass, and each pair of examples as much.
    """
    d, h = sizes["hidden_size"], sizes["intermediate_size"]
    shapes = [(d, 3 * d), (d, d), (d, h), (h, d)]
    pairs = [min(EXAMPLES * TOKENS / 2 * (i + o), (1 + EXAMPLES / TOKENS / 2) * i * o) for i, o in shapes]
    weights = sum(i * o for i, o in shapes)
    return (2 * weights + sum(pairs)) / (3 * weights)


def _apart(sizes: dict[str, int], threads: int, dtype: torch.dtype) -> tuple[Plan, float, int, int]:
    """The same in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, sizes, threads, dtype).result()


def section(rounds: int, quick: bool) -> Section:
    """Time against a pass, in turn, and memory in a fresh process."""
    sizes, threads = SMALL if quick else PYTHIA_1B, torch.get_num_threads()
    fresh = partial(measured, sizes, threads) if quick else partial(_apart, sizes, threads)
    (plan, seconds, rise, peak), (_, *half) = fresh(torch.float32), fresh(torch.bfloat16)
    net, inputs = model(sizes), batch(sizes["vocab_size"])
    calls = {"one pass": partial(one_pass, net, inputs), "ours": partial(kernel, net, inputs)}
    turns = in_turn({way: turn(call, warm=False) for way, call in calls.items()}, rounds)
    passes = ratio(turns["ours"], turns["one pass"])
    result = Section(
        f"P7: layerwise NTK of a GPT-NeoX of {sum(p.numel() for p in net.parameters()) / 1e6:.4g}M parameters, "
        f"{EXAMPLES} x {TOKENS} tokens, fp32",
        [
            "Random weights, shaped like Pythia-1b unless quick; one output an example, the difference of two words' logits.",
            "One pass: forward and backward of the batch, all parameter gradients, each let go of when it is there. "
            f"{rounds} rounds of both in turn; the multiplications alone would take {floor(sizes):.3g} passes.",
            "Memory: of a fresh process that makes the model, plans and takes the kernel, as the system counts it (VmHWM). "
            "Weights in bfloat16 are widened as each function takes them.",
        ],
    )
    result.seconds["turns"] = turns
    known = {"planned": (plan.seconds, plan.bytes, 0), "fresh process": (seconds, rise, peak)}
    known["fresh process, weights in bfloat16"] = tuple(half)
    known |= {f"{way}, in turn": (float(np.median(taken)), 0, 0) for way, taken in turns.items()}
    rows = [
        {"": name, "seconds": taken, "call's peak, GiB": top / 2**30 or "", "process's peak, GiB": whole / 2**30 or ""}
        for name, (taken, top, whole) in known.items()
    ]
    result.tables.append(Table("Seconds and memory", rows))
    result.promise(f"at most {PASSES:g} passes", passes, at_most=PASSES)
    result.promise(f"at most {GIB:g} GiB in the whole process", peak / 2**30, at_most=GIB)
    result.promise(f"seconds planned within {PLANNED:g} times", plan.seconds / seconds, at_least=1 / PLANNED, at_most=PLANNED)
    result.promise(f"bytes planned within {PLANNED:g} times", plan.bytes / rise, at_least=1 / PLANNED, at_most=PLANNED)
    return result
