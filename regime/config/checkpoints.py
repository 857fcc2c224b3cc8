"""Configuration of a comparison of checkpoints: revisions of one model, or models of one architecture."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from regime.config.base import FROM_LIST
from regime.config.models import ADDITION, MAIN, PROBE_TOKEN_LIMIT, Name, TransformerConfig
from regime.config.rows import Share


class CheckpointConfig(TransformerConfig):
    """Revisions of one model, or models of one architecture, measured against the first of them.

    The function f is as in `ProbeConfig`, with the same random head at every revision; for the task "modular-addition", the
    logits of the answers, less their mean. Time is the step that a revision's name ends in, else its place in the list.
    """

    shares: ClassVar[Mapping[str, Share]] = {"samples": Share(64, 8)}

    kind: Literal["checkpoints"] = "checkpoints"
    model: Name = Field(default=ADDITION, description="one of the catalog, a folder of REGIME_MODELS_DIR, or a Hub id")
    revisions: Annotated[tuple[Name, ...], Field(max_length=40), FROM_LIST] = Field(
        default=(),
        description="in order: branches, tags, subfolders, or other-model@revision; empty: all that ship with the model",
    )
    task: Literal["modular-addition", "sentiment", "source", "own"] = Field(
        default=ADDITION, description="what the texts are labeled with; /catalog says what each is"
    )
    readout: Literal["mean", "last", "prompt", "next-token"] = Field(
        default="prompt", description="'prompt' for modular-addition, whose words are its answers"
    )
    samples: int = Field(default=64, ge=8, le=256, description="texts, or sums, on which everything is compared")

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
