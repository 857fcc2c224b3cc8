"""Probes of real weights: what they cost against what was told beforehand, and two published claims as measured tables.

    python -m tests.benchmarks.probes [--only costs after prompts] [--quick] [--write]

costs    minilm, 64 sentences of 32 tokens, 50 steps, measured 11 times, the page's first preset, and two others: seconds,
         memory, estimates.
after    S14 (Fort et al. 2020): kernel regression with the kernel after training against that before, on held-out sentences.
prompts  S16 (Malladi et al. 2023): the Taylor gap of a prompt-style readout against that of a new head, at equal loss, on a
         small language model that is trained for this on 900 of the review sentences, each with its prompt and the right word.
"""

import json
import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from math import log
from pathlib import Path
from unittest.mock import patch

import torch
from scipy.stats import t as student

import regime
from tests.benchmarks.report import Row, Section, Table, command
from tests.models import tiny

SEEDS = range(5)
COSTS = {
    "stated": {"samples": 64, "probe_samples": 32, "max_tokens": 32, "steps": 50, "measure_every": 5},
    "first preset": {"samples": 32, "steps": 12, "measure_every": 2},
    "sgd, no forecast": {"samples": 32, "max_tokens": 24, "steps": 20, "optimizer": "sgd", "forecast": False},
    "two seeds": {"samples": 32, "probe_samples": 16, "steps": 10, "measure_every": 5, "seeds": 2, "readout": "last"},
}
QUICK = {"samples": 8, "probe_samples": 8, "max_tokens": 8, "steps": 1, "measure_every": 1}
ONE = """
import json, resource, sys, time
import regime
from regime.models import loading

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

config = regime.ProbeConfig(**json.loads(sys.argv[1]))
loading.load(config.model)
before = peak()
told = regime.estimate(config)
start = time.perf_counter()
report = regime.run(config)
seconds = time.perf_counter() - start
print(json.dumps([seconds, told.seconds, peak(), peak() - before, told.bytes, len(report.history), len(report.layers)]))
"""


def named(quick: bool) -> AbstractContextManager[str]:
    """The model's name; if quick, that of a tiny one, while it is there."""
    return tiny.named() if quick else nullcontext("minilm")


def costs(asked: Namespace) -> Section:
    """Each configuration in a process of its own."""
    section = Section(
        "What probes of minilm cost", ["Memory is the process's peak; 'added' what it grew by since the model was loaded."]
    )
    rows: list[Row] = []
    for name, fields in ({"quick": QUICK} if asked.quick else COSTS).items():
        with named(asked.quick) as model:
            told = json.dumps({"model": model, **fields})
            done = subprocess.run([sys.executable, "-c", ONE, told], capture_output=True, text=True, check=True)
        seconds, told, peak, added, size, measured, layers = json.loads(done.stdout.splitlines()[-1])
        rows.append(
            {
                "probe": name,
                "seconds": round(seconds, 1),
                "told": round(told, 1),
                "told / true": round(told / seconds, 2),
                "peak GB": round(peak / 1e9, 2),
                "added GB": round(added / 1e9, 2),
                "told GB": round(size / 1e9, 2),
                "bytes told / added": round(size / added, 2) if added else "held already",
                "measured": measured,
                "layers": layers,
            }
        )
        if name == "stated":
            section.promise("the stated probe in at most 80 s", seconds, at_most=80)
            section.promise("and under 3 GB", peak / 1e9, at_most=3)
        if name == "first preset":
            section.promise("the page's first preset in at most 15 s", seconds, at_most=15)
        off = max(told / seconds, seconds / told)
        section.promise(f"seconds told within a factor of 1.5: {name}", off, at_most=1.5)
    section.tables.append(Table("Costs", rows))
    return section


def interval(values: list[float]) -> str:
    """Mean and Student's 95% interval; a single value alone."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:.3g}"
    spread = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
    half = float(student.ppf(0.975, len(values) - 1)) * spread / len(values) ** 0.5
    return f"{mean:.3g} [{mean - half:.3g}, {mean + half:.3g}]"


def after(asked: Namespace) -> Section:
    """Splits and heads by seed; lazy and rich runs of the same data."""
    notes = [
        "64 training and 64 held-out sentences, five splits and heads; held-out error and loss of kernel regression from f_0."
    ]
    section = Section("S14: the kernel after training against the kernel before", notes)
    rows: list[Row] = []
    one = 1 if asked.quick else None
    fields = QUICK if asked.quick else {"steps": 15, "measure_every": 15, "probe_samples": 16}
    for task in ("sentiment", "source")[:one]:
        for name, rate in (("small step", 5e-6), ("usual step", 1e-4))[:one]:
            usual = {"task": task, "learning_rate": rate, **fields}
            with named(asked.quick) as model:
                reports = [regime.run(regime.ProbeConfig(model=model, seed=seed, **usual)) for seed in SEEDS[:one]]
            final = [report.final for report in reports]
            rows.append(
                {
                    "task": task,
                    "run": name,
                    "kernel_change": interval([f["kernel_change"] for f in final]),
                    "taylor_gap": interval([f["taylor_gap"] for f in final]),
                    "error, Theta_0": interval([f["kernel_start_test_error"] for f in final]),
                    "error, Theta_T": interval([f["kernel_now_test_error"] for f in final]),
                    "error, T - 0": interval([f["kernel_now_test_error"] - f["kernel_start_test_error"] for f in final]),
                    "loss, T - 0": interval([f["kernel_now_test_loss"] - f["kernel_start_test_loss"] for f in final]),
                    "error, model": interval([f["test_error"] for f in final]),
                }
            )
    section.tables.append(Table("Held-out sentences", rows))
    return section


TEMPLATE, WORDS = "{text} It was {mask}.", {"negative": "terrible", "positive": "great"}
PRETRAINED = 900
"""Sentences that the small language model is trained on; probes take the others."""
LEVELS = (0.5, 0.35, 0.2)
"""Training losses at which the gaps are compared."""


def prompts(asked: Namespace) -> Section:
    """Train the language model, then fine-tune it both ways on sentences that it has not seen."""
    notes = [
        "Run offline, on a language model trained for this: a GPT-2 of four blocks and width 128 is trained on "
        f"{PRETRAINED} shuffled review sentences with their prompts. Probes take the other 300: 64 for training, cross-entropy,"
        " AdamW with step 1e-4, five splits. The gap is interpolated in the log of the training loss."
    ]
    section = Section("S16: a prompt-style readout against a new head, at equal loss", notes)
    one = 1 if asked.quick else None
    size = QUICK if asked.quick else {"samples": 64, "probe_samples": 32, "max_tokens": 48, "steps": 45, "measure_every": 3}
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, REGIME_MODELS_DIR=folder):
        rest, told = _pretrain(Path(folder) / "small-lm", asked.quick)
        section.notes.append(told)
        rows: list[Row] = []
        fields = {"model": "small-lm", "task": "own", "texts": rest, "loss": "cross-entropy", "forecast": False, **size}
        gaps: dict[str, dict[float, list[float]]] = {}
        for name, readout in READOUTS.items():
            for seed in SEEDS[:one]:
                config = regime.ProbeConfig(optimizer="adamw", learning_rate=1e-4, seed=seed, **fields, **readout)
                report = regime.run(config)
                for level in LEVELS:
                    gaps.setdefault(name, {}).setdefault(level, []).append(_gap_at(report, level))
        for level in LEVELS:
            row: Row = {"optimizer": "adamw", "training loss": level}
            for name, found in gaps.items():
                known = [gap for gap in found[level] if gap == gap]
                row[name] = interval(known) if len(known) > 1 else f"reached by {len(known)}"
            pairs = zip(gaps["prompt"][level], gaps["random head"][level], strict=True)
            ratios = [log(a / b) for a, b in pairs if a == a and b == b]
            row["log ratio, prompt to random head"] = interval(ratios) if len(ratios) > 1 else "not comparable"
            rows.append(row)
        section.tables.append(Table("taylor_gap on held-out sentences", rows))
    return section


READOUTS = {
    "prompt": {"readout": "prompt", "prompt": TEMPLATE, "words": tuple(WORDS[label] for label in sorted(WORDS))},
    "random head": {"readout": "last"},
    "fitted head": {"readout": "last", "head": "fitted"},
}


def _gap_at(report: regime.Report, level: float) -> float:
    """The Taylor gap where the training loss first falls below a level, between measurements; nan if it never does."""
    path = [(event.measures["train_loss"], event.measures["taylor_gap"]) for event in report.history]
    for (loss, gap), (next_loss, next_gap) in pairwise(path):
        if loss >= level > next_loss:
            share = log(loss / level) / log(loss / next_loss)
            return (gap or 0.0) * (1 - share) + next_gap * share
    return float("nan")


def _pretrain(folder: Path, quick: bool) -> tuple[str, str]:
    """A small GPT-2 on prompts with their words; the sentences that it has not seen as CSV, and what came of it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    from regime.models.texts import _reviews

    table = _reviews("sentiment")
    order = torch.randperm(len(table.texts), generator=torch.Generator().manual_seed(7)).tolist()
    known, rest = order[:PRETRAINED], order[PRETRAINED:]
    full = [TEMPLATE.replace("{text}", table.texts[k]).replace("{mask}", WORDS[table.classes[table.labels[k]]]) for k in known]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(full, trainers.BpeTrainer(vocab_size=2000, special_tokens=["</s>"], initial_alphabet=alphabet))
    words = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>", bos_token="</s>", pad_token="</s>")
    rates = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.1)
    torch.manual_seed(0)
    size = {"vocab_size": len(words), "n_positions": 64, "n_embd": 128, "n_layer": 1 if quick else 4, "n_head": 4}
    model = GPT2LMHeadModel(GPT2Config(**size, **rates, bos_token_id=0, eos_token_id=0))
    tokens = words(full, padding=True, truncation=True, max_length=64, return_tensors="pt")
    labels = tokens["input_ids"].masked_fill(tokens["attention_mask"] == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    model.train()
    for epoch in range(1 if quick else 12):
        rows = torch.randperm(len(full), generator=torch.Generator().manual_seed(epoch))
        for batch in rows.split(32)[: 1 if quick else None]:
            loss = model(
                input_ids=tokens["input_ids"][batch], attention_mask=tokens["attention_mask"][batch], labels=labels[batch]
            ).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval().save_pretrained(folder)
    words.save_pretrained(folder)
    lines = [f'"{table.texts[k].replace(chr(34), chr(39))}",{table.classes[table.labels[k]]}' for k in rest]
    count = sum(p.numel() for p in model.parameters())
    said = f"The language model has {count:,} parameters; its last batch's loss is {loss.item():.2f} a token."
    return "\n".join(["text,label", *lines]), said


if __name__ == "__main__":
    sys.exit(command("probes", __doc__, {"costs": costs, "after": after, "prompts": prompts}))
