"""Configuration of a probe: a pretrained transformer that is fine-tuned."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from regime.config.base import FROM_LIST
from regime.config.models import MAIN, PROBE_TOKEN_LIMIT, Name, TransformerConfig
from regime.config.own import ACCEPTED, is_own
from regime.config.rows import Share

OptimizerName = Literal["sgd", "momentum", "adamw"]
if TYPE_CHECKING:  # a class of torch.optim.Optimizer may be passed, and is kept as its import path
    AnyOptimizer = OptimizerName | type[Any]
else:
    AnyOptimizer = Annotated[OptimizerName, *ACCEPTED]


class ProbeConfig(TransformerConfig):
    """A pretrained transformer fine-tuned on labeled texts, or on text alone, measured layer by layer.

    The function f is linear in the mean-pooled ("mean") or the last token's ("last") hidden state, with a new head; or
    ("prompt") the model's own logits of a word for each label, of two labels their difference, of more less their mean (Malladi
    et al. 2023, arXiv 2210.05643); or ("next-token") the mean log-probability of a text's tokens. The loss is
    `1/N sum l(f, y)`, with `l = 1/2 ||f - y||**2` or cross-entropy on labels y = -1, +1, or one-hot less 1/C; for "next-token"
    it is the mean of -f. Time is steps times learning_rate, under warmup and decay the sum of the steps' own.
    """

    shares: ClassVar[Mapping[str, Share]] = {"samples": Share(64, 4, held_out=128), "probe_samples": Share(32, 8)}

    MEASUREMENTS: ClassVar[int] = 100
    """Most measurements of a run, that of step 0 aside."""

    kind: Literal["probe"] = "probe"
    revision: Name = Field(
        default=MAIN, description="of the model: 'main', or a branch, tag or commit of the Hub, or a subfolder"
    )
    task: Literal["sentiment", "source", "own"] = Field(
        default="sentiment", description="what the texts are labeled with; /catalog says what each is"
    )
    readout: Literal["mean", "last", "prompt", "next-token"] = Field(
        default="mean",
        description="the function f: from hidden states, mean or last, or from the logits of a prompt, or of the next token",
    )
    head: Literal["random", "zero", "fitted"] = Field(
        default="random", description="of 'mean' and 'last': N(0, 1/d), zero, or fitted first to the frozen features"
    )
    loss: Literal["mse", "cross-entropy"] | None = Field(
        default=None, description="null: cross-entropy for 'prompt' and 'next-token', else mse"
    )
    samples: int = Field(default=64, ge=4, le=512, description="training texts; as many again, at most 128, are held out")
    probe_samples: int = Field(default=32, ge=8, le=128, description="held-out texts on which kernels are compared")
    trainable: Annotated[tuple[Name, ...], Field(min_length=1, max_length=16), FROM_LIST] = Field(
        default=("*",),
        description="globs on modules or parameters that are trained: encoder.layer.1.*, or **.bias for all biases",
    )
    random_init: bool = Field(default=False, description="the same architecture from random weights instead")
    optimizer: AnyOptimizer = Field(default="adamw", description="all without weight decay")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="heavy-ball coefficient, used by optimizer 'momentum'")
    learning_rate: float | None = Field(
        default=None, gt=0, le=10, description="null: 1e-4 for adamw, 1e-2 for sgd, 1e-3 for momentum"
    )
    warmup: int = Field(default=0, ge=0, le=1000, description="steps over which the learning rate rises linearly")
    decay: Literal["none", "linear", "cosine"] = Field(
        default="none", description="how it falls afterwards, to 0 after the last step"
    )
    batch_size: int | None = Field(default=None, ge=1, le=512, description="null: all training texts")
    steps: int = Field(default=20, ge=0, le=1000, description="of the optimizer")
    measure_every: int = Field(default=4, ge=1, le=1000, description="steps between two measurements")
    forecast: bool = Field(default=True, description="train the linearized twin beside the model, from the initial kernel")
    seeds: int = Field(default=1, ge=1, le=4, description="heads, or random initializations, trained side by side")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_texts()
        if self.batch_size is not None and self.batch_size > self.samples:
            raise ValueError(f"batch_size = {self.batch_size} is not allowed; allowed: at most samples = {self.samples}")
        if self.steps > self.MEASUREMENTS * self.measure_every:
            raise ValueError(
                f"measure_every = {self.measure_every} is not allowed with steps = {self.steps}; "
                f"allowed: at most {self.MEASUREMENTS} measurements a run"
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
        if is_own(self.optimizer) and self.learning_rate is None:
            raise ValueError("learning_rate = None is not allowed with an optimizer of your own; allowed: a number")
        if is_own(self.model) and (self.headless or self.revision != MAIN):
            raise ValueError(
                f"readout = {self.readout!r}, revision = {self.revision!r:.80} are not allowed with a model of your own; "
                f"allowed: 'mean' or 'last', {MAIN!r}"
            )
        if self.warmup > self.steps:
            raise ValueError(f"warmup = {self.warmup} is not allowed; allowed: at most steps = {self.steps}")
        return self

    @property
    def named(self) -> list[tuple[str, str]]:
        """The model and its revision; none for a model of one's own, which has no files."""
        return [] if is_own(self.model) else [(self.model, self.revision)]

    @property
    def by_parameter(self) -> bool:
        """Whether the twin is trained in parameter space: by AdamW, or by an optimizer of one's own."""
        return self.optimizer not in ("sgd", "momentum")

    @property
    def headless(self) -> bool:
        """Whether the readout is the language model's own."""
        return self.readout in ("prompt", "next-token")

    @property
    def held_out(self) -> int:
        """Texts for the test loss."""
        return min(self.samples, self.shares["samples"].held_out)

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
