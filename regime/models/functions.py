"""A configuration's function of a text: its texts as tokens, its targets, and the transformer inside its readout."""

import copy
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from regime.config import CheckpointConfig, ProbeConfig
from regime.config.own import is_own
from regime.dynamics.losses import Loss, loss_named
from regime.errors import ConfigError, show
from regime.models import loading, texts
from regime.models.own import load_own
from regime.models.readout import HeadReadout, NextTokenReadout, PromptReadout
from regime.record.clouds import EXAMPLES

Inputs = dict[str, Tensor]
_READING = Lock()
"""A model's tokenizer is shared by all runs, and keeps the length that a call cuts to."""
NEXT_TOKEN = Loss(lambda f, y: -f.mean((-2, -1)) + 0 * y.sum(), lambda f, y: -torch.ones_like(f), 0.0)  # noqa: ARG005
"""The mean of -f: f is a log-probability already."""


class TextFunction:
    """What a configuration makes of texts, with the weights of one revision.

    Raises:
        ConfigError: the model cannot be had or trusted, has no tokenizer, no word logits where the readout asks for them, or
            two of its label words begin with the same token.
    """

    def __init__(self, config: ProbeConfig | CheckpointConfig, name: str, revision: str) -> None:
        self.config = config
        self.name, self.revision = name, revision
        self.language_model = config.readout in ("prompt", "next-token")
        self.own = config.kind == "probe" and is_own(name)
        self.pretrained = (
            load_own(name, config.seed) if self.own else loading.load(name, revision, language_model=self.language_model)
        )
        self.tokenizer = self.pretrained.tokenizer
        if self.tokenizer is None:
            raise ConfigError(f"model = {name!r} is not allowed: it has no tokenizer, so it reads no texts")
        if config.readout == "prompt":
            self.template, words = self._asked()
            self.words = self._word_ids(words)
        if config.readout == "next-token" and not self.causal:
            raise ConfigError(f"readout = 'next-token' is not allowed with model = {name!r}, which predicts masked words")

    @property
    def causal(self) -> bool:
        """Whether the model is asked for the word after the text, not for one under a mask."""
        return self.tokenizer.mask_token_id is None or type(self.pretrained.model).__name__.endswith("CausalLM")

    def module(self, seed: int, model: nn.Module | None = None) -> nn.Module:
        """Build the function: a copy of the transformer, or `model` itself, inside its readout, a new head from `seed`."""
        inner = copy.deepcopy(self.pretrained.model) if model is None else model
        if self.config.readout == "next-token":
            return NextTokenReadout(inner)
        if self.config.readout == "prompt":
            return PromptReadout(inner, self.words, None if self.causal else self.tokenizer.mask_token_id)
        zero = getattr(self.config, "head", "random") == "zero"
        return HeadReadout(inner, self.config.readout, self.config.outputs, None if zero else seed)

    def fresh(self, seed: int) -> nn.Module:
        """Build the function with random weights of the same architecture."""
        if self.own:
            return self.module(seed, load_own(self.name, seed).model)
        model = loading.fresh(self.name, self.revision, language_model=self.language_model, seed=seed).model
        return self.module(seed, model)

    def inputs(self, rows: Sequence[str]) -> Inputs:
        """Return texts as token ids (n, T), padded on the right to the longest.

        Raises:
            ConfigError: the tokenizer cannot read a text, makes no tokens of it, or does not fit the model; or the prompt
                leaves no room for a text, or does not ask for one word.
        """
        prompted = self.config.readout == "prompt"
        asked = self._prompted(rows) if prompted else list(rows)
        cut = {} if prompted else {"truncation": True, "max_length": self.config.max_tokens}  # a prompt would lose its template
        tokens = self._read(asked, padding=True, return_tensors="pt", **cut)
        loading.check_tokens(self.name, asked, tokens["attention_mask"].sum(1).tolist())
        if not self.own and int(tokens["input_ids"].max()) >= self.pretrained.model.get_input_embeddings().num_embeddings:
            raise ConfigError(f"model = {self.name!r} is not allowed: its tokenizer knows more tokens than the model does")
        if prompted and not self.causal:
            for row, count in zip(rows, (tokens["input_ids"] == self.tokenizer.mask_token_id).sum(1).tolist(), strict=True):
                if count != 1:
                    raise ConfigError(
                        f"prompt = {self.template!r:.80} is not allowed with model = {self.name!r}: its tokenizer finds "
                        f"{count} masks around the text {show(row)}; allowed: one"
                    )
        return {name: tokens[name] for name in ("input_ids", "attention_mask")}

    def _read(self, rows: str | Sequence[str], **options: Any) -> Mapping[str, Any]:
        """What the tokenizer makes of texts; raises ConfigError where it cannot read them."""
        # on the CPU whatever the default is: a run moves them to its own device
        with _READING, torch.device("cpu"), loading.fitting(self.name, "is not allowed: its tokenizer cannot read the texts"):
            return self.tokenizer(rows, **options)

    def _asked(self) -> tuple[str, Sequence[str]]:
        """Template and words, the task's own where none are given."""
        own = texts.PROMPTS.get(self.config.task)
        template = self.config.prompt or own.template
        words = self.config.words or own.words
        if len(words) != self.config.classes:
            raise ConfigError(
                f"words = {list(words)!r:.80} is not allowed; allowed: one for each of {self.config.classes} labels"
            )
        return template, words

    def _word_ids(self, words: Sequence[str]) -> list[int]:
        """The first token of each word, as it stands in the template."""
        ids = []
        for word in words:
            # byte-level vocabularies write the space before a word into its token; others drop it
            tokens = self._read(f" {word}", add_special_tokens=False)["input_ids"]
            ids.append(tokens[0] if tokens else self.tokenizer.unk_token_id)
        if len(set(ids)) < len(ids) or None in ids or self.tokenizer.unk_token_id in ids:
            raise ConfigError(
                f"words = {list(words)!r:.80} is not allowed with model = {self.name!r}; allowed: words that it knows and that "
                "begin with different tokens"
            )
        return ids

    def _prompted(self, rows: Sequence[str]) -> list[str]:
        """The template around each text; a text that is too long loses its end, the template nothing."""
        template = texts.prompt_prefix(self.template) if self.causal else self.template
        if "{text}" not in template:
            raise ConfigError(f"prompt = {self.template!r:.80} is not allowed with a model that reads on: {{text}} comes first")
        mask = self.tokenizer.mask_token or ""
        if mask:  # in a text it would ask for a word too, and the template is to be the only one that does
            rows = [re.sub(re.escape(mask), " ", row, flags=re.IGNORECASE) for row in rows]
        template = template.replace("{mask}", mask)
        most, (alone,) = self.config.max_tokens, self._lengths([template.replace("{text}", "")])
        if alone >= most:
            raise ConfigError(f"max_tokens = {most} is not allowed: the prompt alone has {alone} tokens; allowed: more")
        cut = self._read(
            list(rows), add_special_tokens=False, truncation=True, max_length=most - alone, return_offsets_mapping=True
        )
        ends = [[end for _, end in offsets] for offsets in cut["offset_mapping"]]
        asked = [template.replace("{text}", row[: end[-1]] if end else row) for row, end in zip(rows, ends, strict=True)]
        for k, length in enumerate(self._lengths(asked)):
            if length > most:
                asked[k] = self._shortened(template, rows[k], ends[k])
        return asked

    def _shortened(self, template: str, row: str, ends: Sequence[int]) -> str:
        """The template around as many tokens of a text, ending at these characters, as fit: in place they may be more."""
        kept = bisect_right(
            ends, self.config.max_tokens, key=lambda end: self._lengths([template.replace("{text}", row[:end])])[0]
        )
        if not kept:
            raise ConfigError(
                f"max_tokens = {self.config.max_tokens} is not allowed: the prompt leaves no room for the text {show(row)}; "
                "allowed: more"
            )
        return template.replace("{text}", row[: ends[kept - 1]])

    def _lengths(self, prompts: Sequence[str]) -> list[int]:
        """How many tokens prompts have."""
        return [len(ids) for ids in self._read(prompts, verbose=False)["input_ids"]]


def split_texts(config: ProbeConfig | CheckpointConfig, sizes: Sequence[int]) -> list[texts.TextRows]:
    """Return the task's rows in groups of these sizes; raises ConfigError where there are too few."""
    try:
        return texts.split(config.task, sizes, config.seed, config.table)
    except ValueError as error:
        raise ConfigError(f"samples and probe_samples are not allowed: {error}") from None


def targets(labels: Shaped[Tensor, "n"], classes: int) -> Float[Tensor, "n C"]:
    """Return what outputs are trained to: -1 and +1 for two labels, one-hot less 1/C for more, or the values themselves."""
    if classes == 0:
        return labels.float().unsqueeze(1)
    if classes == 2:
        return (2 * labels - 1).float().unsqueeze(1)
    return nn.functional.one_hot(labels, classes).float() - 1 / classes


def label_view(config: ProbeConfig | CheckpointConfig, labels: Shaped[Tensor, "n"]) -> dict[str, object]:
    """Return what colors the first probe texts in pictures: a number each, and the names that classes have."""
    own = config.table
    if own is not None and not (own.labels or own.values):
        return {}
    names = texts.CLASSES[config.task] if own is None else own.classes
    return {"labels": {"values": labels[:EXAMPLES].tolist(), "names": list(names)}}


def loss_of(config: ProbeConfig) -> Loss:
    """Return the loss that a configuration trains."""
    return NEXT_TOKEN if config.readout == "next-token" else loss_named(config.loss_name, config.outputs)
