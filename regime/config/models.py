"""What runs on transformers have in common: a model by name, texts, and how the two make a function."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from regime.config.base import FROM_LIST, SEED_LIMIT, Device
from regime.config.own import ACCEPTED, Measures
from regime.config.own_texts import OwnTexts, parse_texts
from regime.config.read import Read
from regime.config.rows import Column, RowsConfig

PROBE_TOKEN_LIMIT = 8192
"""Most probe tokens, over all seeds, whose activations and gradients a run holds at once."""
MAIN = "main"
"""The revision of a model where none is named: a folder itself, or what the catalog pins."""
ADDITION = "modular-addition"
"""The name of a task, and of the shipped trajectory that was trained on it."""

Name = Annotated[str, Field(min_length=1, max_length=96)]
if TYPE_CHECKING:  # a function or class of one's own may be passed, and is kept as its import path
    AnyModel = str | Callable[[], Any]
else:
    AnyModel = Annotated[Name, *ACCEPTED]


class TransformerConfig(RowsConfig):
    """A transformer, texts, and what makes a function of them."""

    rows_field: ClassVar[str] = "texts"

    model: AnyModel = Field(default="minilm", description="one of the catalog, a folder of REGIME_MODELS_DIR, or a Hub id")
    texts: str | None = Field(
        default=None,
        max_length=1_000_000,
        description="for task 'own': texts and labels, in CSV or the like, or lines of text alone for 'next-token'; in Python "
        "also the path of a file; never in a permalink",
    )
    text_column: Column | None = Field(
        default=None,
        description="of own rows: the column of texts; null: the one called text or the like, or of the longest cells",
    )
    prompt: str | None = Field(
        default=None, max_length=400, description="for 'prompt': a template with {text} and {mask}; null: the task's own"
    )
    words: Annotated[tuple[Name, ...], Field(max_length=10), FROM_LIST] = Field(
        default=(),
        description="for 'prompt': the word that stands for each label, labels in alphabetical order; empty: the task's own",
    )
    max_tokens: int = Field(default=32, ge=4, le=128, description="longer texts are cut")
    seed: int = Field(default=0, ge=0, le=SEED_LIMIT, description="of the split of the texts and of the first head")
    measures: Measures = Field(
        default=(), description="in Python alone: measures of one's own, classes or their import paths 'module:Name'"
    )
    device: Device = Field(default="auto", description="'auto': a GPU where there is one")

    def _check_texts(self) -> None:
        if self.prompt is not None and ("{text}" not in self.prompt or self.prompt.count("{mask}") != 1):
            raise ValueError(f"prompt = {self.prompt!r:.80} is not allowed; allowed: a template with {{text}} and one {{mask}}")
        if self.readout != "prompt" and (self.prompt is not None or self.words):
            raise ValueError(f"prompt and words are not allowed with readout = {self.readout!r}; allowed: null and empty")
        if (table := self.table) is not None:
            self._check_words(table)

    def _check_words(self, table: OwnTexts) -> None:
        if table.values and (self.readout == "prompt" or getattr(self, "loss", None) == "cross-entropy"):
            raise ValueError(
                f"readout = {self.readout!r} is not allowed: the target {table.read.target[0]!r:.60} is a regression; "
                "allowed: a new head with loss 'mse', or task_type = 'classification'"
            )
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
            return parse_texts(self.texts, self.labeled, self.choices)
        except ValueError as error:
            raise ValueError(f"texts is not allowed: {error}") from None

    @property
    def read(self) -> Read | None:
        """What was read of somebody's own rows; raises ValueError as `table` does."""
        return None if self.table is None else self.table.read

    @property
    def classes(self) -> int:
        """Labels of the task; 0 where there are none, or numbers to predict."""
        if not self.labeled:
            return 0
        return 2 if self.table is None else len(self.table.classes)

    @property
    def outputs(self) -> int:
        """Outputs C of the function: one for two labels and for 'next-token', else one a label."""
        return self.classes if self.classes > 2 else 1
