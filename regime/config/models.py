"""Configurations of runs on transformers: fine-tuning, checkpoints of one model, and networks that are only watched."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from regime.config.base import FROM_LIST, SEED_LIMIT, Config, Device
from regime.config.rows import OwnTexts, parse

PROBE_TOKEN_LIMIT = 8192
"""Probe tokens whose activations and gradients a probe holds at once, over all its seeds."""
MAIN = "main"
"""The revision a model has where none is named: a folder itself, or what the catalog pins."""
ADDITION = "modular-addition"
"""A task, and the shipped trajectory that was trained on it."""

Name = Annotated[str, Field(min_length=1, max_length=96)]


class _TextConfig(Config):
    """A transformer, texts, and what makes a function of them."""

    model: Name = Field("minilm", description="one of the catalog, a folder of REGIME_MODELS_DIR, or a Hub id")
    texts: str | None = Field(
        None,
        max_length=1_000_000,
        description="for task 'own': CSV or lines of text and label, or of text alone for 'next-token'; never in a permalink",
    )
    prompt: str | None = Field(
        None, max_length=400, description="for 'prompt': a template with {text} and {mask}; null: the task's own"
    )
    words: Annotated[tuple[Name, ...], Field(max_length=10), FROM_LIST] = Field(
        (), description="for 'prompt': the word that stands for each label, labels in alphabetical order; empty: the task's own"
    )
    max_tokens: int = Field(32, ge=4, le=128, description="longer texts are cut")
    seed: int = Field(0, ge=0, le=SEED_LIMIT, description="of the split of the texts and of the first head")
    device: Device = "auto"

    def _check_texts(self) -> None:
        if (self.task == "own") != (self.texts is not None):
            given = "null" if self.texts is None else "rows"
            raise ValueError(
                f"texts = {given} is not allowed with task = {self.task!r}; "
                "allowed: your rows with task = 'own' (a permalink does not hold them), null with any other"
            )
        if self.prompt is not None and ("{text}" not in self.prompt or self.prompt.count("{mask}") != 1):
            raise ValueError(f"prompt = {self.prompt!r:.80} is not allowed; allowed: a template with {{text}} and one {{mask}}")
        if self.readout != "prompt" and (self.prompt is not None or self.words):
            raise ValueError(f"prompt and words are not allowed with readout = {self.readout!r}; allowed: null and empty")
        if (table := self.table) is not None:
            self._check_words(table)

    def _check_words(self, table: OwnTexts) -> None:
        if self.readout == "prompt" and (self.prompt is None or len(self.words) != len(table.classes)):
            raise ValueError(
                f"words = {list(self.words)!r:.80} is not allowed with your own rows; allowed: a prompt, and a word for each "
                f"of the {len(table.classes)} labels {', '.join(map(repr, table.classes))}"
            )

    @property
    def labeled(self) -> bool:
        """Whether the readout is told from labels."""
        return self.readout != "next-token"

    @property
    def table(self) -> OwnTexts | None:
        """Somebody's own rows.

        Raises:
            ValueError: they are not such rows.
        """
        if self.texts is None:
            return None
        try:
            return parse(self.texts, self.labeled)
        except ValueError as error:
            raise ValueError(f"texts is not allowed: {error}") from None

    @property
    def classes(self) -> int:
        """Labels of the task; 0 where there are none."""
        if not self.labeled:
            return 0
        return 2 if self.table is None else len(self.table.classes)

    @property
    def outputs(self) -> int:
        """Outputs C of the function: one for two labels and for 'next-token', else one a label."""
        return self.classes if self.classes > 2 else 1


class ProbeConfig(_TextConfig):
    """A pretrained transformer fine-tuned on labeled texts, or on text alone, measured layer by layer.

    The function f is linear in the mean-pooled ("mean") or the last token's ("last") hidden state, with a new head; or
    ("prompt") the model's own logits of a word for each label, of two labels their difference, of more less their mean (Malladi
    et al. 2023, arXiv 2210.05643); or ("next-token") the mean log-probability of a text's tokens. The loss is
    `1/N sum l(f, y)`, with `l = 1/2 ||f - y||**2` or cross-entropy on labels y = -1, +1, or one-hot less 1/C; for "next-token"
    it is the mean of -f. Time is steps times learning_rate.
    """

    kind: Literal["probe"] = "probe"
    revision: Name = Field(MAIN, description="of the model: 'main', or a branch, tag or commit of the Hub, or a subfolder")
    task: Literal["sentiment", "source", "own"] = "sentiment"
    readout: Literal["mean", "last", "prompt", "next-token"] = "mean"
    head: Literal["random", "zero", "fitted"] = Field(
        "random", description="of 'mean' and 'last': N(0, 1/d), zero, or fitted first to the frozen features"
    )
    loss: Literal["mse", "cross-entropy"] | None = Field(
        None, description="null: cross-entropy for 'prompt' and 'next-token', else mse"
    )
    samples: int = Field(64, ge=4, le=512, description="training texts; as many again, at most 128, are held out")
    probe_samples: int = Field(32, ge=8, le=128, description="held-out texts on which kernels are compared")
    trainable: Annotated[tuple[Name, ...], Field(min_length=1, max_length=16), FROM_LIST] = Field(
        ("*",), description="globs on modules or parameters that are trained: encoder.layer.1.*, or **.bias for all biases"
    )
    random_init: bool = Field(False, description="the same architecture from random weights instead")
    optimizer: Literal["sgd", "momentum", "adamw"] = Field("adamw", description="all without weight decay")
    momentum: float = Field(0.9, ge=0, lt=1, description="heavy-ball coefficient, used by optimizer 'momentum'")
    learning_rate: float | None = Field(None, gt=0, le=10, description="null: 1e-4 for adamw, 1e-2 for sgd, 1e-3 for momentum")
    warmup: int = Field(0, ge=0, le=1000, description="steps over which the learning rate rises linearly")
    decay: Literal["none", "linear", "cosine"] = Field("none", description="how it falls afterwards, to 0 after the last step")
    batch_size: int | None = Field(None, ge=1, le=512, description="null: all training texts")
    steps: int = Field(20, ge=0, le=1000)
    measure_every: int = Field(4, ge=1, le=1000)
    forecast: bool = Field(True, description="train the linearized twin beside the model, from the initial kernel")
    seeds: int = Field(1, ge=1, le=4, description="heads, or random initializations, trained side by side")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_texts()
        if self.batch_size is not None and self.batch_size > self.samples:
            raise ValueError(f"batch_size = {self.batch_size} is not allowed; allowed: at most samples = {self.samples}")
        if self.steps > 100 * self.measure_every:
            raise ValueError(
                f"measure_every = {self.measure_every} is not allowed with steps = {self.steps}; "
                "allowed: at most 100 measurements a run"
            )
        if (tokens := self.probe_samples * self.max_tokens * self.seeds) > PROBE_TOKEN_LIMIT:
            raise ValueError(
                f"probe_samples * max_tokens * seeds = {tokens} is not allowed; allowed: at most {PROBE_TOKEN_LIMIT}"
            )
        if self.headless and self.head != "random":
            raise ValueError(f"head = {self.head!r} is not allowed with readout = {self.readout!r}, which needs no new head")
        if self.headless and self.loss == "mse":
            raise ValueError(f"loss = 'mse' is not allowed with readout = {self.readout!r}; allowed: 'cross-entropy', null")
        if self.headless and self.seeds > 1 and not self.random_init:
            raise ValueError(
                f"seeds = {self.seeds} is not allowed with readout = {self.readout!r}: nothing of it is random; "
                "allowed: 1, or random_init = true"
            )
        if self.head == "zero" and self.seeds > 1 and not self.random_init:
            raise ValueError(f"seeds = {self.seeds} is not allowed with head = 'zero': all would be the same; allowed: 1")
        if self.warmup > self.steps:
            raise ValueError(f"warmup = {self.warmup} is not allowed; allowed: at most steps = {self.steps}")
        return self

    @property
    def named(self) -> list[tuple[str, str]]:
        """The model and its revision."""
        return [(self.model, self.revision)]

    @property
    def headless(self) -> bool:
        """Whether the readout is the language model's own."""
        return self.readout in ("prompt", "next-token")

    @property
    def held_out(self) -> int:
        """Texts for the test loss."""
        return min(self.samples, 128)

    @property
    def batch(self) -> int:
        """Texts in one training batch."""
        return self.batch_size or self.samples

    @property
    def step_size(self) -> float:
        """learning_rate, or the optimizer's default."""
        return self.learning_rate or {"adamw": 1e-4, "sgd": 1e-2, "momentum": 1e-3}[self.optimizer]

    @property
    def loss_name(self) -> Literal["mse", "cross-entropy"]:
        """loss, or the readout's default."""
        return self.loss or ("cross-entropy" if self.headless else "mse")


class CheckpointConfig(_TextConfig):
    """Revisions of one model, or models of one architecture, measured against the first of them.

    The function f is as in `ProbeConfig`, with the same random head at every revision; for the task "modular-addition", the
    logits of the answers, less their mean. Time is the step that a revision's name ends in, else its place in the list.
    """

    kind: Literal["checkpoints"] = "checkpoints"
    model: Name = Field(ADDITION, description="one of the catalog, a folder of REGIME_MODELS_DIR, or a Hub id")
    revisions: Annotated[tuple[Name, ...], Field(max_length=40), FROM_LIST] = Field(
        (), description="in order: branches, tags, subfolders, or other-model@revision; empty: all that ship with the model"
    )
    task: Literal["modular-addition", "sentiment", "source", "own"] = ADDITION
    readout: Literal["mean", "last", "prompt", "next-token"] = Field(
        "prompt", description="'prompt' for modular-addition, whose words are its answers"
    )
    samples: int = Field(64, ge=8, le=256, description="texts, or sums, on which everything is compared")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.task == ADDITION) != (self.model == ADDITION):
            raise ValueError(
                f"task = {self.task!r} is not allowed with model = {self.model!r}; "
                f"allowed: {ADDITION!r} with the model of that name, one of 'sentiment', 'source', 'own' with any other"
            )
        if self.task == ADDITION and self.readout != "prompt":
            raise ValueError(f"readout = {self.readout!r} is not allowed with task = {ADDITION!r}; allowed: 'prompt'")
        self._check_texts()
        if self.model != ADDITION and len(self.revisions) < 2:
            raise ValueError(f"revisions = {list(self.revisions)!r} is not allowed; allowed: two to 40 revisions to compare")
        if len(self.revisions) == 1:
            raise ValueError(f"revisions = {list(self.revisions)!r} is not allowed; allowed: none for all, or two and more")
        if (tokens := self.samples * self.max_tokens) > PROBE_TOKEN_LIMIT:
            raise ValueError(f"samples * max_tokens = {tokens} is not allowed; allowed: at most {PROBE_TOKEN_LIMIT}")
        return self

    @property
    def named(self) -> list[tuple[str, str]]:
        """Model and revision of each, in order; empty: all that ship."""
        parts = [revision.rpartition("@") for revision in self.revisions]
        return [(name, other or MAIN) if marked else (self.model, other) for name, marked, other in parts]


class MonitorConfig(Config):
    """What `regime.Monitor` watched, and `regime.compare` compared."""

    kind: Literal["monitor"] = "monitor"
    model: str = Field(description="class of the network")
    examples: int
    outputs: int
    seed: int = 0
