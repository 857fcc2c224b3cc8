"""What the configurations of toys and of transformers have in common: somebody's own rows, and what is read of them."""

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import Field, create_model, model_validator

from regime.config.base import FROM_LIST, Config
from regime.config.files import rows_of
from regime.config.read import Choices, Mark, Missing, Read, TaskType
from regime.errors import show

OWN = "own"
"""The task of somebody's own rows."""
FORMER = "csv"
"""What that task of toys was called before; it still works, with a warning."""

Name = Annotated[str, Field(max_length=1000)]
Column = Annotated[int, Field(ge=-1000, le=1_000_000_000)] | Name
Columns = Annotated[tuple[Column, ...], Field(max_length=256), FROM_LIST]


class Share(NamedTuple):
    """How many rows a field counts, where nobody says and rows suffice, and at least; and how many are held out beside them."""

    usual: int
    least: int
    held_out: int = 0
    """At most."""

    def rows(self, count: int) -> int:
        """Return how many rows so many take, with those held out."""
        return count + min(count, self.held_out)


class RowsConfig(Config):
    """A run that may take somebody's own rows."""

    rows_field: ClassVar[str]
    """The field that holds them."""
    shares: ClassVar[Mapping[str, Share]]
    """Of fields that count rows."""

    kind: str
    task: str
    target: Column | Columns | None = Field(
        default=None,
        description="of own rows: the column to predict, by name, or by number from 1, from the last as -1; several that are "
        "one-hot; null: the one called label, class or the like, or the last",
    )
    drop: Columns | None = Field(
        default=None,
        description="of own rows: columns that are left out, beside those that only count the rows; []: none of these, either",
    )
    header: bool | None = Field(
        default=None, description="of own rows: whether the first one names the columns; null: by its looks"
    )
    task_type: TaskType = Field(
        default="auto",
        description="of own rows: 'auto' takes words, and at most 10 whole numbers, for classes, else a regression",
    )
    missing: Missing = Field(
        default="refuse", description="of own rows: 'drop' leaves out rows with cells that are missing or cannot be read"
    )

    decimal: Mark = Field(
        default="auto",
        description="of own rows: the decimal mark, whose other parts thousands; 'auto' takes what makes most cells numbers",
    )

    @model_validator(mode="before")
    @classmethod
    def _open(cls, fields: Any) -> Any:
        """Take rows from the file that the field names, and the task from the rows or from its former name."""
        if not isinstance(fields, dict):
            return fields
        if fields.get("task") == FORMER:
            warnings.warn(f"task = {FORMER!r} is called {OWN!r} now", FutureWarning, stacklevel=4)
            fields = fields | {"task": OWN}
        if fields.get(cls.rows_field) is None:
            return fields
        try:
            return {"task": OWN} | fields | {cls.rows_field: rows_of(fields[cls.rows_field])}
        except ValueError as error:
            raise ValueError(f"{cls.rows_field} is not allowed: {error}") from None

    @model_validator(mode="after")
    def _check_own(self) -> Self:
        rows = getattr(self, self.rows_field)
        if (self.task == OWN) != (rows is not None):
            given = "null" if rows is None else "rows"
            raise ValueError(
                f"{self.rows_field} = {given} is not allowed with task = {self.task!r}; "
                f"allowed: your rows with task = {OWN!r} (a permalink does not hold them), null with any other"
            )
        if rows is None:
            defaults = Choices()
            for name, value in self.choices._asdict().items():
                if value != getattr(defaults, name):
                    raise ValueError(
                        f"{name} = {show(value)} is not allowed with task = {self.task!r}; "
                        f"allowed: {getattr(defaults, name)!r}, for it says what to read of your own rows"
                    )
            return self
        for name, count in self._counts(self.read.rows).items():
            self.__dict__[name] = count  # frozen from here on
        return self

    def _counts(self, rows: int) -> dict[str, int]:
        """How many rows each group has that nobody gave a count, where the rows do not suffice for the usual ones."""
        least = sum(share.rows(share.least) for share in self.shares.values())
        if rows < least:
            raise ValueError(f"{self.rows_field} is not allowed: it has {rows} rows; allowed: at least {least}")
        free = {name: share for name, share in self.shares.items() if name not in self.model_fields_set}
        left = rows - sum(share.rows(getattr(self, name)) for name, share in self.shares.items() if name not in free)
        wanted = sum(share.rows(share.usual) for share in free.values())
        if left >= wanted:
            return {}
        counts = {name: max(share.least, share.usual * left // wanted) for name, share in free.items()}
        while sum(share.rows(counts[name]) for name, share in free.items()) > left and (
            larger := [name for name in free if counts[name] > free[name].least]
        ):
            counts[max(larger, key=counts.__getitem__)] -= 1
        return counts

    @classmethod
    @cache
    def awaiting_rows(cls) -> type[Self]:
        """Return the class of configurations whose rows are still to come: fields are checked one by one, not together."""
        unchecked = dict.fromkeys(("_check_own", "_consistent"), model_validator(mode="after")(lambda self: self))
        return create_model(cls.__name__, __base__=cls, __validators__=unchecked)

    @property
    def choices(self) -> Choices:
        """What is to be read of the rows."""
        return Choices(**{name: getattr(self, name) for name in Choices._fields if name in type(self).model_fields})

    @property
    def read(self) -> Read | None:
        """What was read of the rows; None where there are none.

        Raises:
            ValueError: they are no such rows.
        """
        raise NotImplementedError
