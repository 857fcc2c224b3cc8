"""Revisions of one model as a run: the same function at each, and snapshots of how its kernels moved since the first."""

import copy
import re
from collections.abc import Iterator
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from regime.config import CheckpointConfig, ConfigError
from regime.config.models import ADDITION, MAIN
from regime.events import Estimate, Reference
from regime.losses import error
from regime.machine import pick_device
from regime.models import estimate, loading, modular, texts
from regime.models.functions import Inputs, TextFunction, split, targets
from regime.models.producer import CHUNK_TOKENS
from regime.models.readout import naming
from regime.observer import Observer, Turns, overwrite, snapshot
from regime.snapshots import Pause, Snapshot

SUMS = 512
"""Most sums that losses and accuracies of modular addition are taken over, beside those that are compared."""


class AnswerReadout(nn.Module):
    """Logits of the answers 0..p-1 after (a, b, =), less their mean: (n, p)."""

    def __init__(self, model: PreTrainedModel, answers: int) -> None:
        super().__init__()
        self.model, self.answers = model, answers
        self.eval()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Float[Tensor, "n p"]:
        del attention_mask  # every sum has as many tokens
        logits = self.model(input_ids=input_ids).logits[:, -1, : self.answers]
        return logits - logits.mean(1, keepdim=True)


class CheckpointRun:
    """The first revision loaded; `snapshots` goes through the others.

    Raises:
        ConfigError: a revision cannot be had or trusted.
    """

    learning_rate = 1.0

    def __init__(self, config: CheckpointConfig) -> None:
        self.config = config
        self.device = pick_device(config.device)
        self.revisions = list(config.revisions) or modular.revisions()
        self.places = _steps(self.revisions)
        self.steps = self.places[-1]
        self.named = [_parsed(config.model, revision) for revision in self.revisions]
        if config.task == ADDITION:
            self._sums()
        else:
            self._texts()
        self.inputs = {name: {key: t.to(self.device) for key, t in part.items()} for name, part in self.inputs.items()}
        self.model.to(self.device)
        probe = self.inputs["probe"]["input_ids"]
        self.chunk = max(1, CHUNK_TOKENS[self.device.type] // (probe.shape[1] * max(1, self.outputs // 8)))
        self.parameters = sum(p.numel() for p in self.model.parameters())

    def _sums(self) -> None:
        """Modular addition: trained on some sums, tested on the others, compared on held-out ones."""
        train, test = modular.pairs()
        self.outputs = modular.P
        order = torch.randperm(len(test.answers), generator=torch.Generator().manual_seed(self.config.seed))
        chosen = {"train": (train, slice(0, SUMS)), "test": (test, order[:SUMS]), "probe": (test, order[: self.config.samples])}
        self.inputs = {name: _as_inputs(part.input_ids[index]) for name, (part, index) in chosen.items()}
        self.labels = {name: part.answers[index].to(self.device) for name, (part, index) in chosen.items()}
        first = loading.load(*self.named[0], language_model=True)
        self.source = f"{first.source}; sums modulo {modular.P}"
        self.model = AnswerReadout(copy.deepcopy(first.model), modular.P)

    def _texts(self) -> None:
        """Texts that no revision was fine-tuned on; a new head is the same random one throughout."""
        config = self.config
        function = TextFunction(config, *self.named[0])
        (rows,) = split(config, [config.samples])
        self.outputs = config.outputs
        self.inputs = {"probe": function.inputs(rows.texts)}
        self.targets = targets(rows.labels, config.classes).to(self.device)
        self.source = f"{function.pretrained.source}; {texts.SOURCES[config.task]}"
        self.model = function.module(config.seed)

    def estimate(self) -> Estimate:
        """From passes of a few examples, timed, and counted operations."""
        known = estimate.passes(self.model, self.inputs["probe"], self.chunk)
        n = self.config.samples
        tokens = n * known.length
        each = known.structure + tokens * ((3 + known.blocks) * known.forward + known.capture + known.product) + known.kernel(n)
        size = 4 * 4 * known.parameters + 2 * tokens * known.tape_bytes
        return Estimate(seconds=len(self.revisions) * each, bytes=int(size))

    def references(self) -> list[Reference]:
        return []

    def independent(self) -> None:
        """No other initialization: the weights are what they are."""
        return

    def view(self) -> dict[str, object]:
        return {"revisions": self.revisions, "steps": self.places}

    def snapshots(self) -> Iterator[Pause | Snapshot]:
        """One a revision; pauses between chunks of examples, and between layers."""
        observer = Observer(self.model, self.inputs["probe"], chunk=self.chunk, rename=naming(self.model))
        count = len(self.revisions)
        for index, (step, (name, revision)) in enumerate(zip(self.places, self.named, strict=True)):
            fraction = index / count
            if index:
                self._load(name, revision)
                yield Pause(step, fraction)
            else:
                yield from _paused(observer.begin(), step, 0.0)
            losses = yield from _paused(self._losses(observer), step, fraction)
            sight = yield from _paused(observer.observe(), step, fraction)
            done = (index + 1) / count
            yield snapshot([observer], [sight], step=step, fraction=done, time=float(step), losses=losses)

    def _load(self, name: str, revision: str) -> None:
        """Put another revision's weights into the model.

        Raises:
            ConfigError: it is of another architecture.
        """
        language_model = self.config.readout in ("prompt", "next-token")
        other = loading.load(name, revision, language_model=language_model).model
        try:
            overwrite(self.model.model, other.state_dict())
        except ValueError as problem:
            raise ConfigError(f"revisions: {name}@{revision} is not allowed: {problem}") from None

    def _losses(self, observer: Observer) -> Turns[dict[str, Float[Tensor, "S"]]]:
        """How well the revision predicts: of sums, loss and share of right answers; of texts, what there is to tell."""
        found: dict[str, Tensor] = {}
        if self.config.task == ADDITION:
            for name in ("train", "test"):
                outputs = yield from observer.evaluate(self.inputs[name])
                found[f"{name}_loss"] = functional.cross_entropy(outputs, self.labels[name])
                found[f"{name}_accuracy"] = (outputs.argmax(1) == self.labels[name]).float().mean()
        elif self.config.readout in ("prompt", "next-token"):
            outputs = yield from observer.evaluate(self.inputs["probe"])
            if self.config.readout == "next-token":
                found["test_loss"] = -outputs.mean()
            else:
                found["test_accuracy"] = 1 - error(outputs, self.targets, self.config.classes)
        return {name: value.double().reshape(1) for name, value in found.items()}


def _paused(turns: Turns, step: int, fraction: float) -> Iterator[Pause]:
    """Work in pieces with a pause after each; what it comes to."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return end.value
        yield Pause(step, fraction)


def _parsed(model: str, revision: str) -> tuple[str, str]:
    """`revision` of the model, or `other-model@revision`."""
    name, marked, other = revision.rpartition("@")
    return (name, other or MAIN) if marked else (model, revision)


def _steps(revisions: list[str]) -> list[int]:
    """The steps that all names end in, if they grow; else their places in the list."""
    found = [re.search(r"(\d+)$", revision) for revision in revisions]
    steps = [int(match[1]) for match in found if match and len(match[1]) < 16]
    grows = len(steps) == len(revisions) and all(a < b for a, b in pairwise(steps))
    return steps if grows else list(range(len(revisions)))


def _as_inputs(ids: Tensor) -> Inputs:
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
