"""What was read of somebody's own rows, as the start of a run, its report, the page and the terminal say it."""

from decimal import Decimal
from typing import Literal, NamedTuple
from unicodedata import bidirectional

from pydantic import BaseModel, ConfigDict, Field

from regime.config.columns import Choice
from regime.errors import show

TaskType = Literal["auto", "classification", "regression"]
Missing = Literal["refuse", "drop"]
Mark = Literal["auto", ".", ","]
CLASSES = 64
"""Most classes of a target that is chosen, or holds words."""
FEW = 10
"""Most different whole numbers that are taken for classes unasked."""
MANY = 30
"""Most different whole numbers that could be classes as well."""


class Choices(NamedTuple):
    """What is to be read of a table; fields of a configuration, by the same names."""

    target: Choice | tuple[Choice, ...] | None = None
    drop: tuple[Choice, ...] | None = None
    header: bool | None = None
    task_type: TaskType = "auto"
    missing: Missing = "refuse"
    encode: tuple[Choice, ...] = ()
    text_column: Choice | None = None
    decimal: Mark = "auto"


class Read(BaseModel):
    """What was read of somebody's own rows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rows: int = Field(description="that were read, those left out not counted")
    inputs: list[str] = Field(description="columns that are inputs, by name")
    target: list[str] = Field(
        description="the column to predict, by name; several that are one-hot; none of texts without labels"
    )
    task_type: Literal["classification", "regression"] | None = Field(description="null: texts without labels")
    classes: dict[str, int] = Field(description="class -> its rows; empty in regression")
    left_out: list[str] = Field(description="rows and columns that are left out, and why")
    scaling: str = Field(description="what is done to the numbers")
    taken: list[str] = Field(description="how the file was read")
    doubts: list[str] = Field(description="what else was possible, and the choice that says so")
    columns: list[str] = Field(description="all columns by name, as the file has them")
    first: list[list[str]] = Field(description="cells of its first rows")

    def sentences(self) -> list[str]:
        """Return all of it in sentences: what is predicted from what, what was left out, how it was read, what is in doubt."""
        inputs = f"{len(self.inputs)} input{'s' * (len(self.inputs) != 1)}: {few(self.inputs)}"
        if not self.target:
            said = f"{self.rows} rows, {inputs}."
        elif self.task_type == "regression":
            said = f"{self.rows} rows, {inputs}. Target {few(self.target)}: numbers, a regression."
        else:
            counts = few([f"{name}: {count}" for name, count in self.classes.items()])
            said = f"{self.rows} rows, {inputs}. Target {few(self.target)}: {len(self.classes)} classes ({counts})."
        scaling = [f"{self.scaling}."] if self.scaling else []
        rest = [f"{part[0].upper()}{part[1:]}." for part in (*self.left_out, *self.taken, *self.doubts)]
        return [said, *rest, *scaling]


def few(names: list[str], most: int = 6) -> str:
    """Return some of the names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(apart(name if len(name) <= 40 else name[:37] + "...") for name in names[:most]) + more


def apart(name: str) -> str:
    """Return a name that holds its own place in a sentence: one written from right to left would turn what stands beside it."""
    turned = any(bidirectional(sign) in ("R", "AL") for sign in name)
    return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}" if turned else name


def classes_of(column: list[str], values: list[Decimal] | None) -> tuple[tuple[str, ...], list[int]]:
    """Return a column's classes, in order, and each row's: as its values compare, or where it has none as cells are written."""
    if values is None:
        names = sorted(set(column))
        return tuple(names), [names.index(cell) for cell in column]
    known = sorted(set(values))
    return tuple(_plain(value) for value in known), [known.index(value) for value in values]


def _plain(value: Decimal) -> str:
    """A number as a class is called: 1.50 is 1.5, and 1.0 is 1."""
    if value == value.to_integral_value():
        return str(int(value))  # of 31 digits at most
    return str(value) if "E" in str(value) else str(value).rstrip("0").rstrip(".")


def as_well(name: str, field: str) -> str:
    """Return a sentence for a column that by its name could be what another one is taken for."""
    return f"column {show(name)} could be the {field.replace('_', ' ')} as well: {field} = {name!r} takes it"


def cased(classes: tuple[str, ...]) -> list[str]:
    """Return a sentence for classes that differ in small and large letters only."""
    lower = [name.lower() for name in classes]
    same = [name for name in classes if lower.count(name.lower()) > 1]
    return [f"{', '.join(map(repr, same))} differ in small and large letters only and are different classes"] if same else []


def check_classes(classes: tuple[str, ...], rows: int) -> None:
    """Refuse a target of one value, of too many classes, or with hardly a class twice.

    Raises:
        ValueError: with the choice that mends it.
    """
    if len(classes) < 2:
        raise ValueError("its target has one value only; allowed: at least two; say which column it is with target")
    if len(classes) > CLASSES or (len(classes) > FEW and len(classes) * 2 > rows):
        some = ", ".join(show(name) for name in classes[:3])
        raise ValueError(
            f"its target has {len(classes)} different values ({some}, ...) in {rows} rows; allowed: 2 to {CLASSES} classes, "
            "each in two rows on average; say which column is the target, or task_type = 'regression' where it holds numbers"
        )
