"""A small transformer that groks addition modulo 59, and the checkpoints that ship of it: `python -m regime.models.modular`.

It knows all sums it was trained on after 200 steps, and gets the others right only around step 2000 (Power et al. 2022,
arXiv 2201.02177; Nanda et al. 2023, arXiv 2301.05217).
"""

import csv
import shutil
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

from regime.data import FOLDER

CHECKPOINTS = FOLDER / "modular-addition"
P = 59
SHARE = 0.4
"""Share of all sums that are trained on."""
SEED = 0
LEARNING_RATE, WEIGHT_DECAY, BETAS, WARMUP = 1e-3, 1.0, (0.9, 0.98), 10
STEPS = 2600
SAVED = (0, 50, 100, 150, 200, 300, 400, *range(600, STEPS + 1, 200))
EVERY = 25
"""Steps between rows of the curves."""
COLUMNS = ("step", "train_loss", "test_loss", "train_accuracy", "test_accuracy")


class Sums(NamedTuple):
    """a, b and "=", whose token is P; and a + b mod P."""

    input_ids: Int[Tensor, "n 3"]
    answers: Int[Tensor, "n"]


def pairs() -> tuple[Sums, Sums]:
    """Return all sums, split by a fixed seed: those trained on, and the others."""
    numbers = torch.arange(P, device="cpu")
    terms = torch.cartesian_prod(numbers, numbers)
    whole = Sums(torch.cat([terms, torch.full((P * P, 1), P, device="cpu")], 1), terms.sum(1) % P)
    order = torch.randperm(P * P, generator=torch.Generator().manual_seed(SEED), device="cpu")
    cut = int(SHARE * P * P)
    train, test = (Sums(whole.input_ids[rows], whole.answers[rows]) for rows in (order[:cut], order[cut:]))
    return train, test


def new_model(seed: int = SEED) -> GPT2LMHeadModel:
    """Build one block of width 64 with four heads, without dropout; the global random state is put back."""
    size = {"vocab_size": P + 1, "n_positions": 3, "n_embd": 64, "n_layer": 1, "n_head": 4}
    rates = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(seed)
        return GPT2LMHeadModel(GPT2Config(**size, **rates, bos_token_id=None, eos_token_id=None)).eval()


def logits(model: GPT2LMHeadModel, ids: Int[Tensor, "n 3"]) -> Float[Tensor, "n P"]:
    """Return the logits of the answers, after "="."""
    return model(input_ids=ids).logits[:, -1, :P]


def train(model: GPT2LMHeadModel, steps: int) -> Iterator[int]:
    """Train by AdamW on all training sums at once, yielding each step before it is taken, and the last one after."""
    data, _ = pairs()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, betas=BETAS)
    for step in range(steps):
        yield step
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / WARMUP)
        optimizer.zero_grad()
        functional.cross_entropy(logits(model, data.input_ids), data.answers).backward()
        optimizer.step()
    yield steps


@torch.no_grad()
def scores(model: GPT2LMHeadModel) -> dict[str, float]:
    """Return loss and accuracy on the training sums and on the others."""
    found = {}
    for name, data in zip(("train", "test"), pairs(), strict=True):
        outputs = logits(model, data.input_ids)
        found[f"{name}_loss"] = functional.cross_entropy(outputs, data.answers).item()
        found[f"{name}_accuracy"] = (outputs.argmax(1) == data.answers).float().mean().item()
    return found


def revisions() -> list[str]:
    """Return the names of the shipped checkpoints, in order."""
    return sorted(path.parent.name for path in CHECKPOINTS.glob("*/config.json"))


def make() -> None:
    """Train, and write the checkpoints and the curves; some two minutes on one core."""
    logging.disable_progress_bar()
    model = new_model()
    for old in revisions():
        shutil.rmtree(CHECKPOINTS / old)
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    with (CHECKPOINTS / "curves.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for step in train(model, STEPS):
            if step % EVERY == 0:
                writer.writerow({"step": step, **{name: f"{value:.6g}" for name, value in scores(model).items()}})
            if step in SAVED:
                folder = CHECKPOINTS / f"step-{step:05}"
                model.save_pretrained(folder)
                (folder / "generation_config.json").unlink(missing_ok=True)


if __name__ == "__main__":
    make()
