"""Reports that can be kept in a folder: written whole or not at all, and checked when they are read."""

import json
import os
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from regime.record.events import Message
from regime.record.files import whole


class Saved(Message):
    """A message with a file name of its own."""

    file: ClassVar[str]

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Inverse of `to_dict`; raises ValueError naming what does not fit."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise ValueError(f"not a report of this version: {first_problem(error)}") from None

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the report into `folder`, whole or not at all; returns the file's path."""
        target = Path(folder) / self.file
        with whole(target) as partial:
            partial.write_text(self.model_dump_json(), encoding="utf-8")
        return target

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote, of any size: from its folder, or the file that it returned.

        Raises:
            FileNotFoundError: there is no report in the folder.
            ValueError: the file is not a report of this version.
        """
        path = Path(folder)
        path = path / cls.file if path.is_dir() else path
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            raise ValueError(f"{path} is not JSON") from None
        return cls.from_dict(fields)


def first_problem(error: ValidationError) -> str:
    """Return where a validation failed first, and why."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(map(str, problem["loc"]))
    said = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
