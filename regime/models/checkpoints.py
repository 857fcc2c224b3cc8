"""Revisions of one model as a run: the same function at each, and snapshots of how its kernels moved since the first."""

import copy
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from regime.config import CheckpointConfig
from regime.config.models import ADDITION
from regime.dynamics.losses import error
from regime.dynamics.pieces import in_pieces
from regime.dynamics.snapshot import Pause, Snapshot
from regime.errors import ConfigError
from regime.kernels.jacobian.verify import PRECISION
from regime.models import estimate, loading, modular, texts
from regime.models.functions import Inputs, TextFunction, label_view, split_texts, targets
from regime.models.pilot import passes
from regime.models.readout import naming
from regime.models.run import TransformerRun, refused
from regime.observe.agreement import agree
from regime.observe.network import Watched
from regime.observe.observer import Observer
from regime.observe.snapshots import snapshot
from regime.observe.state import same_value
from regime.record.clouds import EXAMPLES
from regime.record.events import Estimate

SUMS = 512
"""Most sums that losses and accuracies of modular addition are taken over, beside those that are compared."""


ASIDE = {"_name_or_path", "architectures", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version", "use_cache"}
"""What a configuration never says of its function, so that no outputs are compared for it."""


class AnswerReadout(nn.Module):
    """Logits of the answers 0..p-1 after (a, b, =), less their mean: (n, p)."""

    def __init__(self, model: PreTrainedModel, answers: int) -> None:
        super().__init__()
        self.model, self.answers = model, answers
        self.eval()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Float[Tensor, "n p"]:
        """Return the logits of every answer."""
        del attention_mask  # every sum has as many tokens
        logits = self.model(input_ids=input_ids).logits[:, -1, : self.answers]
        return logits - logits.mean(1, keepdim=True)


class CheckpointRun(TransformerRun):
    """The first revision loaded; `snapshots` goes through the others.

    Raises:
        ConfigError: a revision cannot be had or trusted, or there is no memory for the run.
    """

    learning_rate = 1.0

    def __init__(self, config: CheckpointConfig) -> None:
        super().__init__(config.device)
        self.config = config
        self.revisions = list(config.revisions) or modular.revisions()
        self.places = _steps(self.revisions)
        self.steps = self.places[-1]
        self.named = config.named or [(config.model, revision) for revision in self.revisions]
        if config.task == ADDITION:
            self._sums()
        else:
            self._texts()
        self.inputs = self.placed(self.inputs)
        self.model.to(self.device)
        probe = self.inputs["probe"]["input_ids"]
        self.chunk = self.chunk_of(probe.shape[1] * max(1, self.outputs // 8))
        self.parameters = sum(p.numel() for p in self.model.parameters())
        with refused(*self.named[0]):
            self.pilot = passes(self.model, self.inputs["probe"], self.chunk)
        fewer = (max(8, config.samples >> halved) for halved in range(1, 6) if config.samples > 8)
        sizes = (({"samples": samples}, self._bytes(samples)) for samples in fewer)
        estimate.check_memory(self._bytes(config.samples), sizes, self.device)

    @property
    def source(self) -> str:
        """Where the weights that were measured so far came from, and what they were measured on."""
        return "; ".join([*dict.fromkeys(self.sources), self.material])

    def _sums(self) -> None:
        """Modular addition: trained on some sums, tested on the others, compared on held-out ones."""
        train, test = modular.pairs()
        self.outputs, self.read = modular.P, []
        order = torch.randperm(len(test.answers), generator=torch.Generator().manual_seed(self.config.seed), device="cpu")
        chosen = {"train": (train, slice(0, SUMS)), "test": (test, order[:SUMS]), "probe": (test, order[: self.config.samples])}
        self.inputs = {name: _as_inputs(part.input_ids[index]) for name, (part, index) in chosen.items()}
        self.labels = {name: part.answers[index].to(self.device) for name, (part, index) in chosen.items()}
        self.shown: dict[str, object] = {"labels": {"values": self.labels["probe"][:EXAMPLES].tolist(), "names": []}}
        first = loading.load(*self.named[0], language_model=True)
        self.sources, self.material = [first.source], f"sums modulo {modular.P}"
        self.model = AnswerReadout(copy.deepcopy(first.model), modular.P)

    def _texts(self) -> None:
        """Texts that no revision was fine-tuned on; a new head is the same random one throughout."""
        config = self.config
        function = TextFunction(config, *self.named[0])
        (rows,) = split_texts(config, [config.samples])
        self.outputs = config.outputs
        self.read = rows.texts
        self.inputs = {"probe": function.inputs(self.read)}
        self.targets = targets(rows.labels, config.classes).to(self.device)
        self.shown = label_view(config, rows.labels)
        self.sources, self.material = [function.pretrained.source], texts.SOURCES[config.task]
        self.model = function.module(config.seed)

    def estimate(self) -> Estimate:
        """Return seconds, from timed passes of a few examples and counted operations, and bytes."""
        known, n = self.pilot, self.config.samples
        tokens = n * known.length
        each = known.structure + tokens * (known.observed + known.forward) + known.kernel(n)
        return Estimate(seconds=len(self.revisions) * each, bytes=self._bytes(n))

    def _bytes(self, samples: int) -> int:
        """Copies of the weights, the Jacobians at the start and now, and a pass."""
        known, length = self.pilot, self.pilot.length
        return estimate.total_bytes(known, 2 * samples * length, min(samples, self.chunk) * length)

    def view(self) -> dict[str, object]:
        """Return the names of the revisions, their steps, and the labels of the probe examples."""
        return {"revisions": self.revisions, "steps": self.places} | self.shown

    def snapshots(self) -> Iterator[Pause | Snapshot]:
        """Yield one snapshot a revision, and pauses between chunks of examples and between layers."""
        yield from in_pieces(self._compare)

    def _compare(self, hand_over: Callable[[Pause | Snapshot], None]) -> None:
        step, fraction = self.places[0], 0.0

        def tick() -> None:
            hand_over(Pause(step, fraction))

        with refused(*self.named[0]):
            observer = Observer(self.model, self.inputs["probe"], chunk=self.chunk, rename=naming(self.model), tick=tick)
        for index, (step, (name, revision)) in enumerate(zip(self.places, self.named, strict=True)):
            fraction = index / len(self.revisions)
            if index:
                self._load(observer, name, revision)
            tick()
            done = (index + 1) / len(self.revisions)
            with refused(name, revision):
                losses, sight = self._losses(observer), observer.observe()
                taken = snapshot([observer], [sight], step=step, fraction=done, time=float(step), losses=losses)
            hand_over(taken)

    def _load(self, observer: Observer, name: str, revision: str) -> None:
        """Put another revision's weights into the model that is watched.

        Raises:
            ConfigError: it is of another architecture, or reads other tokens in the texts.
        """
        language_model = self.config.readout in ("prompt", "next-token")
        other = loading.load(name, revision, language_model=language_model)
        try:
            _overwrite(self.model.model, other.model)
            self._check_function(observer, other.model)
            if self.read and other.tokenizer is not None:
                tokens = TextFunction(self.config, name, revision).inputs(self.read)["input_ids"]
                if not torch.equal(tokens, self.inputs["probe"]["input_ids"].cpu()):
                    raise ValueError("its tokenizer gives the texts other tokens than that of the first revision does")
        except ValueError as problem:
            raise ConfigError(f"revisions: {name}@{revision} is not allowed: {problem}") from None
        self.sources.append(other.source)

    def _check_function(self, observer: Observer, other: PreTrainedModel) -> None:
        """Refuse a transformer that makes another function of the same tensors: of other heads, say, or activations.

        Most keys of a configuration change nothing in eval mode, so outputs tell, and are computed where any key differs.

        Raises:
            ValueError: the message names what differs in the configurations.
        """
        one, two = self.model.model.config.to_dict(), other.config.to_dict()
        odd = [key for key in sorted(one.keys() & two.keys() - ASIDE) if one[key] != two[key]]
        if not odd:
            return
        inside = {id(self.model.model): copy.deepcopy(other).to(self.device)}  # it is shared until then
        theirs = Watched(copy.deepcopy(self.model, inside), observer.batch, chunk=self.chunk, tick=observer.tick)
        if not agree(observer, theirs, lambda _: PRECISION):
            said = ", ".join(f"{key} ({one[key]!r:.40} and {two[key]!r:.40})" for key in odd[:5])
            raise ValueError(f"another architecture: the same weights give other outputs; the two differ in {said}")

    def _losses(self, observer: Observer) -> dict[str, Float[Tensor, "S"]]:
        """How well the revision predicts: loss and accuracy of sums, accuracy of prompted labels, loss of next tokens."""
        found: dict[str, Tensor] = {}
        if self.config.task == ADDITION:
            for name in ("train", "test"):
                outputs = observer.evaluate(self.inputs[name])
                found[f"{name}_loss"] = functional.cross_entropy(outputs, self.labels[name])
                found[f"{name}_accuracy"] = (outputs.argmax(1) == self.labels[name]).float().mean()
        elif self.config.readout in ("prompt", "next-token"):
            outputs = observer.evaluate(self.inputs["probe"])
            if self.config.readout == "next-token":
                found["test_loss"] = -outputs.mean()
            else:
                found["test_accuracy"] = 1 - error(outputs, self.targets, self.config.classes)
        return {name: value.double().reshape(1) for name, value in found.items()}


def _steps(revisions: list[str]) -> list[int]:
    """The steps that all names end in, if they grow; else their places in the list."""
    found = [re.search(r"(\d+)$", revision) for revision in revisions]
    steps = [int(match[1]) for match in found if match and len(match[1]) < 16]
    grows = len(steps) == len(revisions) and all(a < b for a, b in pairwise(steps))
    return steps if grows else list(range(len(revisions)))


def _as_inputs(ids: Tensor) -> Inputs:
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _overwrite(model: nn.Module, other: nn.Module) -> None:
    """Load another model's tensors.

    Raises:
        ValueError: it has other ones, or of other shapes, or others of them are one; the message names the first.
    """
    own, state = model.state_dict(), other.state_dict()
    odd = sorted(own.keys() ^ state.keys()) or [name for name in own if own[name].shape != state[name].shape]
    if odd:
        raise ValueError(f"another architecture: the two differ in {', '.join(odd[:3])}")
    if apart := sorted(map(sorted, _tied(model) ^ _tied(other))):
        # as where a head was untied while config.json still says tied: of two tensors loaded into one, the last would win
        names = " and ".join(apart[0][:3])
        raise ValueError(f"another architecture: {names} are one tensor in one of the two, and apart in the other")
    model.load_state_dict(state)
    if lost := [name for name in own if not same_value(own[name], state[name].to(own[name].device))]:
        raise ValueError(f"another architecture: {lost[0]} cannot take the values that it has here")


def _tied(model: nn.Module) -> set[frozenset[str]]:
    """Names of parameters that are one tensor, together."""
    names: dict[nn.Parameter, set[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, set()).add(name)
    return {frozenset(shared) for shared in names.values() if len(shared) > 1}
